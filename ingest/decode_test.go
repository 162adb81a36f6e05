package ingest

import (
	"context"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/segmentio/kafka-go/compress"

	"rollcall/ingest/kafka"
	"rollcall/ingest/kafka/recordbatch"
	"rollcall/ingest/kafka/recordbatch/batchtest"
	"rollcall/ingest/rows"
	"rollcall/schema"
)

// A record batch that ends in the middle of a record, although its checksum is right, is fetched
// again and never passed over. The records that could be read are stored once, and the position
// goes behind the last whole one.
func TestUnreadableBatchIsNeitherSkippedNorPiledUp(t *testing.T) {
	now := time.Now()
	broken := batchtest.Batch{
		Base: 7, Records: []batchtest.Record{
			{Key: "k", Value: message("a", "ann", now)}, {Key: "k", Value: message("b", "ann", now)},
		},
	}.Wire()
	broken = broken[:len(broken)-3]
	batchtest.Seal(broken)
	if s := fetchedSet(t, 7, broken); s.Next != 9 {
		t.Fatalf("the checksum does not cover for it: %d", s.Next)
	}

	p := kafka.NewPartition(kafka.TopicPartition{Topic: "t", Partition: 0}, 7, -1)
	d, told := newTestDecoder(t)
	for turn, from := range []int64{7, 8, 8} {
		d.decodeResponse(&kafka.Response{
			Asked: now, Fetched: []kafka.Fetched{{Partition: p, Set: fetchedSet(t, from, broken), HighWatermark: 9}},
		})
		if told.next != 8 || p.Decoded.Offset != 8 || told.unread != turn+1 {
			t.Fatalf("turn %d: it goes on at %d, told %d times", turn, told.next, told.unread)
		}
		if d.batch.len() != 1 || d.batch.ends[p].Offset != 8 {
			t.Fatalf("turn %d: %d rows up to %d, not 1 up to 8", turn, d.batch.len(), d.batch.ends[p].Offset)
		}
	}
	if n := d.batch.stored[schema.Message]; n != 1 {
		t.Errorf("the record before the broken one counts %d times", n)
	}

	d.batch.reset()
	d.decodeResponse(&kafka.Response{
		Asked: now, Fetched: []kafka.Fetched{{Partition: p, Set: fetchedSet(t, 8, broken), HighWatermark: 9}},
	})
	if d.batch.moved() {
		t.Error("a batch that brings nothing is stored and committed")
	}
}

// fetchedSet is what was fetched of partition 0 of the topic t.
func fetchedSet(t testing.TB, from int64, wire []byte, aborted ...recordbatch.Aborted) recordbatch.Set {
	t.Helper()
	s := recordbatch.Set{Topic: "t", From: from, Aborted: aborted}
	if _, err := s.Split(wire, nil); err != nil {
		t.Fatal(err)
	}
	return s
}

// A heard notes what a decoder says of positions, and has the batches that it handed over.
type heard struct {
	next   int64 // from where a partition is to be fetched again
	unread int   // how often a partition could not be read
	full   chan *batch
}

func (h *heard) Rewind(_ *kafka.Partition, to kafka.Position) { h.next = to.Offset }

func (h *heard) Unread(_ *kafka.Partition, at kafka.Position, _ int64, _ error) {
	h.next = at.Offset
	h.unread++
}

func (h *heard) IsRead(*kafka.Partition) {}

// newTestDecoder is a decoder on a pipeline that stores nothing.
func newTestDecoder(t testing.TB) (*decoder, *heard) {
	s := benchPipeline(t)
	s.full = make(chan *batch, 16)
	s.free = make(chan *batch, 16)
	for range cap(s.free) {
		s.free <- newBatch()
	}
	h := &heard{full: s.full}
	d := s.newDecoder(context.Background())
	d.reader = recordbatch.NewReader(1 << 20)
	d.batch = newBatch()
	d.positions = h
	return d, h
}

