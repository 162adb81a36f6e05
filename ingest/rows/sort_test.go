package rows

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"rollcall/schema"
)

// The sorter gives the result of a plain sort, for rows that are all equal, all different, and in
// between.
func TestSorter(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, n := range []int{0, 1, 2, 3, 1000, 20_000} {
		for _, highs := range []uint64{1, 3, 5000} {
			for _, ids := range []uint64{1, 50, 1 << 62} {
				t.Run(fmt.Sprintf("%d rows, %d slices, %d ids", n, highs, ids), func(t *testing.T) {
					s := &sorter{}
					for range n {
						s.keys = append(s.keys, sortKey{
							high:    random.Uint64N(highs) << 40,
							id:      [2]uint64{random.Uint64N(ids) << 2, random.Uint64N(2)},
							version: random.Uint64N(3) * 2,
						})
					}
					conflicts := 0
					duplicates := 0
					rows := s.sort(func(_ uint32, conflict bool) {
						if conflict {
							conflicts++
						} else {
							duplicates++
						}
					})
					checkSorted(t, s.keys, rows, conflicts, duplicates)
				})
			}
		}
	}
}

func checkSorted(t *testing.T, keys []sortKey, rows []uint32, conflicts, duplicates int) {
	sorted := slices.Clone(keys)
	slices.SortFunc(sorted, func(a, b sortKey) int { return a.compare(&b) })
	var want []sortKey
	wantConflicts := 0
	wantDuplicates := 0
	for i := range sorted {
		switch {
		case i == 0 || !sorted[i].same(&sorted[i-1]):
			want = append(want, sorted[i])
		case sorted[i].version != sorted[i-1].version:
			wantConflicts++
		default:
			wantDuplicates++
		}
	}
	if len(rows) != len(want) || conflicts != wantConflicts || duplicates != wantDuplicates {
		t.Fatalf("%d rows, %d conflicts, %d duplicates; not %d, %d, %d",
			len(rows), conflicts, duplicates, len(want), wantConflicts, wantDuplicates)
	}
	for i, row := range rows {
		if keys[row] != want[i] {
			t.Fatalf("place %d holds %+v, not %+v", i, keys[row], want[i])
		}
	}
}

// sorted are the rows that a sorter chooses, and the copies that it reports: "row" or "row!", if it
// is a conflict.
func sorted(keys ...sortKey) (rows []uint32, copies string) {
	s := &sorter{keys: keys}
	rows = s.sort(func(row uint32, conflict bool) {
		copies += fmt.Sprint(row)
		if conflict {
			copies += "!"
		}
		copies += " "
	})
	return rows, copies
}

// Each part of a key counts, also where the rows begin with the same bits. Of copies, the first
// one of the highest version is chosen.
func TestSorterByRow(t *testing.T) {
	id := func(first, second uint64) [2]uint64 { return [2]uint64{first, second} }
	for name, c := range map[string]struct {
		keys   []sortKey
		rows   []uint32
		copies string
	}{
		"none":        {nil, nil, ""},
		"one":         {[]sortKey{{}}, []uint32{0}, ""},
		"by high":     {[]sortKey{{high: 2}, {high: 1}, {high: 1 << 63}, {high: 0}}, []uint32{3, 1, 0, 2}, ""},
		"high and id": {[]sortKey{{high: 2, id: id(0, 0)}, {high: 1, id: id(1<<63, 9)}}, []uint32{1, 0}, ""},
		"by the first digit": {
			[]sortKey{{id: id(3<<53, 0)}, {id: id(1<<63, 0)}, {id: id(1<<53, 0)}, {id: id(2<<53, 0)}}, []uint32{2, 3, 0, 1}, "",
		},
		"by the second digit": {[]sortKey{{id: id(3<<42, 0)}, {id: id(1<<42, 0)}, {id: id(1<<53, 0)}}, []uint32{1, 0, 2}, ""},
		"by the third digit":  {[]sortKey{{id: id(3<<31, 0)}, {id: id(1<<31, 0)}, {id: id(1<<42, 0)}}, []uint32{1, 0, 2}, ""},
		"behind the digits":   {[]sortKey{{id: id(2, 0)}, {id: id(1, 0)}, {id: id(1<<31, 0)}}, []uint32{1, 0, 2}, ""},
		"by the second half":  {[]sortKey{{id: id(1, 2)}, {id: id(1, 1<<63)}, {id: id(1, 1)}}, []uint32{2, 0, 1}, ""},
		"a copy":              {[]sortKey{{version: 5}, {version: 5}}, []uint32{0}, "1 "},
		"a higher version":    {[]sortKey{{version: 5}, {version: 6}}, []uint32{1}, "0! "},
		"a lower version":     {[]sortKey{{version: 1 << 63}, {version: 6}}, []uint32{0}, "1! "},
		"ties": {
			[]sortKey{{version: 1}, {version: 3}, {version: 2}, {version: 3}, {version: 1}, {version: 2}}, []uint32{1},
			"3 2! 5 0! 4 ",
		},
		"copies between others": {
			[]sortKey{{high: 3}, {high: 2, version: 1}, {high: 1}, {high: 2, version: 2}}, []uint32{2, 3, 0}, "1! ",
		},
		"one id in two highs": {[]sortKey{{high: 2, id: id(7, 7)}, {high: 1, id: id(7, 7)}}, []uint32{1, 0}, ""},
		"one half of an id":   {[]sortKey{{id: id(2, 7)}, {id: id(1, 7)}, {id: id(1, 6)}}, []uint32{2, 1, 0}, ""},
	} {
		if rows, copies := sorted(c.keys...); !slices.Equal(rows, c.rows) || copies != c.copies {
			t.Errorf("%s: the rows %d and the copies %q, want %d and %q", name, rows, copies, c.rows, c.copies)
		}
	}
}

