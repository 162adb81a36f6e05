package rows

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"slices"
)

// A column holds the values of one column in the order of arrival. It keeps its memory at a reset,
// and encodes the values of chosen rows in ClickHouse's Native format.
//
// Why not the columns of github.com/ClickHouse/ch-go/proto: to fill and write them takes 5.2 times
// the CPU (`go test ./ingest/rows -run '^$' -bench Native -count 6`, medians: 0.47 and 2.45 µs per
// event), even if texts are not copied and the events are sorted already. They write all of their
// rows, in the order of arrival, so events would have to be held and sorted before they are
// appended. Our columns are filled as events come, and write the chosen rows in any order.
// TestBlocksAreReadByChGo checks that ch-go's reader finds the events in our blocks.
type column interface {
	kind() string // the ClickHouse type, as the Native format names it
	encode(out []byte, rows []uint32) []byte
	len() int         // rows
	size() int        // bytes in use
	held() int        // bytes of memory
	reserve(rows int) // makes room for that many rows in all
	reset()
}

// A group is the columns that some types of events have in common, so all of them have the same
// length. Events of other types add no rows to them; fill adds these later.
type group []interface {
	fill(rows int) // adds empty rows up to that many
}

func (g group) fill(rows int) {
	for _, column := range g {
		column.fill(rows)
	}
}

// zeros lengthens values to n with zeros, unless they are that long.
func zeros[T any](values []T, n int) []T {
	from := len(values)
	if n <= from {
		return values
	}
	values = slices.Grow(values, n-from)[:n]
	clear(values[from:])
	return values
}

// numbers are integers of 1, 2, 4, 8 or 16 bytes on the wire, and what ClickHouse stores as
// integers: dates, times, enums, decimals.
type numbers[T ~uint8 | ~uint16 | ~int32 | ~uint32 | ~int64 | ~uint64] struct {
	values []T
	width  int
	typ    string
}

func (c *numbers[T]) add(v T)       { c.values = append(c.values, v) }
func (c *numbers[T]) kind() string  { return c.typ }
func (c *numbers[T]) len() int      { return len(c.values) }
func (c *numbers[T]) size() int     { return len(c.values) * c.width }
func (c *numbers[T]) held() int     { return cap(c.values) * c.width }
func (c *numbers[T]) fill(n int)    { c.values = zeros(c.values, n) }
func (c *numbers[T]) reserve(n int) { c.values = withRoom(c.values, n) }
func (c *numbers[T]) reset()        { c.values = c.values[:0] }

func (c *numbers[T]) encode(out []byte, rows []uint32) []byte {
	at := len(out)
	out = grow(out, len(rows)*c.width)
	to := out[at:]
	switch c.width {
	case 1:
		for i, row := range rows {
			to[i] = byte(c.values[row])
		}
	case 2:
		for i, row := range rows {
			binary.LittleEndian.PutUint16(to[2*i:], uint16(c.values[row]))
		}
	case 4:
		for i, row := range rows {
			binary.LittleEndian.PutUint32(to[4*i:], uint32(c.values[row]))
		}
	case 8:
		for i, row := range rows {
			binary.LittleEndian.PutUint64(to[8*i:], uint64(c.values[row]))
		}
	case 16:
		for i, row := range rows {
			binary.LittleEndian.PutUint64(to[16*i:], uint64(c.values[row]))
			binary.LittleEndian.PutUint64(to[16*i+8:], 0)
		}
	}
	return out
}

// texts are strings of any length.
type texts struct {
	data []byte
	ends []uint32 // where each text ends in data; 32 bits suffice, see MaxColumnBytes
}

func (c *texts) kind() string { return "String" }
func (c *texts) len() int     { return len(c.ends) }
func (c *texts) size() int    { return len(c.data) + 4*len(c.ends) }
func (c *texts) held() int    { return cap(c.data) + 4*cap(c.ends) }
func (c *texts) reset() {
	c.data = c.data[:0]
	c.ends = c.ends[:0]
}

func (c *texts) fill(rows int) {
	for len(c.ends) < rows {
		c.ends = append(c.ends, uint32(len(c.data)))
	}
}

func (c *texts) reserve(rows int) {
	c.ends = withRoom(c.ends, rows)
	c.data = withRoom(c.data, 2*len(c.data))
}

func (c *texts) add(v []byte) {
	c.data = append(c.data, v...)
	c.ends = append(c.ends, uint32(len(c.data)))
}

func (c *texts) at(row uint32) []byte {
	if row == 0 {
		return c.data[:c.ends[0]]
	}
	return c.data[c.ends[row-1]:c.ends[row]]
}

func (c *texts) encode(out []byte, rows []uint32) []byte {
	if len(c.data) == 0 {
		return zeros(out, len(out)+len(rows))
	}
	for _, row := range rows {
		v := c.at(row)
		if len(v) < 0x80 {
			out = append(out, byte(len(v)))
		} else {
			out = binary.AppendUvarint(out, uint64(len(v)))
		}
		out = append(out, v...)
	}
	return out
}

// hashes are byte strings of one width.
type hashes struct {
	data  []byte
	width int
	typ   string
}

