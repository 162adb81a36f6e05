package rows

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/ClickHouse/ch-go/proto"
)

// wanted are the values that a block must have in one column.
type wanted struct {
	name   string
	column proto.ColResult
	values []any
	at     func(row int) any
}

// reads are the values that ch-go must read from a column of a block, row by row.
func reads[T any](name string, column proto.ColumnOf[T], values ...T) wanted {
	w := wanted{name: name, column: column, at: func(row int) any { return column.Row(row) }}
	for _, v := range values {
		w.values = append(w.values, v)
	}
	return w
}

// checkRead reads a block with ch-go and compares its columns with what is wanted. ch-go checks
// their names, order and types.
func checkRead(t *testing.T, b Block, columns []wanted) {
	t.Helper()
	var results proto.Results
	for _, w := range columns {
		results = append(results, proto.ResultColumn{Name: w.name, Data: w.column})
	}
	var read proto.Block
	in := bytes.NewReader(b.Encode())
	if err := read.DecodeRawBlock(proto.NewReader(in), 0, results); err != nil {
		t.Fatal(err)
	}
	if read.Rows != b.Len() || in.Len() != 0 {
		t.Errorf("%d rows were read of %d, and %d bytes are left", read.Rows, b.Len(), in.Len())
	}
	for _, w := range columns {
		var got []any
		for row := range w.column.Rows() {
			got = append(got, w.at(row))
		}
		if fmt.Sprintf("%v", got) != fmt.Sprintf("%v", w.values) {
			t.Errorf("%s is read as %v, want %v", w.name, got, w.values)
		}
	}
}
