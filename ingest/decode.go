package ingest

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"rollcall/ingest/rows"
	"rollcall/schema"
)

// What a decoder tells of positions to those who fetch.
type positions interface {
	Rewind(p *partition, to position)                       // what follows is fetched again
	Unread(p *partition, at position, end int64, err error) // likewise, after a pause: it could not be read
	IsRead(p *partition)                                    // all that was taken of an answer
}

// A decoder turns the brokers' answers into batches.
type decoder struct {
	cfg       Config
	clock     *engineClock
	progress  *progress
	erasures  *erasures
	positions positions
	answers   <-chan *answer
	full      chan<- *batch
	free      <-chan *batch
	taken     *atomic.Int64   // when the last answer was taken, Unix seconds
	storing   context.Context // while batches are taken over

	reader *reader
	schema *schema.Decoder
	event  schema.Event
	batch  *batch
	now    time.Time  // of the answer in hand
	judged time.Time  // the same on ClickHouse's clock: records are judged by it
	of     *partition // whose records are read
}

func (s *session) newDecoder(storing context.Context) *decoder {
	d := &decoder{
		cfg: s.cfg, clock: s.clock, progress: s.progress, erasures: s.erasures, positions: s.assignment,
		answers: s.answers, full: s.full, free: s.free, taken: &s.taken, storing: storing,
		reader: newReader(s.cfg.InflateBytes), schema: schema.NewDecoder(),
	}
	d.reader.stopped = storing.Done()
	return d
}

// run fills batches until fetching ends. It hands over each when it is full, or when it is BatchAge
// old and the one before it is stored.
func (d *decoder) run(fetching context.Context) {
	defer close(d.full)
	d.batch = <-d.free
	age := time.NewTimer(d.cfg.BatchAge)
	defer age.Stop()
	for {
		var ripe chan<- *batch // nil, so never ready, while the batch is young
		if d.batch.moved() && time.Since(d.batch.since) >= d.cfg.BatchAge {
			ripe = d.full
		}
		select {
		case <-fetching.Done():
			if d.batch.moved() {
				_ = d.handOver()
			}
			return
		case a := <-d.answers:
			d.take(a)
			a.release()
			if d.batch.moved() {
				age.Reset(time.Until(d.batch.since.Add(d.cfg.BatchAge)))
			}
		case <-age.C:
		case ripe <- d.batch:
			d.batch = <-d.free
		}
	}
}

// handOver waits until the batch is taken over for storing. It gives an error only if storing ends before.
func (d *decoder) handOver() error {
	select {
	case d.full <- d.batch:
		d.batch = <-d.free // the other one: it was stored before this one was taken
		return nil
	case <-d.storing.Done():
		return d.storing.Err()
	}
}

// take reads all parts of an answer.
func (d *decoder) take(a *answer) {
	d.now, d.judged = time.Now(), d.clock.now()
	d.taken.Store(d.now.Unix())
	for i := range a.parts {
		p := &a.parts[i]
		if p.jumps > p.of.decoded.jumps {
			p.of.decoded = position{p.set.from, p.jumps, -1}
			d.progress.jumped(p.of.slot, p.of.decoded)
			d.of = p.of
			_ = d.reached(p.set.from)
		}
		if !p.of.decoded.is(p.set.from, p.jumps) { // what comes before it could not be read, and is fetched again
			d.positions.Rewind(p.of, p.of.decoded)
			continue
		}
		d.progress.ends(p.of.slot, a.sent, p.end, p.under)
		if p.set.epoch >= 0 {
			p.of.decoded.epoch = p.set.epoch
		}
		d.of = p.of
		err := d.reader.read(&p.set, d.see, d.reached)
		switch {
		case err != nil && d.storing.Err() == nil:
			d.unread(p, err)
		case len(p.set.batches) > 0:
			d.positions.IsRead(p.of)
		}
	}
}

// unread has a partition fetched again from the first record that could not be read. Those before it in its record batch are in the batch, and are passed over
// when it comes again.
func (d *decoder) unread(p *part, err error) {
	if p.of.decoded.offset > p.set.from {
		_ = d.reached(p.of.decoded.offset)
	}
	d.positions.Unread(p.of, p.of.decoded, p.end, err)
}

// reached notes that all records of the partition below an offset are in the batch, and hands it over if it is full.
func (d *decoder) reached(next int64) error {
	d.of.decoded.offset = next
	d.batch.begin(d.now, d.erasures.list())
	d.batch.ends[d.of] = d.of.decoded
	if d.batch.full(&d.cfg) {
		return d.handOver()
	}
	return nil
}

// see is told of each record: it becomes a row of the log, of the entities or of the rejects, or, if it is an erased person's, nothing but a tombstone. A batch
// that is full is handed over at once, with the offset after the record: how much a record batch holds is the producer's choice, and must not be memory's.
func (d *decoder) see(rec *schema.Record) error {
	d.batch.begin(d.now, d.erasures.list())
	d.batch.bytes += rows.RecordBytes(rec)
	rejection := d.verdict(rec)
	switch {
	case rejection != nil && d.batch.list.hasReject(rec, rejection):
		d.batch.erasedRejects++
	case rejection != nil:
		d.batch.bytes += len(rejection.Detail) + len(rejection.Org) + len(rejection.User)
		d.batch.rejects.Add(rec, rejection, d.judged)
	case d.batch.list.has(&d.event):
		d.batch.bury(&d.event)
	default:
		d.batch.list.redact(&d.event)
		d.batch.add(&d.event)
	}
	d.of.decoded.offset = rec.Offset + 1
	if d.batch.full(&d.cfg) {
		return d.reached(rec.Offset + 1)
	}
	return nil
}

func (d *decoder) verdict(rec *schema.Record) *schema.Rejection {
	if rec.Cut != nil {
		return d.schema.About(rec, rejectLarge(rec.Cut))
	}
	return d.schema.Decode(rec, d.judged, &d.event)
}

// rejectLarge is the verdict on a record whose value was too large to be held.
func rejectLarge(cut *schema.Cut) *schema.Rejection {
	return &schema.Rejection{
		Reason: schema.TooLarge,
		Detail: fmt.Sprintf("the value is %d bytes long; send at most %d", cut.Size, schema.MaxValueBytes),
	}
}
