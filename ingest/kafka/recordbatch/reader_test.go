package recordbatch

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go/compress"

	"rollcall/ingest/kafka/recordbatch/batchtest"
	"rollcall/schema"
)

// splitWhole splits record batches that are whole, of partition 0 of the topic t.
func splitWhole(t testing.TB, from int64, wire []byte, aborted ...Aborted) Set {
	t.Helper()
	s := Set{Topic: "t", From: from, Aborted: aborted}
	if _, err := s.Split(wire, nil); err != nil {
		t.Fatal(err)
	}
	return s
}

// readAll returns the records that a reader visits, in short: "offset:key=value@time".
func readAll(s *Set, limit int) (seen []string, next int64, err error) {
	next = s.From
	err = NewReader(limit).Read(s, func(rec *schema.Record) error {
		value := string(rec.Value)
		if rec.Cut != nil {
			value = fmt.Sprintf("%.3s… of %d", value, rec.Cut.Size)
		}
		seen = append(seen, fmt.Sprintf("%d:%s=%s@%d", rec.Offset, rec.Key, value, rec.Time))
		return nil
	}, func(n int64) error {
		next = n
		return nil
	})
	return seen, next, err
}

func TestReader(t *testing.T) {
	ab := []batchtest.Record{{Key: "k", Value: "a"}, {Key: "k", Value: "b"}}
	abort := []batchtest.Record{{Key: "\x00\x00\x00\x00", Value: ""}}
	commit := []batchtest.Record{{Key: "\x00\x00\x00\x01", Value: ""}}
	for _, c := range []struct {
		name    string
		from    int64
		wire    []byte
		aborted []Aborted
		want    []string
		next    int64
	}{
		{name: "plain", from: 5, wire: batchtest.Wire(batchtest.Batch{Base: 5, Records: ab}),
			want: []string{"5:k=a@1000", "6:k=b@1001"}, next: 7},
		{name: "the log's own time", wire: batchtest.Wire(batchtest.Batch{Records: ab, LogTime: 77}),
			want: []string{"0:k=a@77", "1:k=b@77"}, next: 2},
		{
			name: "records below the asked offset are skipped", from: 6,
			wire: batchtest.Wire(batchtest.Batch{Base: 5, Records: ab}),
			want: []string{"6:k=b@1001"}, next: 7,
		},
		{
			name: "batches below the asked offset are skipped", from: 7,
			wire: batchtest.Wire(batchtest.Batch{Base: 5, Records: ab}, batchtest.Batch{Base: 7, Records: ab[:1]}),
			want: []string{"7:k=a@1000"}, next: 8,
		},
		{
			name: "holes of compaction",
			wire: batchtest.Wire(batchtest.Batch{Records: ab, Holes: 3}, batchtest.Batch{Base: 9, Records: ab[:1]}),
			want: []string{"0:k=a@1000", "1:k=b@1001", "9:k=a@1000"}, next: 10,
		},
		{name: "a batch that compaction emptied", wire: batchtest.Wire(batchtest.Batch{Holes: 4}), next: 4},
		{
			name: "the last batch is cut off",
			wire: batchtest.Wire(batchtest.Batch{Records: ab}, batchtest.Batch{Base: 2, Records: ab})[:100],
			want: []string{"0:k=a@1000", "1:k=b@1001"}, next: 2,
		},
		{
			name: "no transaction is aborted",
			wire: batchtest.Wire(
				batchtest.Batch{Records: ab, Transactional: true, Producer: 1},
				batchtest.Batch{Base: 2, Control: true, Producer: 1, Records: commit}),
			want: []string{"0:k=a@1000", "1:k=b@1001"}, next: 3,
		},
		{
			name:    "an aborted transaction, then a committed one of the same producer",
			aborted: []Aborted{{1, 0}},
			wire: batchtest.Wire(
				batchtest.Batch{Records: ab, Transactional: true, Producer: 1},
				batchtest.Batch{Base: 2, Control: true, Producer: 1, Records: abort},
				batchtest.Batch{Base: 3, Records: ab, Transactional: true, Producer: 1},
				batchtest.Batch{Base: 5, Control: true, Producer: 1, Records: commit}),
			want: []string{"3:k=a@1000", "4:k=b@1001"}, next: 6,
		},
		{
			name:    "an aborted transaction leaves others alone",
			aborted: []Aborted{{1, 0}},
			wire: batchtest.Wire(
				batchtest.Batch{Records: ab, Transactional: true, Producer: 1},
				batchtest.Batch{Base: 2, Records: ab[:1], Transactional: true, Producer: 2},
				batchtest.Batch{Base: 3, Records: ab[1:], Producer: 1}),
			want: []string{"2:k=a@1000", "3:k=b@1000"}, next: 4,
		},
		{
			name:    "a transaction that is aborted later begins later",
			aborted: []Aborted{{1, 2}},
			wire: batchtest.Wire(
				batchtest.Batch{Records: ab, Transactional: true, Producer: 1},
				batchtest.Batch{Base: 2, Records: ab, Transactional: true, Producer: 1}),
			want: []string{"0:k=a@1000", "1:k=b@1001"}, next: 4,
		},
	} {
		for codec := compress.None; codec <= compress.Zstd; codec++ {
			t.Run(fmt.Sprintf("%s/codec %d", c.name, codec), func(t *testing.T) {
				wire := c.wire
				if codec != compress.None && !strings.Contains(c.name, "cut off") {
					wire = recompress(t, wire, codec)
				}
				s := splitWhole(t, c.from, wire, c.aborted...)
				seen, next, err := readAll(&s, 1<<20)
				if err != nil || fmt.Sprint(seen) != fmt.Sprint(c.want) || next != c.next {
					t.Errorf("saw %v up to %d (%v), not %v up to %d", seen, next, err, c.want, c.next)
				}
			})
		}
	}
}