func (c *hashes) kind() string         { return c.typ }
func (c *hashes) len() int             { return len(c.data) / c.width }
func (c *hashes) size() int            { return len(c.data) }
func (c *hashes) held() int            { return cap(c.data) }
func (c *hashes) reserve(rows int)     { c.data = withRoom(c.data, rows*c.width) }
func (c *hashes) reset()               { c.data = c.data[:0] }
func (c *hashes) add(v []byte)         { c.data = append(c.data, v...) }
func (c *hashes) at(row uint32) []byte { return c.data[int(row)*c.width : (int(row)+1)*c.width] }

func (c *hashes) encode(out []byte, rows []uint32) []byte {
	for _, row := range rows {
		out = append(out, c.at(row)...)
	}
	return out
}

// words are strings that repeat: a dictionary, and for each row an entry of it. They are sent as
// LowCardinality(String), which saves both sides the copies.
type words struct {
	dictionary texts    // entry 0 is ""
	index      []uint32 // hash table of entry + 1, or 0; a power of two long, at most half used
	rows       []uint32 // each row's entry
}

var wordSeed = maphash.MakeSeed()

func (c *words) kind() string         { return "LowCardinality(String)" }
func (c *words) len() int             { return len(c.rows) }
func (c *words) size() int            { return c.dictionary.size() + 4*len(c.rows) }
func (c *words) held() int            { return c.dictionary.held() + 4*cap(c.rows) + 4*cap(c.index) }
func (c *words) at(row uint32) []byte { return c.dictionary.at(c.rows[row]) }

func (c *words) reserve(rows int) { c.rows = withRoom(c.rows, rows) }

func (c *words) fill(rows int) {
	c.entry(nil) // which is "", entry 0
	c.rows = zeros(c.rows, rows)
}

func (c *words) reset() {
	c.dictionary.reset()
	c.rows = c.rows[:0]
	clear(c.index)
}

func (c *words) add(v []byte) {
	c.rows = append(c.rows, c.entry(v))
}

// entry returns v's place in the dictionary, and adds v if it is new.
func (c *words) entry(v []byte) uint32 {
	if len(c.dictionary.ends) == 0 {
		c.dictionary.ends = append(c.dictionary.ends, 0)
	}
	if len(v) == 0 {
		return 0
	}
	if n := len(c.rows); n > 0 { // neighbours are often equal
		if last := c.rows[n-1]; last != 0 && bytes.Equal(c.dictionary.at(last), v) {
			return last
		}
	}
	if 2*len(c.dictionary.ends) >= len(c.index) {
		c.rehash()
	}
	mask := uint64(len(c.index) - 1)
	for slot := maphash.Bytes(wordSeed, v) & mask; ; slot = (slot + 1) & mask {
		switch e := c.index[slot]; {
		case e == 0:
			e = uint32(len(c.dictionary.ends))
			c.dictionary.add(v)
			c.index[slot] = e + 1
			return e
		case bytes.Equal(c.dictionary.at(e-1), v):
			return e - 1
		}
	}
}

func (c *words) rehash() {
	c.index = make([]uint32, max(64, 2*len(c.index)))
	mask := uint64(len(c.index) - 1)
	for e := 1; e < len(c.dictionary.ends); e++ {
		slot := maphash.Bytes(wordSeed, c.dictionary.at(uint32(e))) & mask
		for c.index[slot] != 0 {
			slot = (slot + 1) & mask
		}
		c.index[slot] = uint32(e) + 1
	}
}

// ranks returns for each entry of the dictionary its place in byte order.
func (c *words) ranks() []uint32 {
	order := make([]uint32, len(c.dictionary.ends))
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortFunc(order, func(a, b uint32) int {
		return bytes.Compare(c.dictionary.at(a), c.dictionary.at(b))
	})
	ranks := make([]uint32, len(order))
	for rank, e := range order {
		ranks[e] = uint32(rank)
	}
	return ranks
}

// LowCardinality in Native format is: a version; the width of the places and the flag "the
// dictionary follows"; the dictionary; the places.
const (
	dictionaryVersion = 1
	dictionaryFollows = 1<<9 | 1<<10
)

func (c *words) encode(out []byte, rows []uint32) []byte {
	width := byte(0) // places of 1, 2 or 4 bytes
	switch n := len(c.dictionary.ends); {
	case n > 1<<16:
		width = 2
	case n > 1<<8:
		width = 1
	}
	out = binary.LittleEndian.AppendUint64(out, dictionaryVersion)
	out = binary.LittleEndian.AppendUint64(out, dictionaryFollows|uint64(width))
	out = binary.LittleEndian.AppendUint64(out, uint64(len(c.dictionary.ends)))
	for e := range c.dictionary.ends {
		v := c.dictionary.at(uint32(e))
		out = binary.AppendUvarint(out, uint64(len(v)))
		out = append(out, v...)
	}
	out = binary.LittleEndian.AppendUint64(out, uint64(len(rows)))
	places := numbers[uint32]{values: c.rows, width: 1 << width}
	return places.encode(out, rows)
}

// withRoom returns values with room for n in all.
func withRoom[T any](values []T, n int) []T {
	if n <= cap(values) {
		return values
	}
	return append(make([]T, 0, n), values...)
}

// grow lengthens out by n bytes. The caller fills them.
func grow(out []byte, n int) []byte {
	return slices.Grow(out, n)[:len(out)+n]
}
