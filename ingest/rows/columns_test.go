package rows

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"rollcall/schema"
)

// Numbers are encoded little-endian in their width, for the chosen rows, behind what is there
// already.
func TestEncodingOfNumbers(t *testing.T) {
	for width, want := range map[int][]byte{
		1:  {0x18, 0x08},
		2:  {0x18, 0x17, 0x08, 0x07},
		4:  {0x18, 0x17, 0x16, 0x15, 0x08, 0x07, 0x06, 0x05},
		8:  {0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11, 0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01},
		16: {0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11, 15: 0, 0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01, 31: 0},
	} {
		c := numbers[uint64]{width: width}
		c.add(0x0102030405060708)
		c.add(0xffffffffffffffff)
		c.add(0x1112131415161718)
		used := bytes.Repeat([]byte{0xee}, 64)
		if got := c.encode(used[:2], []uint32{2, 0}); !bytes.Equal(got, append([]byte{0xee, 0xee}, want...)) {
			t.Errorf("width %d: %x, want %x", width, got, want)
		}
	}
}

// A text is encoded after its length, which takes a second byte from 128 on. Texts that are all
// empty are lengths of 0, in used memory too.
func TestEncodingOfTexts(t *testing.T) {
	c := &texts{}
	var all [][]byte
	for _, n := range []int{0, 1, 127, 128, 129, 300, 0} {
		text := bytes.Repeat([]byte{byte('a' + len(all))}, n)
		all = append(all, text)
		c.add(text)
	}
	var want []byte
	rows := []uint32{6, 5, 4, 3, 2, 1, 0}
	for _, row := range rows {
		want = append(binary.AppendUvarint(want, uint64(len(all[row]))), all[row]...)
	}
	if got := c.encode(nil, rows); !bytes.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	c.reset()
	c.fill(3)
	used := bytes.Repeat([]byte{0xee}, 8)
	if got := c.encode(used[:1], []uint32{0, 2}); !bytes.Equal(got, []byte{0xee, 0, 0}) {
		t.Errorf("texts that are all empty: %x", got)
	}
}

// A place in the dictionary takes as many bytes as the dictionary's length needs. The dictionary
// begins with the empty text.
func TestEncodingOfWords(t *testing.T) {
	for _, c := range []struct{ entries, width int }{
		{1, 1}, {2, 1}, {1 << 8, 1}, {1<<8 + 1, 2}, {1 << 16, 2}, {1<<16 + 1, 4},
	} {
		w := &words{}
		w.add(nil)
		for n := 1; n < c.entries; n++ {
			w.add(fmt.Append(nil, n))
		}
		last := uint32(c.entries - 1)
		got := w.encode(nil, []uint32{last, 0})
		var dictionary []byte
		for n := range c.entries {
			word := ""
			if n > 0 {
				word = fmt.Sprint(n)
			}
			dictionary = append(binary.AppendUvarint(dictionary, uint64(len(word))), word...)
		}
		flag := uint64(c.width / 2) // 0, 1 and 2 mean 1, 2 and 4 bytes
		want := binary.LittleEndian.AppendUint64(nil, 1)
		want = binary.LittleEndian.AppendUint64(want, 1<<9|1<<10|flag)
		want = binary.LittleEndian.AppendUint64(want, uint64(c.entries))
		want = binary.LittleEndian.AppendUint64(append(want, dictionary...), 2)
		place := binary.LittleEndian.AppendUint32(nil, last)[:c.width]
		want = append(append(want, place...), make([]byte, c.width)...)
		if !bytes.Equal(got, want) {
			t.Errorf("%d entries: %.40x… of %d bytes, want %.40x… of %d", c.entries, got, len(got), want, len(want))
		}
	}
}

// Equal words have one place, whether they are neighbours or not, however many come between.
func TestPlacesOfWords(t *testing.T) {
	c := &words{}
	var want []uint32
	add := func(v string, place uint32) {
		c.add([]byte(v))
		want = append(want, place)
	}
	for range 2 {
		add("", 0)
		add("a", 1)
		add("a", 1)
		add("", 0)
		add("", 0)
		add("b", 2)
		add("a", 1)
	}
	for n := uint32(3); n < 3000; n++ {
		add(fmt.Sprint(n), n)
		add("b", 2)
	}
	for n := uint32(3); n < 3000; n++ {
		add(fmt.Sprint(n), n)
	}
	if !slices.Equal(c.rows, want) {
		t.Errorf("the places are %d, want %d", c.rows, want)
	}
	if got := c.at(1); string(got) != "a" {
		t.Errorf("row 1 is %q", got)
	}
	if n := len(c.dictionary.ends); n != 3000 {
		t.Errorf("the dictionary has %d entries, want 3000", n)
	}
}

// The index of the words starts with 64 places and is doubled once half of them are used, so a
// search is short, and always ends.
func TestIndexOfWordsGrows(t *testing.T) {
	c := &words{}
	c.add(nil)
	if len(c.index) != 0 {
		t.Errorf("the empty word alone has an index of %d", len(c.index))
	}
	for n := 1; n <= 200; n++ { // with the empty word, there are n + 1
		c.add(fmt.Append(nil, n))
		want := 64
		for 2*n >= want {
			want *= 2
		}
		if len(c.index) != want {
			t.Fatalf("%d words have an index of %d, want %d", n, len(c.index), want)
		}
	}
	taken := 0
	for _, e := range c.index {
		if e != 0 {
			taken++
		}
	}
	if taken != 200 {
		t.Errorf("the index has %d words, want 200", taken)
	}
}

