package ingest

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/google/uuid"

	"rollcall/schema"
)

// A markedSlice is an org's day whose rows changed.
type markedSlice struct {
	org []byte
	day schema.Day
}

// slices lists the slices of sorted rows.
func (e *events) slices(rows []uint32) (slices []markedSlice) {
	for i, row := range rows {
		if i > 0 && e.day.values[row] == e.day.values[rows[i-1]] && e.org.rows[row] == e.org.rows[rows[i-1]] {
			continue
		}
		slices = append(slices, markedSlice{e.org.at(row), schema.Day(e.day.values[row])})
	}
	return slices
}

// marks are rows of the table marks, schema/tables/migrations/0002_slices.sql; the time is the server's.
type marks struct {
	table
	org      words
	day      numbers[uint16]
	writer   hashes
	sequence numbers[uint64]
	rows     []uint32
}

func newMarks() *marks {
	m := &marks{}
	m.day = numbers[uint16]{width: 2, typ: "Date"}
	m.writer = hashes{width: 16, typ: "UUID"}
	m.sequence = numbers[uint64]{width: 8, typ: "UInt64"}
	m.table = table{name: "marks", fields: []field{{"org_id", &m.org}, {"day", &m.day}, {"writer", &m.writer}, {"seq", &m.sequence}}}
	return m
}

// insertMarks says that the slices changed.
func (s *storer) insertMarks(ctx context.Context, slices []markedSlice) error {
	m := s.marks
	m.reset()
	m.rows = m.rows[:0]
	writer := nativeUUID(s.writer)
	for i, slice := range slices {
		m.org.add(slice.org)
		m.day.add(uint16(slice.day))
		m.writer.add(writer[:])
		m.sequence.add(s.sequence)
		m.rows = append(m.rows, uint32(i))
	}
	if err := s.engine.insert(ctx, stepMarks, &m.table, m.rows); err != nil {
		return fmt.Errorf("store marks: %w", err)
	}
	return nil
}

// nativeUUID is ClickHouse's form: two little-endian halves.
func nativeUUID(id uuid.UUID) (native [16]byte) {
	binary.LittleEndian.PutUint64(native[:], binary.BigEndian.Uint64(id[:8]))
	binary.LittleEndian.PutUint64(native[8:], binary.BigEndian.Uint64(id[8:]))
	return native
}
