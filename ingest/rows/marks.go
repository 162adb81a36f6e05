package rows

import (
	"encoding/binary"

	"github.com/google/uuid"

	"rollcall/schema"
)

// A Slice is one org's day. Its rows have changed.
type Slice struct {
	Org []byte
	Day schema.Day
}

// Slices lists the slices of the blocks that Blocks returned. Their texts are valid until Reset.
func (e *Events) Slices(blocks []Block) (slices []Slice) {
	for _, b := range blocks { // a slice is of one month, so it is not in two blocks
		slices = e.appendSlices(slices, b.rows)
	}
	return slices
}

func (e *Events) appendSlices(slices []Slice, rows []uint32) []Slice {
	for i, row := range rows {
		if i > 0 && e.day.values[row] == e.day.values[rows[i-1]] && e.org.rows[row] == e.org.rows[rows[i-1]] {
			continue
		}
		slices = append(slices, Slice{e.org.at(row), schema.Day(e.day.values[row])})
	}
	return slices
}

// Marks are rows of the table marks, schema/tables/migrations/0002_slices.sql. The server sets
// their time.
type Marks struct {
	table
	org      words
	day      numbers[uint16]
	writer   hashes
	sequence numbers[uint64]
	rows     []uint32
}

// NewMarks makes Marks without rows.
func NewMarks() *Marks {
	m := &Marks{}
	m.day = numbers[uint16]{width: 2, typ: "Date"}
	m.writer = hashes{width: 16, typ: "UUID"}
	m.sequence = numbers[uint64]{width: 8, typ: "UInt64"}
	m.table = table{name: "marks", fields: []field{
		{"org_id", &m.org}, {"day", &m.day}, {"writer", &m.writer}, {"seq", &m.sequence},
	}}
	return m
}

// Blocks makes one mark for each of the slices. It forgets the marks of the call before.
func (m *Marks) Blocks(slices []Slice, writer uuid.UUID, sequence uint64) []Block {
	m.reset()
	m.rows = m.rows[:0]
	native := nativeUUID(writer)
	for i, slice := range slices {
		m.org.add(slice.Org)
		m.day.add(uint16(slice.Day))
		m.writer.add(native[:])
		m.sequence.add(sequence)
		m.rows = append(m.rows, uint32(i))
	}
	if len(slices) == 0 {
		return nil
	}
	return []Block{{&m.table, m.rows}}
}

// nativeUUID is a UUID in ClickHouse's form: two little-endian halves.
func nativeUUID(id uuid.UUID) (native [16]byte) {
	binary.LittleEndian.PutUint64(native[:], binary.BigEndian.Uint64(id[:8]))
	binary.LittleEndian.PutUint64(native[8:], binary.BigEndian.Uint64(id[8:]))
	return native
}
