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

// A testBatch is written as a broker stores it.
type testBatch struct {
	base          int64
	codec         codec
	control       bool
	transactional bool
	logTime       int64 // if not 0: of all records
	producer      int64
	records       []testRecord
	raw           [][]byte // instead of them: as they are on the wire
	holes         int64    // offsets at the end that compaction took
}

type testRecord struct{ key, value string }

func (b testBatch) bytes() []byte {
	var records []byte
	for i, r := range b.records {
		one := []byte{0}
		one = binary.AppendVarint(one, int64(i)) // the time's difference
		one = binary.AppendVarint(one, int64(i))
		one = append(binary.AppendVarint(one, int64(len(r.key))), r.key...)
		one = append(binary.AppendVarint(one, int64(len(r.value))), r.value...)
		one = binary.AppendVarint(one, 1)
		one = append(binary.AppendVarint(one, 1), 'h')
		one = binary.AppendVarint(one, -1)
		records = append(binary.AppendVarint(records, int64(len(one))), one...)
	}
	if b.raw != nil {
		records, b.records = bytes.Join(b.raw, nil), make([]testRecord, len(b.raw))
	}
	if b.codec != codecNone {
		var packed bytes.Buffer
		w := compress.Compression(b.codec).Codec().NewWriter(&packed)
		_, _ = w.Write(records)
		_ = w.Close()
		records = packed.Bytes()
	}
	out := appendInt64(nil, b.base)
	out = appendInt32(out, batchHead-12+len(records))
	out = append(appendInt32(out, 0), 2)
	out = appendInt32(out, 0) // the checksum, below
	attributes := int(b.codec)
	if b.logTime != 0 {
		attributes |= 1 << 3
	}
	if b.transactional {
		attributes |= 1 << 4
	}
	if b.control {
		attributes |= 1<<5 | 1<<4
	}
	out = appendInt16(out, attributes)
	out = appendInt32(out, len(b.records)-1+int(b.holes))
	out = appendInt64(appendInt64(out, 1000), b.logTime)
	out = appendInt64(out, b.producer)
	out = appendInt32(appendInt16(out, 0), 0)
	out = appendInt32(out, len(b.records))
	out = append(out, records...)
	binary.BigEndian.PutUint32(out[17:], crc32.Checksum(out[21:], castagnoli))
	return out
}

func appendInt16(b []byte, v int) []byte   { return binary.BigEndian.AppendUint16(b, uint16(v)) }
func appendInt32(b []byte, v int) []byte   { return binary.BigEndian.AppendUint32(b, uint32(v)) }
func appendInt64(b []byte, v int64) []byte { return binary.BigEndian.AppendUint64(b, uint64(v)) }

func set(batches ...testBatch) (set []byte) {
	for _, b := range batches {
		set = append(set, b.bytes()...)
	}
	return set
}

