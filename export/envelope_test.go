package export

import (
	"strings"
	"testing"

	"rollcall/export/query"
)

// The envelope has the same text and counts the same rows wherever the engine's bytes are cut into
// pieces.
func TestPiecesDoNotMatter(t *testing.T) {
	const lines = `{"a":"{1}"}` + "\n" + `{"a":"2"}` + "\n"
	const want = `{"success":true,"data":[{"a":"{1}"},` + "\n" +
		`{"a":"2"}],"metadata":{"dataType":"users","recordCount":2}}` + "\n"
	for size := 1; size <= len(lines); size++ {
		var out strings.Builder
		e := &envelope{out: &out, dataType: "users"}
		for _, piece := range pieces(lines, size) {
			if n, err := e.Write(piece); n != len(piece) || err != nil {
				t.Errorf("in pieces of %d: %d bytes of %d, %v", size, n, len(piece), err)
			}
		}
		if rows, err := e.Close(); rows != 2 || err != nil || out.String() != want {
			t.Errorf("in pieces of %d: %d rows, %v\n%s", size, rows, err, out.String())
		}
	}
}

// The number of rows does not depend on where the bytes are cut. Line breaks and braces within
// texts do not count as rows, and neither does a header.
func TestRowCounter(t *testing.T) {
	for _, c := range []struct {
		format query.Format
		text   string
		want   uint64
	}{
		{query.CSV, "", 0},
		{query.CSV, "\"a\",\"b\"\n", 0},
		{query.CSV, "\"a\",\"b\"\n\"1\n2\",\"say \"\"x\n\"\"\"\n3,4\n", 2},
		{query.NDJSON, "", 0},
		{query.NDJSON, `{"a":"{1}"}` + "\n" + `{"a":{"b":2}}` + "\n", 2},
		{query.JSON, "[\n" + `{"a":"{1}"},` + "\n" + `{"a":2}` + "\n]\n", 2},
	} {
		for size := 1; size <= len(c.text)+1; size++ {
			counter := rowCounter{format: c.format}
			for _, piece := range pieces(c.text, size) {
				counter.add(piece)
			}
			if got := counter.total(); got == nil {
				t.Errorf("%s: no number of rows", c.format)
			} else if *got != c.want {
				t.Errorf("%s in pieces of %d: %d rows of %q, want %d", c.format, size, *got, c.text, c.want)
			}
		}
	}
}

func pieces(text string, size int) (all [][]byte) {
	for len(text) > size {
		all = append(all, []byte(text[:size]))
		text = text[size:]
	}
	return append(all, []byte(text))
}