// Ranks are the places of a dictionary's entries in byte order.
func TestRanksOfWords(t *testing.T) {
	c := &words{}
	for _, v := range []string{"b", "ab", "", "a", "\xff", "aa", "B"} {
		c.add([]byte(v))
	}
	// The entries are "", "b", "ab", "a", "\xff", "aa" and "B".
	if got, want := c.ranks(), []uint32{0, 5, 4, 2, 6, 3, 1}; !slices.Equal(got, want) {
		t.Errorf("the ranks are %d, want %d", got, want)
	}
	if got := (&words{}).ranks(); len(got) != 0 {
		t.Errorf("no words have the ranks %d", got)
	}
}

// fill adds empty rows up to a number and changes no row that is there.
func TestFill(t *testing.T) {
	n := &numbers[uint32]{width: 4}
	n.values = append(n.values, 7, 8, 9)[:1] // memory that was used before
	s := &texts{}
	s.add([]byte("one"))
	w := &words{}
	w.rows = []uint32{9, 9, 9}[:0]
	w.add([]byte("one"))
	g := group{n, s, w}
	for _, rows := range []int{0, 1, 3, 2} {
		g.fill(rows)
		want := max(1, rows)
		if rows == 2 {
			want = 3
		}
		if n.len() != want || s.len() != want || w.len() != want {
			t.Fatalf("filled to %d: %d, %d and %d rows, want %d", rows, n.len(), s.len(), w.len(), want)
		}
	}
	if !slices.Equal(n.values, []uint32{7, 0, 0}) {
		t.Errorf("the numbers are %d", n.values)
	}
	if fmt.Sprintf("%s|%s|%s", s.at(0), s.at(1), s.at(2)) != "one||" {
		t.Errorf("the texts are %q, %q, %q", s.at(0), s.at(1), s.at(2))
	}
	if fmt.Sprintf("%s|%s|%s", w.at(0), w.at(1), w.at(2)) != "one||" {
		t.Errorf("the words are %q, %q, %q", w.at(0), w.at(1), w.at(2))
	}
}

// The memory of a column is the capacity of each of its parts.
func TestHeldByColumns(t *testing.T) {
	text := texts{data: make([]byte, 1, 1000), ends: make([]uint32, 1, 20)} // 1080 bytes, 5 in use
	days := maybeDays{}
	days.reserve(30)
	days.add(nil)
	for name, c := range map[string]struct {
		column     column
		size, held int
	}{
		"numbers":    {&numbers[uint32]{values: make([]uint32, 3, 10), width: 4}, 12, 40},
		"texts":      {&text, 5, 1080},
		"hashes":     {&hashes{data: make([]byte, 32, 48), width: 16}, 32, 48},
		"words":      {&words{dictionary: text, index: make([]uint32, 64), rows: make([]uint32, 2, 30)}, 13, 1456},
		"maybe days": {&days, 5, 150},
		"lists":      {&lists{ends: make([]uint32, 2, 10), texts: text, wanted: make([]uint32, 5, 50)}, 21, 1320},
		"pairs": {
			&pairs{ends: make([]uint32, 2, 10), names: text, values: text, wanted: make([]uint32, 5, 50)}, 18, 2400,
		},
	} {
		if size, held := c.column.size(), c.column.held(); size != c.size || held != c.held {
			t.Errorf("%s: %d bytes in use of %d, want %d of %d", name, size, held, c.size, c.held)
		}
	}
}

// reserve makes room for rows. A column that has the room keeps its memory.
func TestReserve(t *testing.T) {
	pair := &pairs{}
	list := &lists{}
	days := &maybeDays{}
	for _, c := range []struct {
		rows, want int
	}{{10, 10}, {7, 10}, {10, 10}, {11, 11}} {
		pair.reserve(c.rows)
		list.reserve(c.rows)
		days.reserve(c.rows)
		if got := cap(pair.ends); got != c.want {
			t.Errorf("%d rows: room for %d pairs, want %d", c.rows, got, c.want)
		}
		if got := cap(list.ends); got != c.want {
			t.Errorf("%d rows: room for %d lists, want %d", c.rows, got, c.want)
		}
		if got := cap(days.days.values); got != c.want || cap(days.missing.values) != c.want {
			t.Errorf("%d rows: room for %d days, want %d", c.rows, got, c.want)
		}
	}
	text := &texts{}
	text.add([]byte(strings.Repeat("x", 100)))
	text.reserve(5)
	if cap(text.data) != 200 || cap(text.ends) < 5 || string(text.at(0)) != strings.Repeat("x", 100) {
		t.Errorf("room for %d bytes, want twice what is there; %q", cap(text.data), text.at(0))
	}
}

// Events make room for 256 rows, and then for twice as many each time, so a row is copied about
// once.
func TestRoomForEvents(t *testing.T) {
	e := NewEvents()
	ev := &schema.Event{Type: schema.Message, Org: []byte("o")}
	for n := 1; n <= 1025; n++ {
		e.Add(ev)
		want := 256
		for want < n {
			want *= 2
		}
		for name, room := range map[string]int{
			"keys": cap(e.keys), "day": cap(e.day.values), "org": cap(e.org.rows), "user": cap(e.user.ends),
			"event id": cap(e.eventID.data) / 16, "duration": cap(e.duration.values),
		} {
			if room != want {
				t.Fatalf("%d events: room for %d of %s, want %d", n, room, name, want)
			}
		}
	}
}