// recompress encodes the batches of a set again with another codec.
func recompress(t *testing.T, records []byte, c compress.Compression) (out []byte) {
	for {
		b, rest, ok, err := firstBatch(records)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return out
		}
		var packed bytes.Buffer
		w := c.Codec().NewWriter(&packed)
		_, _ = w.Write(b.records())
		_ = w.Close()
		head := append([]byte(nil), records[:batchHead]...)
		head[22] |= byte(c)
		binary.BigEndian.PutUint32(head[8:], uint32(batchHead-12+packed.Len()))
		batch := append(head, packed.Bytes()...)
		binary.BigEndian.PutUint32(batch[17:], crc32.Checksum(batch[21:], castagnoli))
		out = append(out, batch...)
		records = rest
	}
}

func TestCorruptBatches(t *testing.T) {
	good := batchtest.Batch{Records: []batchtest.Record{{Key: "k", Value: "a"}}}
	change := func(at int, v byte) []byte {
		b := good.Wire()
		b[at] ^= v
		return b
	}
	for name, records := range map[string][]byte{
		"a byte of a record":        change(len(good.Wire())-1, 1),
		"the attributes":            change(22, 1),
		"message format 1":          change(16, 3),
		"a length below the header": change(11, 0xff&(byte(len(good.Wire())-12)^1)),
		"the last offset":           change(26, 1),
		"the number of records":     change(60, 1),
	} {
		s := Set{}
		_, err := s.Split(append(good.Wire(), records...), nil)
		if !errors.Is(err, errCorrupt) {
			t.Errorf("%s: %v, not found", name, err)
		}
		if len(s.Batches) != 1 || s.Next != 1 {
			t.Errorf("%s: %d batches up to offset %d are good, not the first", name, len(s.Batches), s.Next)
		}
	}
}

// A batch that inflates beyond the limit is read as a stream. A value that is too large is cut, and
// its size and hash are computed, however the record came.
func TestLargeBatches(t *testing.T) {
	big := strings.Repeat("x", 600<<10)
	huge := strings.Repeat("y", 5<<20)
	for codec := compress.None; codec <= compress.Zstd; codec++ {
		s := splitWhole(t, 0, batchtest.Batch{
			Codec: codec, Records: []batchtest.Record{
				{Key: "k", Value: big}, {Key: "k", Value: huge}, {Key: "k", Value: big}, {Key: "k", Value: "small"},
			},
		}.Wire())
		seen, next, err := readAll(&s, 1<<20)
		want := []string{"0:k=" + big + "@1000", "1:k=yyy… of 5242880@1001", "2:k=" + big + "@1002", "3:k=small@1003"}
		if err != nil || next != 4 || fmt.Sprint(seen) != fmt.Sprint(want) {
			t.Errorf("codec %d: %d records up to %d: %v", codec, len(seen), next, err)
		}
	}
}

