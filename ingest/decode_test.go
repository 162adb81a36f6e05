package ingest

import (
	"context"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/segmentio/kafka-go/compress"

	"rollcall/schema"
)

// A record batch that breaks off in its middle, though its checksum is right, is asked for again and never stepped over. What could be read of it is stored once,
// and its last whole record is as far as the position goes.
func TestUnreadableBatchIsNeitherSkippedNorPiledUp(t *testing.T) {
	now := time.Now()
	broken := testBatch{base: 7, records: []testRecord{{"k", message("a", "ann", now)}, {"k", message("b", "ann", now)}}}.bytes()
	broken = broken[:len(broken)-3]
	sealBatch(broken)
	if s := fetchedSet(t, 7, broken); s.next != 9 {
		t.Fatalf("the checksum does not cover for it: %d", s.next)
	}

	p := newPartition(slot{"t", 0}, 7, -1)
	d, told := newTestDecoder(t)
	for turn, from := range []int64{7, 8, 8} {
		d.take(&answer{sent: now, parts: []part{{of: p, set: fetchedSet(t, from, broken), end: 9}}})
		if told.next != 8 || p.decoded.offset != 8 || told.unread != turn+1 {
			t.Fatalf("turn %d: it goes on at %d, told %d times", turn, told.next, told.unread)
		}
		if d.batch.len() != 1 || d.batch.ends[p].offset != 8 {
			t.Fatalf("turn %d: %d rows up to %d, not 1 up to 8", turn, d.batch.len(), d.batch.ends[p].offset)
		}
	}
	if n := d.batch.stored[schema.Message]; n != 1 {
		t.Errorf("the record before the broken one counts %d times", n)
	}

	d.batch.reset()
	d.take(&answer{sent: now, parts: []part{{of: p, set: fetchedSet(t, 8, broken), end: 9}}})
	if d.batch.moved() {
		t.Error("a batch that brings nothing is stored and committed")
	}
}

// fetchedSet is what was fetched of partition 0 of the topic t.
func fetchedSet(t testing.TB, from int64, wire []byte, aborted ...abortedTransaction) recordSet {
	t.Helper()
	s := recordSet{topic: "t", from: from, aborted: aborted}
	if _, err := s.cut(wire, nil); err != nil {
		t.Fatal(err)
	}
	return s
}

// A heard is what a decoder told of positions, and what it handed over.
type heard struct {
	next   int64 // where a partition last was to be fetched again
	unread int   // so many times it could not be read
	full   chan *batch
}

func (h *heard) Rewind(_ *partition, to position) { h.next = to.offset }

func (h *heard) Unread(_ *partition, at position, _ int64, _ error) {
	h.next = at.offset
	h.unread++
}

func (h *heard) IsRead(*partition) {}

// newTestDecoder is a decoder on a session that stores nothing.
func newTestDecoder(t testing.TB) (*decoder, *heard) {
	s := benchSession(t)
	s.full, s.free = make(chan *batch, 16), make(chan *batch, 16)
	for range cap(s.free) {
		s.free <- newBatch()
	}
	h := &heard{full: s.full}
	d := s.newDecoder(context.Background())
	d.reader, d.batch, d.positions = newReader(1<<20), newBatch(), h
	return d, h
}

// A record batch fills many batches. Each says how far it brings the partition, and whoever goes on from there gets the rest, once.
func TestHandedOverWithinARecordBatch(t *testing.T) {
	now := time.Now()
	var ten []testRecord
	for i := range 10 {
		ten = append(ten, testRecord{"k", message(fmt.Sprint(i), "ann", now)})
	}
	for c := compress.None; c <= compress.Zstd; c++ {
		records := testBatch{base: 100, codec: c, records: ten, holes: 5}.bytes()
		for _, inflate := range []int{1 << 20, 100} { // held, and as a stream
			for _, from := range []int64{100, 103, 109} {
				p := newPartition(slot{"t", 0}, from, -1)
				d, told := newTestDecoder(t)
				d.reader, d.cfg.BatchRows = newReader(inflate), 3
				d.take(&answer{sent: now, parts: []part{{of: p, set: fetchedSet(t, from, records), end: 115}}})
				var rows int64
				for len(told.full) > 0 {
					b := <-told.full
					if b.len() != 3 {
						t.Fatalf("codec %d: %d rows were handed over, not 3", c, b.len())
					}
					if rows += 3; b.ends[p].offset != from+rows {
						t.Errorf("codec %d: after %d rows the position is %d, not %d", c, rows, b.ends[p].offset, from+rows)
					}
				}
				if rows += int64(d.batch.len()); rows != 110-from || d.batch.ends[p].offset != 115 || p.decoded.offset != 115 {
					t.Errorf("codec %d: from %d, %d rows, and the position is %d", c, from, rows, d.batch.ends[p].offset)
				}
			}
		}
	}
}