// seen is what a reader delivered, in short: "offset:key=value@time".
func readAll(t testing.TB, p *part, limit int) (seen []string, next int64, err error) {
	t.Helper()
	p.of = &partition{slot: slot{"t", 0}}
	next = p.from
	err = newReader(limit).read(p, func(rec *schema.Record) error {
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
		name string
		part part
		want []string
		next int64
	}{
		{"plain", part{from: 5, records: set(testBatch{base: 5, records: ab})}, []string{"5:k=a@1000", "6:k=b@1001"}, 7},
		{"the log's own time", part{records: set(testBatch{records: ab, logTime: 77})}, []string{"0:k=a@77", "1:k=b@77"}, 2},
		{"records below the asked offset are skipped", part{from: 6, records: set(testBatch{base: 5, records: ab})}, []string{"6:k=b@1001"}, 7},
		{"batches below the asked offset are skipped", part{from: 7, records: set(testBatch{base: 5, records: ab}, testBatch{base: 7, records: ab[:1]})}, []string{"7:k=a@1000"}, 8},
		{"holes of compaction", part{records: set(testBatch{records: ab, holes: 3}, testBatch{base: 9, records: ab[:1]})}, []string{"0:k=a@1000", "1:k=b@1001", "9:k=a@1000"}, 10},
		{"a batch that compaction emptied", part{records: set(testBatch{holes: 4})}, nil, 4},
		{"the last batch is cut off", part{records: set(testBatch{records: ab}, testBatch{base: 2, records: ab})[:100]}, []string{"0:k=a@1000", "1:k=b@1001"}, 2},
		{"no transaction is aborted", part{records: set(testBatch{records: ab, transactional: true, producer: 1}, testBatch{base: 2, control: true, producer: 1, records: commit})},
			[]string{"0:k=a@1000", "1:k=b@1001"}, 3},
		{"an aborted transaction, then a committed one of the same producer", part{
			aborted: []abortedTransaction{{1, 0}},
			records: set(testBatch{records: ab, transactional: true, producer: 1}, testBatch{base: 2, control: true, producer: 1, records: abort},
				testBatch{base: 3, records: ab, transactional: true, producer: 1}, testBatch{base: 5, control: true, producer: 1, records: commit}),
		}, []string{"3:k=a@1000", "4:k=b@1001"}, 6},
		{"an aborted transaction leaves others alone", part{
			aborted: []abortedTransaction{{1, 0}},
			records: set(testBatch{records: ab, transactional: true, producer: 1}, testBatch{base: 2, records: ab[:1], transactional: true, producer: 2},
				testBatch{base: 3, records: ab[1:], producer: 1}),
		}, []string{"2:k=a@1000", "3:k=b@1000"}, 4},
		{"a transaction that is aborted later begins later", part{
			aborted: []abortedTransaction{{1, 2}},
			records: set(testBatch{records: ab, transactional: true, producer: 1}, testBatch{base: 2, records: ab, transactional: true, producer: 1}),
		}, []string{"0:k=a@1000", "1:k=b@1001"}, 4},
	} {
		for codec := codecNone; codec <= codecZstd; codec++ {
			t.Run(fmt.Sprintf("%s/codec %d", c.name, codec), func(t *testing.T) {
				p := c.part
				if codec != codecNone && !strings.Contains(c.name, "cut off") {
					p.records = recompress(t, p.records, codec)
				}
				seen, next, err := readAll(t, &p, 1<<20)
				if err != nil || fmt.Sprint(seen) != fmt.Sprint(c.want) || next != c.next {
					t.Errorf("saw %v up to %d (%v), not %v up to %d", seen, next, err, c.want, c.next)
				}
			})
		}
	}
}

// recompress writes the batches of a set again with another codec.
func recompress(t *testing.T, records []byte, c codec) (out []byte) {
	for {
		b, rest, ok, err := cutBatch(records)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return out
		}
		var packed bytes.Buffer
		w := compress.Compression(c).Codec().NewWriter(&packed)
		_, _ = w.Write(b.records)
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
		checked, next, _, err := checkSet(append(testBatch{base: -0, records: good.records}.bytes(), records...), 0)
		if !errors.Is(err, errCorrupt) {
			t.Errorf("%s: %v, not found", name, err)
		}
		if len(checked) != len(good.bytes()) || next != 1 {
			t.Errorf("%s: %d bytes up to offset %d are good, not the first batch", name, len(checked), next)
		}
	}
}

// A batch that inflates beyond the limit is read as a stream; a record that is too large is cut, sized and hashed, however it came.
func TestLargeBatches(t *testing.T) {
	big, huge := strings.Repeat("x", 600<<10), strings.Repeat("y", 5<<20)
	for codec := codecNone; codec <= codecZstd; codec++ {
		p := &part{records: set(testBatch{codec: codec, records: []testRecord{{"k", big}, {"k", huge}, {"k", big}, {"k", "small"}}})}
		seen, next, err := readAll(t, p, 1<<20)
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
	for codec := codecNone; codec <= codecZstd; codec++ {
		f.Add(set(testBatch{codec: codec, transactional: true, records: []testRecord{{"k", "value"}, {"", ""}}}, testBatch{base: 2, control: true, records: []testRecord{{"\x00\x00\x00\x00", ""}}}), int64(0), int64(1), false)
	}
	const limit = 1 << 20
	r := newReader(limit)
	f.Fuzz(func(t *testing.T, records []byte, from, first int64, checksum bool) {
		if !checksum { // most inputs would end there
			fixChecksums(records)
		}
		checked, next, _, err := checkSet(records, from)
		if next < from || err != nil && !errors.Is(err, errCorrupt) {
			t.Fatalf("next %d from %d: %v", next, from, err)
		}
		p := &part{of: &partition{}, from: from, records: checked, aborted: []abortedTransaction{{0, first}}}
		last := int64(-1)
		err = r.read(p, func(rec *schema.Record) error {
			if rec.Offset < from || rec.Cut == nil && len(rec.Value) > max(limit, len(records)) {
				t.Fatalf("offset %d from %d, %d bytes", rec.Offset, from, len(rec.Value))
			}
			return nil
		}, func(n int64) error {
			last = n
			return nil
		})
		if err == nil && len(checked) > 0 && last > next {
			t.Fatalf("read up to %d, checked up to %d", last, next)
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