// A record whose parts claim more than there is, or less than nothing, is refused in memory, as a
// stream and in pieces.
func TestMalformedRecords(t *testing.T) {
	for name, wire := range map[string]string{
		"nothing":                       "",
		"a length of nothing":           "\x00",
		"a length below nothing":        "\x01",
		"a length without an end":       "\xff",
		"a record that is cut":          "\x0e\x00\x00\x00\x01\x01",
		"nothing but attributes":        "\x02\x00",
		"a key that is cut":             "\x0c\x00\x00\x00\x08\x01\x00",
		"headers that are cut":          "\x0e\x00\x00\x00\x01\x01\x04\x00",
		"fewer headers than none":       "\x0c\x00\x00\x00\x01\x01\x01",
		"a varint that does not end":    "\x0c\x00\x00\x00\x01\x01\xff",
		"more headers than bytes":       "\x10\x00\x00\x00\x01\x01\x08\x00\x00",
		"a header's value that is cut":  "\x10\x00\x00\x00\x01\x01\x02\x00\x08",
		"a value longer than its place": "\x0e\x00\x00\x00\x01\x06\x01\x00",
	} {
		if _, err := NewReader(1 << 20).record([]byte(wire)); !errors.Is(err, errRecord) {
			t.Errorf("%s, in memory: %v", name, err)
		}
		if err := NewReader(1 << 20).recordFrom(bufio.NewReader(strings.NewReader(wire))); err == nil {
			t.Errorf("%s, as a stream: no error", name)
		}
		size, n := binary.Varint([]byte(wire))
		if n <= 0 || size < 1 {
			continue
		}
		if err := NewReader(1<<20).inPieces(strings.NewReader(wire[n:]), size); err == nil {
			t.Errorf("%s, in pieces: no error", name)
		}
	}
	good := "\x0c\x00\x00\x00\x01\x01\x00"
	if _, err := NewReader(1 << 20).record([]byte(good)); err != nil {
		t.Error(err)
	}
}

// An error of the caller ends the reading there and is returned as it is, whether the batch is in
// memory or read as a stream.
func TestTheCallersErrors(t *testing.T) {
	enough := errors.New("enough")
	records := []batchtest.Record{{Key: "k", Value: "a"}, {Key: "k", Value: "b"}}
	wire := batchtest.Wire(
		batchtest.Batch{Codec: compress.Gzip, Records: records},
		batchtest.Batch{Codec: compress.Gzip, Base: 2, Records: records})
	for _, limit := range []int{1 << 20, 10} {
		s := splitWhole(t, 0, wire)
		visited := 0
		done := 0
		err := NewReader(limit).Read(&s, func(*schema.Record) error {
			if visited++; visited == 3 {
				return enough
			}
			return nil
		}, func(int64) error {
			done++
			return nil
		})
		if err != enough || visited != 3 || done != 1 {
			t.Errorf("limit %d: %d records, %d batches, %v", limit, visited, done, err)
		}
		visited = 0
		err = NewReader(limit).Read(&s, func(*schema.Record) error {
			visited++
			return nil
		}, func(int64) error { return enough })
		if err != enough || visited != 2 {
			t.Errorf("limit %d, after a batch: %d records, %v", limit, visited, err)
		}
	}
}

// A batch with a right checksum may still be unreadable. It is corrupt, and what was before it was
// visited.
func TestUnreadableBatches(t *testing.T) {
	one := []batchtest.Record{{Key: "k", Value: "a"}}
	good := batchtest.Batch{Records: one}.Wire()
	for name, b := range map[string]batchtest.Batch{
		"an unknown codec":           {Codec: 5, Packed: []byte("x"), Records: one},
		"no gzip":                    {Codec: compress.Gzip, Packed: []byte("x"), Records: one},
		"no snappy":                  {Codec: compress.Snappy, Packed: []byte{0xff}, Records: one},
		"no lz4":                     {Codec: compress.Lz4, Packed: []byte("x"), Records: one},
		"no zstd":                    {Codec: compress.Zstd, Packed: []byte("x"), Records: one},
		"no record":                  {Packed: []byte("x"), Records: one},
		"a marker that is no record": {Control: true, Packed: []byte("x"), Records: one},
		"a marker of an unknown one": {Control: true, Codec: 7, Packed: []byte("x"), Records: one},
	} {
		b.Base = 1
		s := splitWhole(t, 0, append(bytes.Clone(good), b.Wire()...))
		seen, next, err := readAll(&s, 1<<20)
		bad, isCorrupt := err.(*Corrupt)
		if !isCorrupt || bad.Base != 1 || bad.Last != 1 || len(seen) != 1 || next != 1 {
			t.Errorf("%s: %q up to %d, %v", name, seen, next, err)
		}
	}
}

