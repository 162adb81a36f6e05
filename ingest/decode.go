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

// positions is how a decoder sends partitions back to the fetchers.
type positions interface {
	// Rewind has records from `to` on fetched again.
	Rewind(p *kafka.Partition, to kafka.Position)
	// Unread does the same after a pause, since the records from `at` on could not be read.
	Unread(p *kafka.Partition, at kafka.Position, end int64, err error)
	// IsRead says that all of the partition's records in a response were read.
	IsRead(p *kafka.Partition)
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
	storing   context.Context // ends when batches are no longer stored

	reader    *recordbatch.Reader
	schema    *schema.Decoder
	event     schema.Event
	batch     *batch
	now       time.Time        // when the response in hand was received
	engineNow time.Time        // the same on ClickHouse's clock; records are judged by it
	partition *kafka.Partition // the one that is being read
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

// run fills batches until fetching ends. It hands a batch over when it is full. A batch that is not
// full is handed over when it is BatchAge old and the batch before it is stored.
func (d *decoder) run(fetching context.Context) {
	defer close(d.full)
	d.batch = <-d.free
	age := time.NewTimer(d.cfg.BatchAge)
	defer age.Stop()
	for {
		var ripe chan<- *batch // nil, and so never ready, until the batch is BatchAge old
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

// handOver waits until the batch is accepted for storing. It returns an error only if storing ends
// first.
func (d *decoder) handOver() error {
	select {
	case d.full <- d.batch:
		d.batch = <-d.free // the other batch: it was stored before this one was accepted
		return nil
	case <-d.storing.Done():
		return d.storing.Err()
	}
}

// decodeResponse decodes the records of each partition in a response.
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
			// Records before this set could not be read, and are fetched again.
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

// unread has a partition fetched again, from the first record that could not be read. The records
// before it in its record batch are already in the batch, and are passed over when the record batch
// comes again.
func (d *decoder) unread(fetched *kafka.Fetched, err error) {
	if fetched.Partition.Decoded.Offset > fetched.Set.From {
		_ = d.reached(fetched.Partition.Decoded.Offset)
	}
	d.positions.Unread(fetched.Partition, fetched.Partition.Decoded, fetched.HighWatermark, err)
}

// reached notes that all records of the partition below an offset are in the batch. It hands the
// batch over if it is full.
func (d *decoder) reached(next int64) error {
	d.partition.Decoded.Offset = next
	d.batch.begin(d.now, d.erasures.list())
	d.batch.ends[d.partition] = d.partition.Decoded
	if d.batch.full(&d.cfg) {
		return d.handOver()
	}
	return nil
}

// decodeRecord turns each record into a row: of the log, of the entities or of the rejects. An
// erased person's event becomes a tombstone; an erased person's refused record is only counted.
//
// A full batch is handed over at once, with the offset after the record. The producer chooses how
// many records a record batch holds, and that number must not decide how much memory is used.
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
