package rows

import (
	"math"

	"rollcall/schema"
)

// MaxColumnBytes is how long the texts of one column may be together: a place in them is told by 32
// bits. Whoever adds rows stops before.
const MaxColumnBytes = math.MaxUint32

const (
	rowBytes    = 250 // what a row takes beside its texts, about,
	headerBytes = 8   // and what a header does beside its name and value
)

// RecordBytes is what a record may take as a row, in bytes: as a reject it is kept with its
// headers.
func RecordBytes(rec *schema.Record) int {
	n := rowBytes + len(rec.Key) + len(rec.Value)
	for i := range rec.Headers {
		n += headerBytes + len(rec.Headers[i].Key) + len(rec.Headers[i].Value)
	}
	return n
}
