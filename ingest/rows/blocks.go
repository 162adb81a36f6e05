package rows

import (
	"time"

	"rollcall/schema"
)

// Blocks sorts the rows as the log does, leaves out copies (see sorter), and makes one block per
// calendar month. The log is partitioned by month, so a block becomes one part, all of it or
// nothing. twice is called for each copy that is left out.
func (e *Events) Blocks(twice func(t schema.Type, conflict bool)) (blocks []Block) {
	e.fill()
	var m months
	ranks := e.org.ranks()
	for row := range e.keys {
		day := schema.Day(e.day.values[row])
		org := ranks[e.org.rows[row]]
		e.keys[row].high = uint64(m.of(day))<<48 | uint64(org)<<24 | uint64(uint16(day))<<8 | uint64(e.typ.values[row])
	}
	rows := e.sort(func(row uint32, conflict bool) { twice(e.typ.values[row], conflict) })
	monthOf := func(row uint32) uint16 { return m.of(schema.Day(e.day.values[row])) }
	from := 0
	for i := range rows {
		if i+1 == len(rows) || monthOf(rows[i]) != monthOf(rows[i+1]) {
			blocks = append(blocks, Block{&e.table, rows[from : i+1]})
			from = i + 1
		}
	}
	return blocks
}

// months numbers the calendar month of a day. It remembers the last month.
type months struct {
	from, to schema.Day // the days [from, to) are month
	month    uint16
}

func (m *months) of(d schema.Day) uint16 {
	if d < m.from || d >= m.to {
		year, month, _ := d.Time().Date()
		m.from = schema.DayOf(time.Date(year, month, 1, 0, 0, 0, 0, time.UTC))
		m.to = schema.DayOf(time.Date(year, month+1, 1, 0, 0, 0, 0, time.UTC))
		m.month = uint16(year*12 + int(month) - 1)
	}
	return m.month
}