// A place has as many bits for the rank of the high as the ranks need; the id's first bits follow.
func TestPlaces(t *testing.T) {
	const id = 0xf123456789abcdef
	for _, c := range []struct {
		highs []uint64
		want  []uint64 // the places
	}{
		{[]uint64{9}, []uint64{id}},
		{[]uint64{9, 9}, []uint64{id, id}},
		{[]uint64{9, 8}, []uint64{1<<63 | id>>1, id >> 1}},
		{[]uint64{9, 8, 9, 9, 8}, []uint64{1<<63 | id>>1, id >> 1, 1<<63 | id>>1, 1<<63 | id>>1, id >> 1}},
		{[]uint64{9, 8, 10}, []uint64{1<<62 | id>>2, id >> 2, 2<<62 | id>>2}},
		{[]uint64{9, 8, 10, 0}, []uint64{2<<62 | id>>2, 1<<62 | id>>2, 3<<62 | id>>2, id >> 2}},
		{[]uint64{5, 4, 3, 2, 1}, []uint64{4<<61 | id>>3, 3<<61 | id>>3, 2<<61 | id>>3, 1<<61 | id>>3, id >> 3}},
	} {
		s := &sorter{}
		for _, high := range c.highs {
			s.keys = append(s.keys, sortKey{high: high, id: [2]uint64{id, 0}})
		}
		s.place()
		var got []uint64
		for i, p := range s.order {
			got = append(got, p.place)
			if p.row != uint32(i) {
				t.Errorf("%d: place %d is of row %d", c.highs, i, p.row)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%d: the places are %x, want %x", c.highs, got, c.want)
		}
	}
}

// The digits alone order the rows by their first 33 bits, and leave the order of rows that have
// these bits in common.
func TestRadix(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	s := &sorter{}
	for row := range uint32(5000) {
		place := random.Uint64()
		if row%2 == 0 {
			place &= 0x8004_0020_8000_00ff
		}
		s.order = append(s.order, placed{place, row})
	}
	want := slices.Clone(s.order)
	slices.SortStableFunc(want, func(a, b placed) int { return cmp.Compare(a.place>>31, b.place>>31) })
	s.radix()
	if !slices.Equal(s.order, want) {
		t.Error("the rows are in another order")
	}
}

// The parts of a key come from the event's id and version.
func TestKeysFromEvents(t *testing.T) {
	s := &sorter{}
	s.append(&schema.Event{
		EventID: schema.EventID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, Version: 17,
	})
	want := sortKey{id: [2]uint64{0x0102030405060708, 0x090a0b0c0d0e0f10}, version: 17}
	if s.keys[0] != want {
		t.Errorf("the key is %x, want %x", s.keys[0], want)
	}
}
