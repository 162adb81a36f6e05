package recordbatch

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/segmentio/kafka-go/compress"

	"rollcall/ingest/kafka/recordbatch/batchtest"
	"rollcall/schema"
)

// A record is judged by its attributes, however many and however large its headers are. Of each
// name the last attribute counts, wherever it stands.
func TestAttributesBehindTooManyHeaders(t *testing.T) {
	header := func(name, value string) schema.Header { return schema.Header{Key: []byte(name), Value: []byte(value)} }
	attributes := []schema.Header{
		header("ce_specversion", "1.0"), header("ce_id", "wrong"), header("ce_id", "right"), header("ce_source", "test"),
		header("ce_type", "usage.message.v1"),
		header("ce_time", time.Now().UTC().Format(time.RFC3339)),
	}
	value := []byte(`{"org_id":"acme","user_id":"ann","channel":"chat"}`)
	empty := make([]schema.Header, maxHeaders+10)
	for name, before := range map[string][]schema.Header{
		"none": nil, "many": empty, "a large one": {header("h", strings.Repeat("x", 5<<20))},
		"many large ones": append([]schema.Header{header("h", strings.Repeat("x", 5<<20))}, empty...),
		"a large name":    {header(strings.Repeat("x", 5<<20), "")},
		"many attributes of no meaning": func() (more []schema.Header) {
			for i := range maxHeaders + 10 {
				more = append(more, header(fmt.Sprint("ce_", i%lateHeaders/2), strings.Repeat("x", 100)))
			}
			return more
		}(),
	} {
		for _, key := range [][]byte{[]byte("k"), make([]byte, 6<<20)} {
			r := NewReader(1 << 20)
			if rest, err := r.record(batchtest.RawRecord(3, key, value, append(before, attributes...)...)); err != nil ||
				len(rest) > 0 || r.rec.Offset != 3 {
				t.Fatalf("%s: %d bytes left, offset %d, %v", name, len(rest), r.rec.Offset, err)
			}
			var ev schema.Event
			if rej := schema.NewDecoder().Decode(&r.rec, time.Now(), &ev); rej != nil || string(ev.ID) != "right" {
				t.Errorf("%s, a key of %d bytes: %+v, id %q", name, len(key), rej, ev.ID)
			}
			if len(r.rec.Headers) > maxHeaders+lateHeaders || cap(r.held) > maxWhole || !bytes.HasPrefix(key, r.rec.Key) {
				t.Errorf("%s: %d headers, %d bytes are held", name, len(r.rec.Headers), cap(r.held))
			}
			headers := 0
			for _, h := range r.rec.Headers {
				headers += len(h.Key) + len(h.Value)
			}
			if most := keptOfHeader + lateHeaders*(lateName+lateValue); headers > most && len(key) > maxWhole {
				t.Errorf("%s: %d bytes of headers, not %d at most", name, headers, most)
			}
		}
	}
}

// Of a value that is too large, a reject has the beginning, and the size and hash of all of it,
// however the record was read.
func TestWhatIsKeptOfALargeValue(t *testing.T) {
	value := make([]byte, maxWhole+12345)
	for i := range value {
		value[i] = byte(i * i >> 3)
	}
	wire := batchtest.RawRecord(3, []byte("k"), value)
	whole := NewReader(1 << 20)
	piecemeal := NewReader(1 << 20)
	if _, err := whole.record(wire); err != nil {
		t.Fatal(err)
	}
	if err := piecemeal.recordFrom(bufio.NewReader(bytes.NewReader(wire))); err != nil {
		t.Fatal(err)
	}
	want := schema.Cut{Size: uint64(len(value)), SHA256: sha256.Sum256(value)}
	for name, r := range map[string]*Reader{"in memory": whole, "as a stream": piecemeal} {
		if got := r.rec.Cut; got == nil || *got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
		if !bytes.Equal(r.rec.Value, value[:schema.KeptOfTooLarge]) {
			t.Errorf("%s: %d bytes are kept", name, len(r.rec.Value))
		}
		if _, err := r.record(batchtest.RawRecord(4, nil, []byte("small"))); err != nil || r.rec.Cut != nil {
			t.Errorf("%s: the next record, which is whole, counts as cut: %+v, %v", name, r.rec.Cut, err)
		}
	}
}

// A small batch is read whatever window its producer used. A large batch is read up to the window
// that brokers accept.
func TestWindowsOfZstd(t *testing.T) {
	const (
		small = 1 << 10
		large = 3 << 20
	)
	for _, c := range []struct{ window, size int }{{128 << 20, small}, {512 << 20, small}, {128 << 20, large}} {
		var packed bytes.Buffer
		w, err := zstd.NewWriter(&packed, zstd.WithWindowSize(c.window), zstd.WithSingleSegment(false))
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Repeat("x", c.size)
		_, _ = w.Write(batchtest.RawRecord(0, nil, []byte(text)))
		_ = w.Close()
		b, _, _, err := firstBatch(batchtest.Batch{
			Codec: compress.Zstd, Packed: packed.Bytes(), Records: []batchtest.Record{{}},
		}.Wire())
		if err != nil {
			t.Fatal(err)
		}
		seen := ""
		if err := NewReader(2<<20).batch(b, 0, func(rec *schema.Record) error {
			seen = string(rec.Value)
			return nil
		}); err != nil || !strings.HasPrefix(text, seen) || seen == "" {
			t.Errorf("a window of %d, %d bytes: %d bytes were read, %v", c.window, c.size, len(seen), err)
		}
	}
}

