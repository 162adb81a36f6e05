package rows

import (
	"math"

	"rollcall/schema"
)

// MaxColumnBytes is the most bytes that the texts of one column may have together, because a place
// in them has 32 bits. The caller must stop adding rows before that.
const MaxColumnBytes = math.MaxUint32

const (
	rowBytes    = 250 // what a row takes besides its texts, about
	headerBytes = 8   // what a header takes besides its name and value
)

// RecordBytes is the most that a record takes as a row, in bytes. That is as a reject, which keeps
// the headers.
func RecordBytes(rec *schema.Record) int {
	n := rowBytes + len(rec.Key) + len(rec.Value)
	for i := range rec.Headers {
		n += headerBytes + len(rec.Headers[i].Key) + len(rec.Headers[i].Value)
	}
	return n
}
