package rows

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"

	"rollcall/schema"
)

// A sortKey orders a row as its table does, and tells copies from each other.
type sortKey struct {
	high    uint64    // the columns before the event's id in the table's order; set before sorting
	id      [2]uint64 // big endian, so that integers are in the order of the bytes
	version uint64
}

func (a *sortKey) compare(b *sortKey) int {
	if c := cmp.Compare(a.high, b.high); c != 0 {
		return c
	}
	if c := cmp.Compare(a.id[0], b.id[0]); c != 0 {
		return c
	}
	if c := cmp.Compare(a.id[1], b.id[1]); c != 0 {
		return c
	}
	return cmp.Compare(b.version, a.version) // the highest version first, because it counts
}

func (a *sortKey) same(b *sortKey) bool { return a.high == b.high && a.id == b.id }

// A sorter sorts rows as their table does. Sorted blocks cost ClickHouse a third of unsorted ones
// (DESIGN.md §3).
type sorter struct {
	keys         []sortKey // by row
	order, spare []placed
	chosen       []uint32          // what sort returned last
	ranks        map[uint64]uint64 // of the distinct highs
	highs        []uint64
}

// placed is a row and the first 64 bits of its place: the rank of its high, then the beginning of
// its id. The id is a hash, so these bits differ for nearly all rows.
type placed struct {
	place uint64
	row   uint32
}

func (s *sorter) append(ev *schema.Event) {
	s.keys = append(s.keys, sortKey{
		id:      [2]uint64{binary.BigEndian.Uint64(ev.EventID[:8]), binary.BigEndian.Uint64(ev.EventID[8:])},
		version: ev.Version,
	})
}

// held is the memory that the sorter takes, in bytes.
func (s *sorter) held() int { return 32*cap(s.keys) + 16*(cap(s.order)+cap(s.spare)) + 4*cap(s.chosen) }

// sort returns the rows that are needed, in order. Of copies that is one of the highest version.
// twice is called for each copy that is left out, and is told whether its content differs from the
// copy before it.
func (s *sorter) sort(twice func(row uint32, conflict bool)) []uint32 {
	rows := withRoom(s.chosen[:0], len(s.keys))
	s.place()
	s.radix()
	s.settle()
	for i, r := range s.order {
		if i > 0 {
			if key, before := &s.keys[r.row], &s.keys[s.order[i-1].row]; key.same(before) {
				twice(r.row, key.version != before.version)
				continue
			}
		}
		rows = append(rows, r.row)
	}
	s.chosen = rows
	return rows
}

// place fills order with all rows and their places, in the order of arrival.
func (s *sorter) place() {
	if s.ranks == nil {
		s.ranks = map[uint64]uint64{}
	}
	clear(s.ranks)
	s.highs = s.highs[:0]
	for i := range s.keys {
		high := s.keys[i].high
		if i > 0 && high == s.keys[i-1].high {
			continue
		}
		if _, known := s.ranks[high]; !known {
			s.ranks[high] = 0
			s.highs = append(s.highs, high)
		}
	}
	slices.Sort(s.highs)
	for rank, high := range s.highs {
		s.ranks[high] = uint64(rank)
	}
	width := bits.Len(uint(len(s.highs) - 1))
	s.order = withRoom(s.order[:0], len(s.keys))
	rank := uint64(0)
	for i := range s.keys {
		key := &s.keys[i]
		if i == 0 || key.high != s.keys[i-1].high {
			rank = s.ranks[key.high]
		}
		s.order = append(s.order, placed{rank<<(64-width) | key.id[0]>>width, uint32(i)})
	}
}

// radix sorts by the first 33 bits of a place, digit by digit, from the last digit to the first.
// These bits differ for all but a few of a million rows.
const (
	digits    = 3
	digitBits = 11
	sortedBit = 64 - digits*digitBits
)

func (s *sorter) radix() {
	s.spare = append(withRoom(s.spare[:0], len(s.order)), s.order...)
	for digit := range digits {
		shift := sortedBit + digit*digitBits
		var starts [1 << digitBits]uint32
		for i := range s.order {
			starts[s.order[i].place>>shift&(1<<digitBits-1)]++
		}
		sum := uint32(0)
		for i, n := range starts {
			starts[i] = sum
			sum += n
		}
		for _, r := range s.order {
			d := r.place >> shift & (1<<digitBits - 1)
			s.spare[starts[d]] = r
			starts[d]++
		}
		s.order, s.spare = s.spare, s.order
	}
}

// settle sorts the rows that have the first bits in common: mostly copies.
func (s *sorter) settle() {
	for from := 0; from < len(s.order); {
		to := from + 1
		for to < len(s.order) && s.order[to].place>>sortedBit == s.order[from].place>>sortedBit {
			to++
		}
		if to-from > 1 {
			slices.SortFunc(s.order[from:to], func(a, b placed) int {
				return s.keys[a.row].compare(&s.keys[b.row])
			})
		}
		from = to
	}
}
