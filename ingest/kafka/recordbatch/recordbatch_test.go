package recordbatch

import (
	"bytes"
	"testing"

	"rollcall/ingest/kafka/recordbatch/batchtest"
)

// The end of a corrupt batch is computed from the batch after it, because its own header may be
// what is damaged.
func TestEndOfACorruptBatch(t *testing.T) {
	first := batchtest.Batch{Base: 10, Records: []batchtest.Record{{}, {}, {}}}.Wire()
	after := batchtest.Batch{Base: 13, Records: []batchtest.Record{{}}}.Wire()
	for name, last := range map[string]struct {
		spoil func(b []byte)
		set   bool
		want  int64
	}{
		"a record":                       {func(b []byte) { b[70] ^= 1 }, true, 12},
		"its length in offsets":          {func(b []byte) { b[25] ^= 1 }, true, 12},
		"a record, at the set's end":     {func(b []byte) { b[70] ^= 1 }, false, 12},
		"its end, said to be before it":  {func(b []byte) { b[23] = 0xff }, true, -1},
		"its format, which is not known": {func(b []byte) { b[16] = 9 }, true, -1},
	} {
		t.Run(name, func(t *testing.T) {
			set := bytes.Clone(first)
			last.spoil(set)
			if last.set {
				set = append(set, after...)
			}
			s := Set{From: 10}
			_, err := s.Split(set, nil)
			bad, isCorrupt := err.(*Corrupt)
			if !isCorrupt || s.Next != 10 || bad.Base != 10 || bad.Last != last.want {
				t.Fatalf("%d, %#v", s.Next, err)
			}
		})
	}
}
