package ingest

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"rollcall/schema"
)

// A decoder turns the brokers' answers into batches.
type decoder struct {
	*session
	reader  *reader
	schema  *schema.Decoder
	event   schema.Event
	batch   *batch
	now     time.Time // of the answer in hand
	storing context.Context
}

// decode fills batches until fetching ends, and hands over each when it is full, or when it is BatchAge old and the one before it is stored.
func (s *session) decode(fetching, storing context.Context) {
	defer close(s.full)
	d := &decoder{session: s, reader: newReader(s.cfg.InflateBytes), schema: schema.NewDecoder(), storing: storing}
	d.batch = <-s.free
	age := time.NewTimer(s.cfg.BatchAge)
	defer age.Stop()
	for {
		var ripe chan<- *batch // nil, so never ready, while the batch is young
		if d.batch.moved() && time.Since(d.batch.since) >= s.cfg.BatchAge {
			ripe = s.full
		}
		select {
		case <-fetching.Done():
			if d.batch.moved() {
				_ = d.handOver()
			}
			return
		case a := <-s.answers:
			d.take(a)
			a.home <- a
			if d.batch.moved() {
				age.Reset(time.Until(d.batch.since.Add(s.cfg.BatchAge)))
			}
		case <-age.C:
		case ripe <- d.batch:
			d.batch = <-s.free
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
	d.now = time.Now()
	d.taken.Store(d.now.Unix())
	for i := range a.parts {
		p := &a.parts[i]
		if p.jumps > p.of.decoded.jumps {
			p.of.decoded = position{p.from, p.jumps}
			d.progress.jumped(p.of.slot, p.of.decoded)
			_ = d.reached(p.of)
		}
		if p.of.decoded != (position{p.from, p.jumps}) { // what comes before it could not be read, and is fetched again
			d.assignment.rewind(p.of, p.of.decoded)
			continue
		}
		d.progress.ends(p.of.slot, a.sent, p.end)
		err := d.reader.read(p, d.see, func(next int64) error {
			p.of.decoded.offset = next
			return d.reached(p.of)
		})
		switch {
		case err != nil && d.storing.Err() == nil:
			d.unread(p, err)
		case len(p.records) > 0:
			d.assignment.fine(p.of)
		}
	}
}

// unread has a partition fetched again from the batch that could not be read.
func (d *decoder) unread(p *part, err error) {
	if d.batch.full(&d.cfg) { // of rows that come again each time
		_ = d.handOver()
	}
	d.assignment.rewind(p.of, p.of.decoded)
	d.assignment.hold(p.of)
	d.metrics.retries.WithLabelValues(string(stepFetch)).Inc()
	level := slog.LevelWarn
	if errors.Is(err, errCorrupt) {
		level = slog.LevelError
	}
	d.log.Log(context.Background(), level, "record batch not read; fetching it again", "partition", p.of.slot, "offset", p.of.decoded.offset, "error", err)
}

// reached notes that all records below what was decoded are in the batch, and hands it over if it is full.
func (d *decoder) reached(p *partition) error {
	d.batch.begin(d.now, d.erasures.list())
	d.batch.ends[p] = p.decoded
	if d.batch.full(&d.cfg) {
		return d.handOver()
	}
	return nil
}

// see is told of each record: it becomes a row of the log, of the entities or of the rejects, or, if it is an erased person's, nothing but a tombstone.
func (d *decoder) see(rec *schema.Record, large *largeValue) error {
	d.batch.begin(d.now, d.erasures.list())
	d.batch.bytes += rowBytes + len(rec.Key) + len(rec.Value)
	rejection := d.verdict(rec, large)
	switch {
	case rejection != nil && d.batch.list.hasReject(rec, rejection):
		d.batch.erasedRejects++
	case rejection != nil:
		d.batch.rejects.add(rec, rejection, large, d.now)
	case d.batch.list.has(&d.event):
		d.batch.bury(&d.event)
	default:
		d.batch.list.redact(&d.event)
		d.batch.add(&d.event)
	}
	return nil
}

func (d *decoder) verdict(rec *schema.Record, large *largeValue) *schema.Rejection {
	if large != nil {
		return d.schema.About(rec, rejectLarge(large))
	}
	return d.schema.Decode(rec, d.now, &d.event)
}