// A batch with offsets that do not grow is corrupt, because a position within it would mean
// nothing.
func TestOffsetsGrowWithinARecordBatch(t *testing.T) {
	for name, offsets := range map[string][2]int{"twice": {0, 0}, "backwards": {1, 0}} {
		for c := compress.None; c <= compress.Zstd; c++ {
			for _, limit := range []int{1 << 20, 10} {
				two := batchtest.Batch{
					Codec: c, Raw: [][]byte{
						batchtest.RawRecord(offsets[0], nil, []byte("a")), batchtest.RawRecord(offsets[1], nil, []byte("b")),
					}, Holes: 2,
				}
				s := splitWhole(t, 0, two.Wire())
				seen, next, err := readAll(&s, limit)
				if !errors.Is(err, errCorrupt) || len(seen) != 1 || next != 0 {
					t.Errorf("%s, codec %d: %v up to %d, %v", name, c, seen, next, err)
				}
			}
		}
	}
}

// A stop does not wait until gigabytes are inflated.
func TestAStopEndsInflating(t *testing.T) {
	stopped := make(chan struct{})
	r := NewReader(1 << 20)
	r.Stopped = stopped
	b := batchtest.Batch{
		Codec: compress.Gzip, Records: slicesOf(batchtest.Record{Key: "k", Value: strings.Repeat("x", 1<<20)}, 50),
	}.Wire()
	first, _, _, err := firstBatch(b)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	err = r.batch(first, 0, func(*schema.Record) error {
		if seen++; seen == 2 {
			close(stopped)
		}
		return nil
	})
	if !errors.Is(err, errStopped) || seen > 3 {
		t.Errorf("%d records were read, %v", seen, err)
	}
}

func slicesOf(r batchtest.Record, n int) (records []batchtest.Record) {
	for range n {
		records = append(records, r)
	}
	return records
}

// The parts of a large record may fill the memory that is kept for them, but not exceed it. What is
// held already takes its share.
func TestPartsFillTheMemoryKeptForThem(t *testing.T) {
	for _, c := range []struct {
		held int
		size int64
		fits bool
	}{{0, 3, true}, {0, 4, true}, {0, 5, false}, {1, 3, true}, {1, 4, false}, {4, 0, true}, {4, 1, false}} {
		p := &pieces{in: strings.NewReader("12345"), held: make([]byte, c.held, 4)}
		kept := p.keep(c.size)
		if c.fits && (p.err != nil || string(kept) != "12345"[:c.size]) || !c.fits && !errors.Is(p.err, errRecord) {
			t.Errorf("%d bytes behind %d in room for 4: %q, %v", c.size, c.held, kept, p.err)
		}
	}
}

// A record whose every part is as large as what is kept of it, or larger, is read.
func TestPartsThatFillTheirRoom(t *testing.T) {
	header := func(key, value int) schema.Header {
		return schema.Header{Key: make([]byte, key), Value: make([]byte, value)}
	}
	for name, c := range map[string]struct {
		headers []schema.Header
		kept    int
	}{
		"a header that fits":          {[]schema.Header{header(10, keptOfHeader-10)}, 1},
		"two that fit":                {[]schema.Header{header(10, keptOfHeader-20), header(4, 6)}, 2},
		"two that are too large":      {[]schema.Header{header(10, keptOfHeader-20), header(4, 7)}, 1},
		"a value that is too large":   {[]schema.Header{header(10, keptOfHeader-9)}, 0},
		"a name that leaves no room":  {[]schema.Header{header(keptOfHeader, 3<<20)}, 0},
		"a large name, a large value": {[]schema.Header{header(keptOfHeader-10, 3<<20)}, 0},
	} {
		r := NewReader(1 << 20)
		value := make([]byte, schema.MaxValueBytes)
		wire := batchtest.RawRecord(3, make([]byte, 3<<20), value, c.headers...)
		if rest, err := r.record(wire); err != nil || len(rest) != 0 || r.rec.Offset != 3 {
			t.Errorf("%s: %d bytes are left, offset %d, %v", name, len(rest), r.rec.Offset, err)
		}
		if len(r.rec.Headers) != c.kept || len(r.rec.Key) != keptOfKey || !bytes.Equal(r.rec.Value, value) {
			t.Errorf("%s: %d headers, want %d; a key of %d bytes, a value of %d",
				name, len(r.rec.Headers), c.kept, len(r.rec.Key), len(r.rec.Value))
		}
	}
}

// A record of maxWhole bytes is visited as it came, and a larger one is cut, in memory and as a
// stream.
func TestTheLargestWholeRecord(t *testing.T) {
	size, _ := binary.Varint(batchtest.RawRecord(0, nil, make([]byte, maxWhole)))
	around := int(size) - maxWhole // the record's other bytes
	for more, cut := range []bool{false, true} {
		wire := batchtest.RawRecord(0, nil, make([]byte, maxWhole-around+more))
		size, _ := binary.Varint(wire)
		if size != int64(maxWhole+more) {
			t.Fatalf("the record has %d bytes, not %d", size, maxWhole+more)
		}
		whole := NewReader(1 << 20)
		stream := NewReader(1 << 20)
		if _, err := whole.record(wire); err != nil || (whole.rec.Cut != nil) != cut {
			t.Errorf("%d bytes, in memory: cut %+v, %v", size, whole.rec.Cut, err)
		}
		if err := stream.recordFrom(bufio.NewReader(bytes.NewReader(wire))); err != nil || (stream.rec.Cut != nil) != cut {
			t.Errorf("%d bytes, as a stream: cut %+v, %v", size, stream.rec.Cut, err)
		}
	}
}
