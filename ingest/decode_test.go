package ingest

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"testing"
	"time"

	"rollcall/schema"
)

// A record batch that breaks off in its middle, though its checksum is right, is asked for again and never stepped over. What could be read of it is stored once,
// and its last whole record is as far as the position goes.
func TestUnreadableBatchIsNeitherSkippedNorPiledUp(t *testing.T) {
	now := time.Now()
	broken := testBatch{base: 7, records: []testRecord{{"k", message("a", "ann", now)}, {"k", message("b", "ann", now)}}}.bytes()
	broken = broken[:len(broken)-3]
	binary.BigEndian.PutUint32(broken[8:], uint32(len(broken)-12))
	binary.BigEndian.PutUint32(broken[17:], crc32.Checksum(broken[21:], castagnoli))
	if s := cutWhole(t, 7, broken); s.next != 9 {
		t.Fatalf("the checksum does not cover for it: %d", s.next)
	}

	p := &partition{slot: slot{"t", 0}, decoded: position{offset: 7}, next: 9}
	d, _ := newTestDecoder(t, p)
	for turn, from := range []int64{7, 8, 8} {
		p.next = 9 // the fetcher went past it
		d.take(&answer{sent: now, parts: []part{{of: p, set: cutWhole(t, from, broken), end: 9}}})
		if p.next != 8 || p.decoded.offset != 8 || !p.pause.After(now) {
			t.Fatalf("turn %d: it goes on at %d, after %s", turn, p.next, p.pause.Sub(now))
		}
		if d.batch.len() != 1 || d.batch.ends[p].offset != 8 {
			t.Fatalf("turn %d: %d rows up to %d, not 1 up to 8", turn, d.batch.len(), d.batch.ends[p].offset)
		}
	}
	if n := d.batch.stored[schema.Message]; n != 1 {
		t.Errorf("the record before the broken one counts %d times", n)
	}

	d.batch.reset()
	d.take(&answer{sent: now, parts: []part{{of: p, set: cutWhole(t, 8, broken), end: 9}}})
	if d.batch.moved() {
		t.Error("a batch that brings nothing is stored and committed")
	}
}

// A decoder on a session that stores nothing, and what it hands over.
func newTestDecoder(t testing.TB, p *partition) (d *decoder, full <-chan *batch) {
	s := benchSession(t)
	s.full, s.free = make(chan *batch, 16), make(chan *batch, 16)
	for range cap(s.free) {
		s.free <- newBatch()
	}
	s.assignment = newAssignment([]*partition{p}, newLayout(time.Time{}), nil, s.report)
	d = s.newDecoder(context.Background())
	d.reader, d.batch = newReader(1<<20), newBatch()
	return d, s.full
}

// A record batch fills many batches. Each says how far it brings the partition, and whoever goes on from there gets the rest, once.
func TestHandedOverWithinARecordBatch(t *testing.T) {
	now := time.Now()
	var ten []testRecord
	for i := range 10 {
		ten = append(ten, testRecord{"k", message(fmt.Sprint(i), "ann", now)})
	}
	for c := codecNone; c <= codecZstd; c++ {
		records := testBatch{base: 100, codec: c, records: ten, holes: 5}.bytes()
		for _, inflate := range []int{1 << 20, 100} { // held, and as a stream
			for _, from := range []int64{100, 103, 109} {
				p := &partition{slot: slot{"t", 0}, decoded: position{offset: from}}
				d, full := newTestDecoder(t, p)
				d.reader, d.cfg.BatchRows = newReader(inflate), 3
				d.take(&answer{sent: now, parts: []part{{of: p, set: cutWhole(t, from, records), end: 115}}})
				var rows int64
				for len(full) > 0 {
					b := <-full
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
		"empty headers":   {schema.Record{Headers: make([]schema.Header, maxHeaders)}, true},
		"next to nothing": {schema.Record{Value: []byte("x")}, false},
	} {
		p := &partition{slot: slot{"t", 0}}
		d, handedOver := newTestDecoder(t, p)
		d.of, d.cfg.BatchBytes = p, 1<<20
		for n := range int64(2) {
			c.rec.Offset = n
			if err := d.see(&c.rec); err != nil {
				t.Fatal(err)
			}
		}
		if full := len(handedOver) == 1; full != c.full {
			t.Errorf("%s: two of them, and the batch is full: %v", name, full)
		}
	}
}

// A part that does not follow on what was decoded is dropped, and what is missing is fetched again; one after a jump is taken.
func TestPartsOutOfStep(t *testing.T) {
	now := time.Now()
	p := &partition{slot: slot{"t", 0}, decoded: position{offset: 5}}
	d, _ := newTestDecoder(t, p)
	one := func(base int64) recordSet {
		return cutWhole(t, base, testBatch{base: base, records: []testRecord{{"k", message("a", "ann", now)}}}.bytes())
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
		if c.part.jumps > 0 {
			p.jumps = c.part.jumps
		}
		d.take(&answer{sent: now, parts: []part{c.part}})
		if p.decoded.offset != c.decoded || d.batch.len() != c.rows {
			t.Errorf("%s: decoded up to %d with %d rows, not %d with %d", c.name, p.decoded.offset, d.batch.len(), c.decoded, c.rows)
		}
	}
	if p.next != 1 {
		t.Errorf("fetching goes on at %d, not behind what was decoded", p.next)
	}
}

// A position has the leader epoch of the last record batch below it, also when an answer without
// records follows: a new leader is asked about that epoch, and it is committed with the offset.
func TestPositionsKeepTheEpoch(t *testing.T) {
	now := time.Now()
	for _, want := range []int32{0, 4} {
		p := &partition{slot: slot{"t", 0}, decoded: position{offset: 5, epoch: -1}, next: 5, epoch: -1}
		d, _ := newTestDecoder(t, p)
		wire := testBatch{base: 5, records: []testRecord{{"k", message("a", "ann", now)}}}.bytes()
		binary.BigEndian.PutUint32(wire[12:], uint32(want)) // the checksum does not cover it
		one := cutWhole(t, 5, wire)
		if one.next != 6 || one.epoch != want {
			t.Fatalf("a record batch of epoch %d is of epoch %d, up to %d", want, one.epoch, one.next)
		}
		for _, fetched := range []part{{of: p, set: one, end: 6}, {of: p, set: cutWhole(t, 6, nil), end: 6}} {
			if !d.assignment.advance(&fetched) {
				t.Fatalf("the part from %d is not in step", fetched.set.from)
			}
			d.take(&answer{sent: now, parts: []part{fetched}})
			if p.epoch != want || p.decoded.epoch != want || d.batch.ends[p].epoch != want {
				t.Errorf("fetched in epoch %d, decoded in %d, to be committed in %d, not %d",
					p.epoch, p.decoded.epoch, d.batch.ends[p].epoch, want)
			}
		}
		p.next, p.epoch = 9, want+1
		d.assignment.rewind(p, p.decoded)
		if p.next != 6 || p.epoch != want {
			t.Errorf("fetching goes back to %d in epoch %d, not to 6 in %d", p.next, p.epoch, want)
		}
		if !d.assignment.jump(p, 6, 2) || p.epoch != -1 {
			t.Errorf("after a jump the epoch is %d, not unknown", p.epoch)
		}
	}
}
