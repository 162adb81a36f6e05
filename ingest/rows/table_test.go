package rows

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
	"unsafe"

	"rollcall/schema"
)

// A block names its columns and their types, each with its length before it.
func TestBlockByByte(t *testing.T) {
	n := &numbers[uint16]{width: 2, typ: "UInt16"}
	n.add(1)
	n.add(2)
	s := &texts{}
	s.add([]byte("one"))
	s.add([]byte("two"))
	b := Block{&table{name: "t", fields: []field{{"n", n}, {"text", s}}}, []uint32{1, 0}}
	want := "\x02\x02" + "\x01n\x06UInt16\x02\x00\x01\x00" + "\x04text\x06String\x03two\x03one"
	if got := b.Encode(); string(got) != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := b.Insert(); got != "INSERT INTO t (n, text)" {
		t.Errorf("the statement is %q", got)
	}
	if b.Len() != 2 || b.Table() != "t" {
		t.Errorf("%d rows of %q", b.Len(), b.Table())
	}
}

// tables are rows of each kind, a thousand of them, and their tables.
func tables() map[string]*table {
	const rows = 1000
	short := NewEvents() // most texts are empty
	long := NewEvents()  // lengths of two bytes
	entities := NewEntities()
	rejects := NewRejects()
	for n := range rows {
		short.Add(&schema.Event{Type: schema.WorkflowRun})
		ev := eventOf(schema.Token, n)
		ev.User = bytes.Repeat([]byte("u"), 200)
		ev.Org = fmt.Append(nil, n, strings.Repeat("o", 200))
		long.Add(ev)
		entities.Add(entityOf(n))
		rec, rej := rejectOf(n)
		rejects.Add(rec, rej, time.UnixMilli(1))
	}
	short.fill()
	long.fill()
	return map[string]*table{
		"short": &short.table, "long": &long.table, "entities": &entities.table, "rejects": &rejects.table,
	}
}

func firstRows(n int) []uint32 {
	rows := make([]uint32, n)
	for i := range rows {
		rows[i] = uint32(i)
	}
	return rows
}

// A block of all rows is never longer than the memory that was reserved for it, so it is encoded
// in one piece of memory: the columns' size, their names and types, and 64 bytes for each column.
func TestRoomForABlock(t *testing.T) {
	for name, table := range tables() {
		most := 0
		for _, f := range table.fields {
			most += f.size() + len(f.name) + len(f.kind()) + 64
		}
		all := table.encode(firstRows(1000))
		if cap(all) != most || len(all) > most {
			t.Errorf("%s: %d bytes in memory of %d, want %d", name, len(all), cap(all), most)
		}
		if again := table.encode(firstRows(10)); unsafe.SliceData(again) != unsafe.SliceData(all) {
			t.Errorf("%s: another block has new memory", name)
		}
		rows := firstRows(1000)
		if allocated := testing.AllocsPerRun(5, func() { table.encode(rows) }); allocated > 0 {
			t.Errorf("%s: %v allocations for another block", name, allocated)
		}
	}
}

// A block of some rows has its share of the memory that a block of all rows would have.
func TestRoomForAShare(t *testing.T) {
	table := tables()["short"]
	most := cap(table.encode(firstRows(1000)))
	for _, n := range []int{999, 500, 250} {
		table.native = nil
		if got := cap(table.encode(firstRows(n))); got != most*n/1000 {
			t.Errorf("a block of %d of 1000 rows has %d bytes of memory, want %d of %d", n, got, most*n/1000, most)
		}
	}
}

// A table without rows is a block of none.
func TestBlockOfNoRows(t *testing.T) {
	table := &table{fields: []field{{"n", &numbers[uint16]{width: 2, typ: "UInt16"}}}}
	if got := table.encode(nil); string(got) != "\x01\x00\x01n\x06UInt16" {
		t.Errorf("%q", got)
	}
}

// What the rows hold is the sum of the columns', of the encoded block's and of the lists of rows.
func TestHeldByRows(t *testing.T) {
	two := table{native: make([]byte, 5, 100), fields: []field{
		{"a", &numbers[uint32]{values: make([]uint32, 1, 10), width: 4}},
		{"b", &numbers[uint32]{values: make([]uint32, 1, 20), width: 4}},
	}}
	if held := two.held(); held != 100+40+80 {
		t.Errorf("a table holds %d bytes, want 220", held)
	}
	s := sorter{
		keys: make([]sortKey, 1, 3), order: make([]placed, 1, 5), spare: make([]placed, 1, 7), chosen: make([]uint32, 1, 11),
	}
	want := 3*int(unsafe.Sizeof(sortKey{})) + 12*int(unsafe.Sizeof(placed{})) + 11*4
	if held := s.held(); held != want {
		t.Errorf("a sorter holds %d bytes, want %d", held, want)
	}
	events := Events{table: two, sorter: s}
	entities := Entities{table: two, sorter: s}
	rejects := Rejects{table: two, sentAt: make([]schema.Millis, 1, 6), chosen: make([]uint32, 1, 9)}
	if events.Held() != 220+want || entities.Held() != 220+want || rejects.Held() != 220+6*8+9*4 {
		t.Errorf("%d, %d and %d bytes are held, want %d, %d and %d",
			events.Held(), entities.Held(), rejects.Held(), 220+want, 220+want, 220+6*8+9*4)
	}
}
