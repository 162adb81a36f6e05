package rows

import (
	"testing"
	"time"

	"rollcall/schema"
)

// Rejects go to ClickHouse in blocks of a bounded size, each row in one of them.
func TestBlocksOfRejects(t *testing.T) {
	r := NewRejects()
	for i := range 100 {
		size := 300 << 10
		if i%10 == 0 {
			size = 3 << 20
		}
		third := make([]byte, size/3)
		header := schema.Header{Key: []byte("h"), Value: third}
		rec := &schema.Record{Offset: int64(i), Key: third, Value: third, Headers: []schema.Header{header}}
		r.Add(rec, &schema.Rejection{Reason: schema.MalformedJSON}, time.Now())
	}
	next := uint32(0)
	for _, block := range r.Blocks() {
		for _, row := range block.rows {
			if row != next {
				t.Fatalf("row %d follows, not %d", row, next)
			}
			next++
		}
		if size := len(block.Encode()); size < rejectBlock/2 && next < 100 || size > rejectBlock+4<<20 {
			t.Errorf("a block of %d bytes", size)
		}
	}
	if next != 100 {
		t.Errorf("%d rows, not 100", next)
	}
}
