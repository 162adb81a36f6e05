package ingest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go/compress"

	"rollcall/schema"
)

// cutWhole cuts record batches that are whole, of partition 0 of the topic t.
func cutWhole(t testing.TB, from int64, wire []byte, aborted ...abortedTransaction) recordSet {
	t.Helper()
	s := recordSet{topic: "t", from: from, aborted: aborted}
	if _, err := s.cut(wire, nil); err != nil {
		t.Fatal(err)
	}
	return s
}

// readAll gives what a reader delivers, in short: "offset:key=value@time".
func readAll(s *recordSet, limit int) (seen []string, next int64, err error) {
	next = s.from
	err = newReader(limit).read(s, func(rec *schema.Record) error {
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
	ab := []testRecord{{"k", "a"}, {"k", "b"}}
	abort, commit := []testRecord{{"\x00\x00\x00\x00", ""}}, []testRecord{{"\x00\x00\x00\x01", ""}}
	for _, c := range []struct {
		name    string
		from    int64
		wire    []byte
		aborted []abortedTransaction
		want    []string
		next    int64
	}{
		{name: "plain", from: 5, wire: wireOf(testBatch{base: 5, records: ab}), want: []string{"5:k=a@1000", "6:k=b@1001"}, next: 7},
		{name: "the log's own time", wire: wireOf(testBatch{records: ab, logTime: 77}), want: []string{"0:k=a@77", "1:k=b@77"}, next: 2},
		{
			name: "records below the asked offset are skipped", from: 6,
			wire: wireOf(testBatch{base: 5, records: ab}),
			want: []string{"6:k=b@1001"}, next: 7,
		},
		{
			name: "batches below the asked offset are skipped", from: 7,
			wire: wireOf(testBatch{base: 5, records: ab}, testBatch{base: 7, records: ab[:1]}),
			want: []string{"7:k=a@1000"}, next: 8,
		},
		{
			name: "holes of compaction",
			wire: wireOf(testBatch{records: ab, holes: 3}, testBatch{base: 9, records: ab[:1]}),
			want: []string{"0:k=a@1000", "1:k=b@1001", "9:k=a@1000"}, next: 10,
		},
		{name: "a batch that compaction emptied", wire: wireOf(testBatch{holes: 4}), next: 4},
		{
			name: "the last batch is cut off",
			wire: wireOf(testBatch{records: ab}, testBatch{base: 2, records: ab})[:100],
			want: []string{"0:k=a@1000", "1:k=b@1001"}, next: 2,
		},
		{
			name: "no transaction is aborted",
			wire: wireOf(
				testBatch{records: ab, transactional: true, producer: 1},
				testBatch{base: 2, control: true, producer: 1, records: commit}),
			want: []string{"0:k=a@1000", "1:k=b@1001"}, next: 3,
		},
		{
			name:    "an aborted transaction, then a committed one of the same producer",
			aborted: []abortedTransaction{{1, 0}},
			wire: wireOf(
				testBatch{records: ab, transactional: true, producer: 1},
				testBatch{base: 2, control: true, producer: 1, records: abort},
				testBatch{base: 3, records: ab, transactional: true, producer: 1},
				testBatch{base: 5, control: true, producer: 1, records: commit}),
			want: []string{"3:k=a@1000", "4:k=b@1001"}, next: 6,
		},
		{
			name:    "an aborted transaction leaves others alone",
			aborted: []abortedTransaction{{1, 0}},
			wire: wireOf(
				testBatch{records: ab, transactional: true, producer: 1},
				testBatch{base: 2, records: ab[:1], transactional: true, producer: 2},
				testBatch{base: 3, records: ab[1:], producer: 1}),
			want: []string{"2:k=a@1000", "3:k=b@1000"}, next: 4,
		},
		{
			name:    "a transaction that is aborted later begins later",
			aborted: []abortedTransaction{{1, 2}},
			wire: wireOf(
				testBatch{records: ab, transactional: true, producer: 1},
				testBatch{base: 2, records: ab, transactional: true, producer: 1}),
			want: []string{"0:k=a@1000", "1:k=b@1001"}, next: 4,
		},
	} {
		for codec := compress.None; codec <= compress.Zstd; codec++ {
			t.Run(fmt.Sprintf("%s/codec %d", c.name, codec), func(t *testing.T) {
				wire := c.wire
				if codec != compress.None && !strings.Contains(c.name, "cut off") {
					wire = recompress(t, wire, codec)
				}
				s := cutWhole(t, c.from, wire, c.aborted...)
				seen, next, err := readAll(&s, 1<<20)
				if err != nil || fmt.Sprint(seen) != fmt.Sprint(c.want) || next != c.next {
					t.Errorf("saw %v up to %d (%v), not %v up to %d", seen, next, err, c.want, c.next)
				}
			})
		}
	}
}

// recompress writes the batches of a set again with another codec.
func recompress(t *testing.T, records []byte, c compress.Compression) (out []byte) {
	for {
		b, rest, ok, err := cutBatch(records)
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
		out, records = append(out, batch...), rest
	}
}

func TestCorruptBatches(t *testing.T) {
	good := testBatch{records: []testRecord{{"k", "a"}}}
	change := func(at int, v byte) []byte {
		b := good.bytes()
		b[at] ^= v
		return b
	}
	for name, records := range map[string][]byte{
		"a byte of a record":        change(len(good.bytes())-1, 1),
		"the attributes":            change(22, 1),
		"message format 1":          change(16, 3),
		"a length below the header": change(11, 0xff&(byte(len(good.bytes())-12)^1)),
		"the last offset":           change(26, 1),
		"the number of records":     change(60, 1),
	} {
		s := recordSet{}
		_, err := s.cut(append(good.bytes(), records...), nil)
		if !errors.Is(err, errCorrupt) {
			t.Errorf("%s: %v, not found", name, err)
		}
		if len(s.batches) != 1 || s.next != 1 {
			t.Errorf("%s: %d batches up to offset %d are good, not the first", name, len(s.batches), s.next)
		}
	}
}

// A batch that inflates beyond the limit is read as a stream; a record that is too large is cut, sized and hashed, however it came.
func TestLargeBatches(t *testing.T) {
	big, huge := strings.Repeat("x", 600<<10), strings.Repeat("y", 5<<20)
	for codec := compress.None; codec <= compress.Zstd; codec++ {
		s := cutWhole(t, 0, testBatch{codec: codec, records: []testRecord{{"k", big}, {"k", huge}, {"k", big}, {"k", "small"}}}.bytes())
		seen, next, err := readAll(&s, 1<<20)
		want := []string{"0:k=" + big + "@1000", "1:k=yyy… of 5242880@1001", "2:k=" + big + "@1002", "3:k=small@1003"}
		if err != nil || next != 4 || fmt.Sprint(seen) != fmt.Sprint(want) {
			t.Errorf("codec %d: %d records up to %d: %v", codec, len(seen), next, err)
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

// Whatever a broker sends, the decoder neither panics nor takes more memory than it was granted.
func FuzzReader(f *testing.F) {
	for codec := compress.None; codec <= compress.Zstd; codec++ {
		f.Add(wireOf(testBatch{codec: codec, transactional: true, records: []testRecord{{"k", "value"}, {"", ""}}}, testBatch{base: 2, control: true, records: []testRecord{{"\x00\x00\x00\x00", ""}}}), int64(0), int64(1), false)
	}
	const limit = 1 << 20
	r := newReader(limit)
	f.Fuzz(func(t *testing.T, records []byte, from, first int64, checksum bool) {
		if !checksum { // most inputs would end there
			fixChecksums(records)
		}
		s := recordSet{from: from, aborted: []abortedTransaction{{0, first}}}
		_, err := s.cut(records, nil)
		if s.next < from || err != nil && !errors.Is(err, errCorrupt) {
			t.Fatalf("next %d from %d: %v", s.next, from, err)
		}
		last := int64(-1)
		err = r.read(&s, func(rec *schema.Record) error {
			if rec.Offset < from || rec.Cut == nil && len(rec.Value) > max(limit, len(records)) {
				t.Fatalf("offset %d from %d, %d bytes", rec.Offset, from, len(rec.Value))
			}
			return nil
		}, func(n int64) error {
			last = n
			return nil
		})
		if err == nil && len(s.batches) > 0 && last > s.next {
			t.Fatalf("read up to %d, checked up to %d", last, s.next)
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
