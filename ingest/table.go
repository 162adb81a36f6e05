package ingest

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"rollcall/schema"
)

// A field is a column and its name in the table.
type field struct {
	name string
	column
}

// A table is rows on their way into one ClickHouse table.
type table struct {
	name   string
	fields []field
	block  []byte // the last encoded block; its memory is used again
}

func (t *table) reset() {
	for _, f := range t.fields {
		f.reset()
	}
}

func (t *table) size() (n int) {
	for _, f := range t.fields {
		n += f.size()
	}
	return n
}

// insert is the statement that goes before a block.
func (t *table) insert() string {
	names := make([]string, len(t.fields))
	for i, f := range t.fields {
		names[i] = f.name
	}
	return "INSERT INTO " + t.name + " (" + strings.Join(names, ", ") + ")"
}

// encode makes one Native block of the rows, in their order. It holds until the next call.
func (t *table) encode(rows []uint32) []byte {
	out := binary.AppendUvarint(t.block[:0], uint64(len(t.fields)))
	out = binary.AppendUvarint(out, uint64(len(rows)))
	for _, f := range t.fields {
		out = appendString(out, f.name)
		out = appendString(out, f.kind())
		out = f.encode(out, rows)
	}
	t.block = out
	return out
}

func appendString(out []byte, s string) []byte {
	return append(binary.AppendUvarint(out, uint64(len(s))), s...)
}

// A sortKey orders rows as their table does. high is filled for sorting only: what stands before the event's id, most significant first.
type sortKey struct {
	high   uint64
	id     [2]uint64 // big endian, so that integers sort as bytes do
	row    uint32
	_      uint32
	winner uint64 // the version
}

func (a sortKey) compare(b sortKey) int {
	if a.high != b.high {
		return cmp.Compare(a.high, b.high)
	}
	if a.id[0] != b.id[0] {
		return cmp.Compare(a.id[0], b.id[0])
	}
	if a.id[1] != b.id[1] {
		return cmp.Compare(a.id[1], b.id[1])
	}
	return cmp.Compare(b.winner, a.winner) // the highest version first
}

func (a sortKey) same(b sortKey) bool { return a.high == b.high && a.id == b.id }

// sortRows brings the keys into the table's order and appends to rows those that are needed: of copies, the first of the highest version. twice is told of
// each copy that is left out, and whether its content differs.
func sortRows(keys []sortKey, rows []uint32, twice func(row uint32, conflict bool)) []uint32 {
	slices.SortFunc(keys, sortKey.compare)
	for i := range keys {
		if i > 0 && keys[i].same(keys[i-1]) {
			twice(keys[i].row, keys[i].winner != keys[i-1].winner)
			continue
		}
		rows = append(rows, keys[i].row)
	}
	return rows
}

// months numbers the calendar month of a day, remembering the last one.
type months struct {
	from, to schema.Day // [from, to) is the month below
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
