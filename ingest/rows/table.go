package rows

import (
	"encoding/binary"
	"strings"
)

// A field is a column and its name in the table.
type field struct {
	name string
	column
}

// A table is rows that will be inserted into one ClickHouse table.
type table struct {
	name   string
	fields []field
	native []byte // the last encoded block; its memory is used again
}

// A Block is some rows of one table, in the order in which they are stored. It is valid until the
// table's rows are reset or Blocks is called again.
type Block struct {
	of   *table
	rows []uint32
}

// Table is the name of the table that the block is for.
func (b Block) Table() string { return b.of.name }

// Len is how many rows the block has.
func (b Block) Len() int { return len(b.rows) }

// Insert is the statement to send before the block.
func (b Block) Insert() string { return b.of.insert() }

// Encode returns the block in ClickHouse's Native format. The bytes are valid until another block
// of the same table is encoded.
func (b Block) Encode() []byte { return b.of.encode(b.rows) }

func (t *table) reset() {
	for _, f := range t.fields {
		f.reset()
	}
}

// held is the memory that the table takes, in bytes.
func (t *table) held() int {
	sum := cap(t.native)
	for _, f := range t.fields {
		sum += f.held()
	}
	return sum
}

// insert is the statement to send before a block.
func (t *table) insert() string {
	names := make([]string, len(t.fields))
	for i, f := range t.fields {
		names[i] = f.name
	}
	return "INSERT INTO " + t.name + " (" + strings.Join(names, ", ") + ")"
}

// encode encodes the rows as one Native block, in their order. The bytes are valid until the next
// call.
func (t *table) encode(rows []uint32) []byte {
	most := 0
	for _, f := range t.fields {
		most += f.size() + len(f.name) + len(f.kind()) + 64 // lengths, and the head of a dictionary
	}
	if all := t.fields[0].len(); len(rows) < all {
		most = int(int64(most) * int64(len(rows)) / int64(all)) // an estimate; append makes room for more
	}
	out := binary.AppendUvarint(withRoom(t.native[:0], most), uint64(len(t.fields)))
	out = binary.AppendUvarint(out, uint64(len(rows)))
	for _, f := range t.fields {
		out = appendString(out, f.name)
		out = appendString(out, f.kind())
		out = f.encode(out, rows)
	}
	t.native = out
	return out
}

func appendString(out []byte, s string) []byte {
	return append(binary.AppendUvarint(out, uint64(len(s))), s...)
}