// A marker counts only for its own producer, and only if it says that it aborts. A control batch
// that compaction emptied is passed over.
func TestMarkers(t *testing.T) {
	ab := []batchtest.Record{{Key: "k", Value: "a"}, {Key: "k", Value: "b"}}
	for name, c := range map[string]struct {
		marker batchtest.Batch
		want   int // records that are visited after it
	}{
		"an abort":            {batchtest.Batch{Producer: 1, Records: []batchtest.Record{{Key: "\x00\x00\x00\x00"}}}, 2},
		"another version":     {batchtest.Batch{Producer: 1, Records: []batchtest.Record{{Key: "\x00\x07\x00\x00"}}}, 2},
		"a longer key":        {batchtest.Batch{Producer: 1, Records: []batchtest.Record{{Key: "\x00\x00\x00\x00\x01"}}}, 2},
		"a commit":            {batchtest.Batch{Producer: 1, Records: []batchtest.Record{{Key: "\x00\x00\x00\x01"}}}, 0},
		"another type":        {batchtest.Batch{Producer: 1, Records: []batchtest.Record{{Key: "\x00\x00\x01\x00"}}}, 0},
		"a short key":         {batchtest.Batch{Producer: 1, Records: []batchtest.Record{{Key: "\x00\x00\x00"}}}, 0},
		"another's abort":     {batchtest.Batch{Producer: 2, Records: []batchtest.Record{{Key: "\x00\x00\x00\x00"}}}, 0},
		"one without records": {batchtest.Batch{Producer: 1, Holes: 1}, 0},
	} {
		c.marker.Base = 2
		c.marker.Control = true
		s := splitWhole(t, 0, batchtest.Wire(
			batchtest.Batch{Records: ab, Transactional: true, Producer: 1}, c.marker,
			batchtest.Batch{Base: 3, Records: ab, Transactional: true, Producer: 1}), Aborted{1, 0})
		seen, next, err := readAll(&s, 1<<20)
		if err != nil || next != 5 || len(seen) != c.want {
			t.Errorf("%s: %q up to %d, %v; want %d records", name, seen, next, err, c.want)
		}
	}
}

// A few bytes that claim to be gigabytes take no memory.
func TestSnappyBombIsCorrupt(t *testing.T) {
	claim := binary.AppendUvarint(nil, 1<<32-1)
	framed := append(append(append([]byte(nil), xerial...), 0, 0, 0, 1, 0, 0, 0, 1), byte(0), 0, 0, byte(len(claim)))
	for name, packed := range map[string][]byte{"bare": claim, "framed": append(framed, claim...)} {
		if _, err := newInflater(1<<20).inflate(codecSnappy, packed); !errors.Is(err, errImplausible) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whatever a broker sends, the reader neither panics nor takes more memory than it was granted.
func FuzzReader(f *testing.F) {
	for codec := compress.None; codec <= compress.Zstd; codec++ {
		f.Add(batchtest.Wire(batchtest.Batch{
			Codec: codec, Transactional: true, Records: []batchtest.Record{{Key: "k", Value: "value"}, {Key: "", Value: ""}},
		}, batchtest.Batch{Base: 2, Control: true, Records: []batchtest.Record{{Key: "\x00\x00\x00\x00", Value: ""}}}),
			int64(0), int64(1), false)
	}
	const limit = 1 << 20
	r := NewReader(limit)
	f.Fuzz(func(t *testing.T, records []byte, from, first int64, checksum bool) {
		if !checksum { // most inputs would end there
			fixChecksums(records)
		}
		s := Set{From: from, Aborted: []Aborted{{0, first}}}
		_, err := s.Split(records, nil)
		if s.Next < from || err != nil && !errors.Is(err, errCorrupt) {
			t.Fatalf("next %d from %d: %v", s.Next, from, err)
		}
		last := int64(-1)
		err = r.Read(&s, func(rec *schema.Record) error {
			if rec.Offset < from || rec.Cut == nil && len(rec.Value) > max(limit, len(records)) {
				t.Fatalf("offset %d from %d, %d bytes", rec.Offset, from, len(rec.Value))
			}
			return nil
		}, func(n int64) error {
			last = n
			return nil
		})
		if err == nil && len(s.Batches) > 0 && last > s.Next {
			t.Fatalf("read up to %d, checked up to %d", last, s.Next)
		}
		if held := cap(r.inflater.out) + cap(r.held); held > 8*limit+2*maxWhole {
			t.Fatalf("%d bytes held", held)
		}
	})
}

func fixChecksums(records []byte) {
	for len(records) >= batchHead {
		size := int64(int32(binary.BigEndian.Uint32(records[8:]))) + 12
		if size < batchHead || size > int64(len(records)) {
			return
		}
		binary.BigEndian.PutUint32(records[17:], crc32.Checksum(records[21:size], castagnoli))
		records = records[size:]
	}
}