// A record batch fills many batches. Each of them says how far it brings the partition. A process
// that goes on from there gets the remaining records, once.
func TestHandedOverWithinARecordBatch(t *testing.T) {
	now := time.Now()
	var ten []batchtest.Record
	for i := range 10 {
		ten = append(ten, batchtest.Record{Key: "k", Value: message(fmt.Sprint(i), "ann", now)})
	}
	for c := compress.None; c <= compress.Zstd; c++ {
		records := batchtest.Batch{Base: 100, Codec: c, Records: ten, Holes: 5}.Wire()
		for _, inflate := range []int{1 << 20, 100} { // held, and as a stream
			for _, from := range []int64{100, 103, 109} {
				p := kafka.NewPartition(kafka.TopicPartition{Topic: "t", Partition: 0}, from, -1)
				d, told := newTestDecoder(t)
				d.reader = recordbatch.NewReader(inflate)
				d.cfg.BatchRows = 3
				d.decodeResponse(&kafka.Response{
					Asked: now, Fetched: []kafka.Fetched{{Partition: p, Set: fetchedSet(t, from, records), HighWatermark: 115}},
				})
				var rows int64
				for len(told.full) > 0 {
					b := <-told.full
					if b.len() != 3 {
						t.Fatalf("codec %d: %d rows were handed over, not 3", c, b.len())
					}
					if rows += 3; b.ends[p].Offset != from+rows {
						t.Errorf("codec %d: after %d rows the position is %d, not %d", c, rows, b.ends[p].Offset, from+rows)
					}
				}
				if rows += int64(d.batch.len()); rows != 110-from || d.batch.ends[p].Offset != 115 || p.Decoded.Offset != 115 {
					t.Errorf("codec %d: from %d, %d rows, and the position is %d", c, from, rows, d.batch.ends[p].Offset)
				}
			}
		}
	}
}

// All that is kept of a record counts in a batch's bytes: its key, its value and its headers.
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
		p := kafka.NewPartition(kafka.TopicPartition{Topic: "t", Partition: 0}, 0, -1)
		d, told := newTestDecoder(t)
		d.partition = p
		d.cfg.BatchBytes = 1 << 20
		for n := range int64(2) {
			c.rec.Offset = n
			if err := d.decodeRecord(&c.rec); err != nil {
				t.Fatal(err)
			}
		}
		if full := len(told.full) == 1; full != c.full {
			t.Errorf("%s: two of them, and the batch is full: %v", name, full)
		}
	}
}

// What is kept of a refused record beside it counts, too.
func TestWhatARejectAddsToABatch(t *testing.T) {
	d, _ := newTestDecoder(t)
	d.partition = kafka.NewPartition(kafka.TopicPartition{Topic: "t", Partition: 0}, 0, -1)
	rec := schema.Record{Key: []byte("key"), Value: []byte(message("a", "ann", time.Now().AddDate(-3, 0, 0)))}
	if err := d.decodeRecord(&rec); err != nil || d.batch.rejects.Len() != 1 {
		t.Fatal(d.batch.rejects.Len(), err)
	}
	rej := d.schema.Decode(&rec, d.engineNow, &schema.Event{})
	if rej == nil || rej.Detail == "" || rej.Org != "acme" || rej.User != "ann" {
		t.Fatalf("%+v", rej)
	}
	if want := rows.RecordBytes(&rec) + len(rej.Detail) + len(rej.Org) + len(rej.User); d.batch.bytes != want {
		t.Errorf("%d bytes, want %d", d.batch.bytes, want)
	}
}