// A record counts in a batch's bytes by all that is kept of it: its key, its value and its headers.
func TestWhatFillsABatch(t *testing.T) {
	large := make([]byte, 600<<10)
	for name, c := range map[string]struct {
		rec  schema.Record
		full bool
	}{
		"a key":           {schema.Record{Key: large}, true},
		"a value":         {schema.Record{Value: large}, true},
		"a header":        {schema.Record{Headers: []schema.Header{{Value: large}}}, true},
		"a name":          {schema.Record{Headers: []schema.Header{{Key: large}}}, true},
		"empty headers":   {schema.Record{Headers: make([]schema.Header, 1<<16)}, true},
		"next to nothing": {schema.Record{Value: []byte("x")}, false},
	} {
		p := newPartition(slot{"t", 0}, 0, -1)
		d, told := newTestDecoder(t)
		d.of, d.cfg.BatchBytes = p, 1<<20
		for n := range int64(2) {
			c.rec.Offset = n
			if err := d.see(&c.rec); err != nil {
				t.Fatal(err)
			}
		}
		if full := len(told.full) == 1; full != c.full {
			t.Errorf("%s: two of them, and the batch is full: %v", name, full)
		}
	}
}

// A part that does not follow on what was decoded is dropped, and what is missing is fetched again; one after a jump is taken.
func TestPartsOutOfStep(t *testing.T) {
	now := time.Now()
	p := newPartition(slot{"t", 0}, 5, -1)
	d, told := newTestDecoder(t)
	one := func(base int64) recordSet {
		return fetchedSet(t, base, testBatch{base: base, records: []testRecord{{"k", message("a", "ann", now)}}}.bytes())
	}
	for _, c := range []struct {
		name    string
		part    part
		decoded int64
		rows    int
	}{
		{"later than what was decoded", part{of: p, set: one(9)}, 5, 0},
		{"in step", part{of: p, set: one(5)}, 6, 1},
		{"the same again", part{of: p, set: one(5)}, 6, 1},
		{"after a gap", part{of: p, jumps: 1, set: one(0)}, 1, 2},
		{"of the time before the gap", part{of: p, set: one(1)}, 1, 2},
	} {
		d.take(&answer{sent: now, parts: []part{c.part}})
		if p.decoded.offset != c.decoded || d.batch.len() != c.rows {
			t.Errorf("%s: decoded up to %d with %d rows, not %d with %d", c.name, p.decoded.offset, d.batch.len(), c.decoded, c.rows)
		}
	}
	if told.next != 1 {
		t.Errorf("fetching goes on at %d, not behind what was decoded", told.next)
	}
}

// A position has the leader epoch of the last record batch below it, also when an answer without
// records follows: it is committed with the offset.
func TestDecodedPositionsKeepTheEpoch(t *testing.T) {
	now := time.Now()
	for _, want := range []int32{0, 4} {
		p := newPartition(slot{"t", 0}, 5, -1)
		d, _ := newTestDecoder(t)
		records := testBatch{base: 5, records: []testRecord{{"k", message("a", "ann", now)}}}.bytes()
		binary.BigEndian.PutUint32(records[12:], uint32(want)) // the checksum does not cover it
		for _, set := range []recordSet{fetchedSet(t, 5, records), fetchedSet(t, 6, nil)} {
			d.take(&answer{sent: now, parts: []part{{of: p, set: set, end: 6}}})
			if p.decoded.epoch != want || d.batch.ends[p].epoch != want {
				t.Errorf("decoded in epoch %d, to be committed in %d, not %d", p.decoded.epoch, d.batch.ends[p].epoch, want)
			}
		}
	}
}

// A record that was too large to be held is erased with the person it names, like any other reject.
func TestALargeRecordNamesWhomItSpeaksOf(t *testing.T) {
	d := &decoder{schema: schema.NewDecoder()}
	rej := d.verdict(&schema.Record{
		Value: []byte(`{"data":{"org_id":"acme","user_id":"ada","channel":"chat","model":"xxxxxxxx`),
		Cut:   &schema.Cut{Size: 100 << 20},
	})
	if rej.Reason != schema.TooLarge || rej.Org != "acme" || rej.User != "ada" {
		t.Errorf("%+v", rej)
	}
}
