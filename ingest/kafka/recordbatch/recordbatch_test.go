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

// The header decides whether a batch is whole and sane, before its checksum is looked at.
func TestHeadsOfBatches(t *testing.T) {
	whole := batchtest.Batch{Base: 5, Records: []batchtest.Record{{}, {}}}.Wire()
	change := func(at int, to ...byte) []byte {
		b := bytes.Clone(whole)
		copy(b[at:], to)
		return b
	}
	empty := batchtest.Batch{Base: 5, Holes: 1}.Wire()
	for name, c := range map[string]struct {
		set []byte
		ok  bool
		bad bool
	}{
		"nothing":                   {nil, false, false},
		"16 bytes":                  {change(16, 1)[:16], false, false},
		"17 bytes":                  {whole[:17], false, false},
		"17 bytes, another format":  {change(16, 1)[:17], false, true},
		"all but a byte":            {whole[:len(whole)-1], false, false},
		"whole":                     {whole, true, false},
		"with more behind it":       {append(bytes.Clone(whole), 1, 2, 3), true, false},
		"a head and nothing else":   {empty, true, false},
		"less than a head":          {change(8, 0, 0, 0, 48), false, true},
		"a length below nothing":    {change(8, 0xff), false, true},
		"an offset below nothing":   {change(0, 0xff), false, true},
		"offset 0":                  {change(0, 0, 0, 0, 0, 0, 0, 0, 0), true, false},
		"it ends before it begins":  {change(23, 0xff, 0xff, 0xff, 0xff), false, true},
		"it ends where it begins":   {change(23, 0, 0, 0, 0), true, false},
		"fewer records than none":   {change(57, 0xff), false, true},
		"no records":                {change(57, 0, 0, 0, 0), true, false},
		"another checksum, not yet": {change(17, 1, 2, 3, 4), true, false},
	} {
		b, rest, ok, err := firstBatch(c.set)
		if ok != c.ok || (err != nil) != c.bad {
			t.Errorf("%s: %v, %v", name, ok, err)
		}
		if ok && len(b.wire)+len(rest) != len(c.set) {
			t.Errorf("%s: %d bytes and %d of %d", name, len(b.wire), len(rest), len(c.set))
		}
	}
	b, _, _, _ := firstBatch(whole)
	if err := (&Corrupt{7, 8, errChecksum}).Error(); err != "corrupt record batch at offset 7: wrong checksum" {
		t.Error(err)
	}
	if b.base() != 5 || b.last() != 6 || b.next() != 7 || b.count() != 2 || b.isBefore(6) || !b.isBefore(7) {
		t.Errorf("it is read as %d to %d, next %d, %d records", b.base(), b.last(), b.next(), b.count())
	}
}
