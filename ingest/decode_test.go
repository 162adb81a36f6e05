package ingest

import (
	"context"
	"encoding/binary"
	"hash/crc32"
	"testing"
	"time"

	"rollcall/schema"
)

// A record batch that breaks off in its middle, though its checksum is right, is asked for again and never stepped over. What could be read of it is stored each
// time, rather than piling up: it is the same rows.
func TestUnreadableBatchIsNeitherSkippedNorPiledUp(t *testing.T) {
	now := time.Now()
	broken := testBatch{base: 7, records: []testRecord{{"k", message("a", "ann", now)}, {"k", message("b", "ann", now)}}}.bytes()
	broken = broken[:len(broken)-3]
	binary.BigEndian.PutUint32(broken[8:], uint32(len(broken)-12))
	binary.BigEndian.PutUint32(broken[17:], crc32.Checksum(broken[21:], castagnoli))
	if _, next, err := checkSet(broken, 7); err != nil || next != 9 {
		t.Fatalf("the checksum does not cover for it: %d, %v", next, err)
	}

	s := benchSession(t)
	s.full, s.free = make(chan *batch, 1), make(chan *batch, 2)
	s.cfg.BatchRows = 3
	p := &partition{slot: slot{"t", 0}, decoded: position{offset: 7}, next: 9}
	s.assignment = newAssignment([]*partition{p})
	s.free <- newBatch()
	d := &decoder{session: s, reader: newReader(1 << 20), schema: schema.NewDecoder(), storing: context.Background(), batch: newBatch()}
	for turn := range 3 {
		p.next = 9 // the fetcher went past it
		d.take(&answer{sent: now, parts: []part{{of: p, from: 7, next: 9, records: broken, end: 9}}})
		if p.next != 7 || p.decoded.offset != 7 || !p.pause.After(now) {
			t.Fatalf("turn %d: it goes on at %d, after %s", turn, p.next, p.pause.Sub(now))
		}
	}
	select {
	case b := <-s.full:
		if b.len() != 3 || len(b.ends) != 0 {
			t.Errorf("%d rows and %d ends were handed over, not 3 and none", b.len(), len(b.ends))
		}
	default:
		t.Error("the full batch was not handed over")
	}
}

// A part that does not follow on what was decoded is dropped, and what is missing is fetched again; one after a jump is taken.
func TestPartsOutOfStep(t *testing.T) {
	now := time.Now()
	s := benchSession(t)
	p := &partition{slot: slot{"t", 0}, decoded: position{offset: 5}}
	s.assignment = newAssignment([]*partition{p})
	d := &decoder{session: s, reader: newReader(1 << 20), schema: schema.NewDecoder(), storing: context.Background(), batch: newBatch()}
	one := func(base int64) []byte {
		return set(testBatch{base: base, records: []testRecord{{"k", message("a", "ann", now)}}})
	}
	for _, c := range []struct {
		name    string
		part    part
		decoded int64
		rows    int
	}{
		{"later than what was decoded", part{of: p, from: 9, records: one(9)}, 5, 0},
		{"in step", part{of: p, from: 5, records: one(5)}, 6, 1},
		{"the same again", part{of: p, from: 5, records: one(5)}, 6, 1},
		{"after a gap", part{of: p, from: 0, jumps: 1, records: one(0)}, 1, 2},
		{"of the time before the gap", part{of: p, from: 1, records: one(1)}, 1, 2},
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