// A set that does not follow the decoded position is dropped, and the missing records are fetched
// again. A set after a jump is accepted.
func TestFetchedOutOfStep(t *testing.T) {
	now := time.Now()
	p := kafka.NewPartition(kafka.TopicPartition{Topic: "t", Partition: 0}, 5, -1)
	d, told := newTestDecoder(t)
	one := func(base int64) recordbatch.Set {
		return fetchedSet(t, base,
			batchtest.Batch{Base: base, Records: []batchtest.Record{{Key: "k", Value: message("a", "ann", now)}}}.Wire())
	}
	for _, c := range []struct {
		name    string
		fetched kafka.Fetched
		decoded int64
		rows    int
	}{
		{"later than what was decoded", kafka.Fetched{Partition: p, Set: one(9)}, 5, 0},
		{"in step", kafka.Fetched{Partition: p, Set: one(5)}, 6, 1},
		{"the same again", kafka.Fetched{Partition: p, Set: one(5)}, 6, 1},
		{"after a gap", kafka.Fetched{Partition: p, Jumps: 1, Set: one(0)}, 1, 2},
		{"of the time before the gap", kafka.Fetched{Partition: p, Set: one(1)}, 1, 2},
	} {
		d.decodeResponse(&kafka.Response{Asked: now, Fetched: []kafka.Fetched{c.fetched}})
		if p.Decoded.Offset != c.decoded || d.batch.len() != c.rows {
			t.Errorf("%s: decoded up to %d with %d rows, not %d with %d", c.name, p.Decoded.Offset, d.batch.len(), c.decoded,
				c.rows)
		}
	}
	if told.next != 1 {
		t.Errorf("fetching goes on at %d, not behind what was decoded", told.next)
	}
}

// A position has the leader epoch of the last record batch below it, and keeps it when a response
// without records follows. The epoch is committed with the offset.
func TestDecodedPositionsKeepTheEpoch(t *testing.T) {
	now := time.Now()
	for _, want := range []int32{0, 4} {
		p := kafka.NewPartition(kafka.TopicPartition{Topic: "t", Partition: 0}, 5, -1)
		d, _ := newTestDecoder(t)
		records := batchtest.Batch{Base: 5, Records: []batchtest.Record{{Key: "k", Value: message("a", "ann", now)}}}.Wire()
		binary.BigEndian.PutUint32(records[12:], uint32(want)) // the checksum does not cover it
		for _, set := range []recordbatch.Set{fetchedSet(t, 5, records), fetchedSet(t, 6, nil)} {
			d.decodeResponse(&kafka.Response{Asked: now, Fetched: []kafka.Fetched{{Partition: p, Set: set, HighWatermark: 6}}})
			if p.Decoded.Epoch != want || d.batch.ends[p].Epoch != want {
				t.Errorf("decoded in epoch %d, to be committed in %d, not %d", p.Decoded.Epoch, d.batch.ends[p].Epoch, want)
			}
		}
		// behind a gap no record batch is known
		d.decodeResponse(&kafka.Response{Asked: now, Fetched: []kafka.Fetched{
			{Partition: p, Jumps: 1, Set: fetchedSet(t, 9, nil), HighWatermark: 9},
		}})
		if p.Decoded.Epoch != -1 || d.batch.ends[p].Epoch != -1 {
			t.Errorf("after a gap: decoded in epoch %d, to be committed in %d", p.Decoded.Epoch, d.batch.ends[p].Epoch)
		}
	}
}

// A record that was too large to be held is erased with the person it names, like any other reject.
func TestALargeRecordNamesWhomItSpeaksOf(t *testing.T) {
	d, _ := newTestDecoder(t)
	d.partition = kafka.NewPartition(kafka.TopicPartition{Topic: "t", Partition: 0}, 0, -1)
	err := d.decodeRecord(&schema.Record{
		Value: []byte(`{"data":{"org_id":"acme","user_id":"ada","channel":"chat","model":"xxxxxxxx`),
		Cut:   &schema.Cut{Size: 100 << 20},
	})
	if err != nil || d.batch.rejects.Len() != 1 {
		t.Fatalf("%d rejects, %v", d.batch.rejects.Len(), err)
	}
	rej := d.batch.rejects.Reject(0)
	if schema.Reason(rej.Reason) != schema.TooLarge || string(rej.Org) != "acme" || string(rej.User) != "ada" {
		t.Errorf("%+v", rej)
	}
}
