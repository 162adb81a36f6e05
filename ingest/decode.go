package ingest

import (
	"context"
	"sync/atomic"
	"time"

	"rollcall/ingest/kafka"
	"rollcall/ingest/kafka/recordbatch"
	"rollcall/ingest/rows"
	"rollcall/schema"
)

// What a decoder tells of positions to those who fetch.
type positions interface {
	Rewind(p *kafka.Partition, to kafka.Position)                       // what follows is fetched again
	Unread(p *kafka.Partition, at kafka.Position, end int64, err error) // likewise, after a pause: it could not be read
	IsRead(p *kafka.Partition)                                          // all that was taken of a response
}

// A decoder turns the brokers' responses into batches.
type decoder struct {
	cfg       Config
	clock     *engineClock
	progress  *progress
	erasures  *erasures
	positions positions
	responses <-chan *kafka.Response
	full      chan<- *batch
	free      <-chan *batch
	received  *atomic.Int64   // when the last response was received, Unix seconds
	storing   context.Context // while batches are taken over

	reader    *recordbatch.Reader
	schema    *schema.Decoder
	event     schema.Event
	batch     *batch
	now       time.Time        // of the response in hand
	engineNow time.Time        // the same on ClickHouse's clock: records are judged by it
	partition *kafka.Partition // whose records are read
}

func (pl *pipeline) newDecoder(storing context.Context) *decoder {
	d := &decoder{
		cfg: pl.cfg, clock: pl.clock, progress: pl.progress, erasures: pl.erasures, positions: pl.assignment,
		responses: pl.responses, full: pl.full, free: pl.free, received: &pl.received, storing: storing,
		reader: recordbatch.NewReader(pl.cfg.InflateBytes), schema: schema.NewDecoder(),
	}
	d.reader.Stopped = storing.Done()
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
		case response := <-d.responses:
			d.decodeResponse(response)
			response.Release()
			if d.batch.moved() {
				age.Reset(time.Until(d.batch.since.Add(d.cfg.BatchAge)))
			}
		case <-age.C:
		case ripe <- d.batch:
			d.batch = <-d.free
		}
	}
}

// handOver waits until the batch is taken over for storing. It gives an error only if storing ends
// before.
func (d *decoder) handOver() error {
	select {
	case d.full <- d.batch:
		d.batch = <-d.free // the other one: it was stored before this one was taken
		return nil
	case <-d.storing.Done():
		return d.storing.Err()
	}
}

// decodeResponse reads all parts of a response.
func (d *decoder) decodeResponse(response *kafka.Response) {
	d.now = time.Now()
	d.engineNow = d.clock.now()
	d.received.Store(d.now.Unix())
	for i := range response.Fetched {
		fetched := &response.Fetched[i]
		if fetched.Jumps > fetched.Partition.Decoded.Jumps {
			fetched.Partition.Decoded = kafka.Position{Offset: fetched.Set.From, Jumps: fetched.Jumps, Epoch: -1}
			d.progress.jumped(fetched.Partition.TopicPartition, fetched.Partition.Decoded)
			d.partition = fetched.Partition
			_ = d.reached(fetched.Set.From)
		}
		if !fetched.Partition.Decoded.Is(fetched.Set.From, fetched.Jumps) {
			// What comes before it could not be read, and is fetched again.
			d.positions.Rewind(fetched.Partition, fetched.Partition.Decoded)
			continue
		}
		d.progress.ends(fetched.Partition.TopicPartition, response.Asked, fetched.HighWatermark, fetched.LeaderEpoch)
		if fetched.Set.Epoch >= 0 {
			fetched.Partition.Decoded.Epoch = fetched.Set.Epoch
		}
		d.partition = fetched.Partition
		err := d.reader.Read(&fetched.Set, d.decodeRecord, d.reached)
		switch {
		case err != nil && d.storing.Err() == nil:
			d.unread(fetched, err)
		case len(fetched.Set.Batches) > 0:
			d.positions.IsRead(fetched.Partition)
		}
	}
}

// unread has a partition fetched again from the first record that could not be read. Those before
// it in its record batch are in the batch, and are passed over when it comes again.
func (d *decoder) unread(fetched *kafka.Fetched, err error) {
	if fetched.Partition.Decoded.Offset > fetched.Set.From {
		_ = d.reached(fetched.Partition.Decoded.Offset)
	}
	d.positions.Unread(fetched.Partition, fetched.Partition.Decoded, fetched.HighWatermark, err)
}

// reached notes that all records of the partition below an offset are in the batch, and hands it
// over if it is full.
func (d *decoder) reached(next int64) error {
	d.partition.Decoded.Offset = next
	d.batch.begin(d.now, d.erasures.list())
	d.batch.ends[d.partition] = d.partition.Decoded
	if d.batch.full(&d.cfg) {
		return d.handOver()
	}
	return nil
}

// decodeRecord is told of each record: it becomes a row of the log, of the entities or of the
// rejects, or, if it is an erased person's, nothing but a tombstone. A batch that is full is handed
// over at once, with the offset after the record: how much a record batch holds is the producer's
// choice, and must not be memory's.
func (d *decoder) decodeRecord(rec *schema.Record) error {
	d.batch.begin(d.now, d.erasures.list())
	d.batch.bytes += rows.RecordBytes(rec)
	rejection := d.schema.Decode(rec, d.engineNow, &d.event)
	switch {
	case rejection != nil && d.batch.list.hasReject(rec, rejection):
		d.batch.erasedRejects++
	case rejection != nil:
		d.batch.bytes += len(rejection.Detail) + len(rejection.Org) + len(rejection.User)
		d.batch.rejects.Add(rec, rejection, d.engineNow)
	case d.batch.list.has(&d.event):
		d.batch.bury(&d.event)
	default:
		d.batch.list.redact(&d.event)
		d.batch.add(&d.event)
	}
	d.partition.Decoded.Offset = rec.Offset + 1
	if d.batch.full(&d.cfg) {
		return d.reached(rec.Offset + 1)
	}
	return nil
}
