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

// A set's epoch is that of its last whole batch, and its next offset the one after it. Without a
// batch there is no epoch, and the offset that was asked for comes next.
func TestEpochOfASet(t *testing.T) {
	of := func(base int64, epoch byte) []byte {
		b := batchtest.Batch{Base: base, Records: []batchtest.Record{{}, {}}}.Wire()
		b[15] = epoch
		return b
	}
	last := of(12, 8)
	for name, c := range map[string]struct {
		wire  []byte
		epoch int32
		next  int64
	}{
		"nothing":               {nil, -1, 11},
		"a batch that is cut":   {last[:len(last)-1], -1, 11},
		"a batch":               {of(10, 7), 7, 12},
		"a batch before it":     {of(8, 7), 7, 11},
		"two batches":           {append(of(10, 7), last...), 8, 14},
		"two, the second's cut": {append(of(10, 7), last[:len(last)-1]...), 7, 12},
	} {
		s := Set{From: 11}
		if _, err := s.Split(c.wire, nil); err != nil || s.Epoch != c.epoch || s.Next != c.next {
			t.Errorf("%s: epoch %d, next %d, %v; want %d and %d", name, s.Epoch, s.Next, err, c.epoch, c.next)
		}
	}
}
