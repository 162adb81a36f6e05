package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"rollcall/ingest/kafka"
)

// These errors end a pipeline without being a failure.
var (
	errTopics     = errors.New("the topics or their partitions changed")
	errGeneration = errors.New("the group has a new generation")
)

// lookAheadEvery is how old the shown lag may be while the decoder waits for ClickHouse.
const lookAheadEvery = 5 * time.Second

// A pipeline is the work on one assignment, for one generation of the group:
//
//	fetcher (per broker) ──responses──► decode ──full──► store
//	       ▲───────────Release───────────┘ ▲──────free───┘
//
// Everything in it is bounded: two responses per broker, two batches. If ClickHouse is slow, no
// batch is free, so the decoder waits, and then the fetchers wait.
type pipeline struct {
	cfg        Config
	log        *slog.Logger
	waits      *waits
	metrics    *metrics
	report     kafka.Report
	cluster    *kafka.Cluster
	committer  kafka.Committer
	known      *kafka.Layout // the topics when the group was joined
	assignment *kafka.Assignment
	clock      *engineClock
	progress   *progress
	erasures   *erasures
	storer     *storer
	publisher  *publisher

	tellMissing func(*kafka.Layout) // tells which topics Kafka does not have

	responses  chan *kafka.Response
	full, free chan *batch
	stop       context.CancelCauseFunc // ends the fetching, then the rest
	received   atomic.Int64            // when the decoder last received a response, Unix seconds
	looked     time.Time               // when lookAhead last asked; only lead uses it
	fetchers   sync.WaitGroup
	running    map[int32]chan struct{} // closed when a broker's fetcher ends; only lead uses it
}

// run works until one of these happens: ctx ends, the topics change (errTopics), the group moves on
// (errGeneration), or a batch needs a setting that ingest lacks. In the first two cases the batch
// in hand is still stored and committed, if that takes no longer than StopTimeout.
func (pl *pipeline) run(ctx context.Context) error {
	fetching, stop := context.WithCancelCause(ctx)
	storing, abandon := context.WithCancel(context.WithoutCancel(ctx))
	pl.stop = stop
	pl.received.Store(time.Now().Unix())
	defer abandon()
	context.AfterFunc(fetching, func() { time.AfterFunc(pl.cfg.StopTimeout, abandon) })

	var parts sync.WaitGroup
	parts.Go(func() { pl.lead(fetching) })
	parts.Go(func() { pl.newDecoder(storing).run(fetching) })
	err := pl.storeAll(storing)
	if storing.Err() != nil {
		err = nil // the records of the batch in hand are delivered again
	}
	stop(err)
	if err != nil {
		abandon() // the next batch must not be stored after one that was not
	}
	parts.Wait()
	pl.fetchers.Wait()
	switch {
	case err != nil:
		return err
	case ctx.Err() != nil:
		return nil
	}
	return context.Cause(fetching)
}

// storeAll stores batches one after the other until there are no more. Between them it publishes
// the watermark. It returns an error if a batch could not be stored.
func (pl *pipeline) storeAll(ctx context.Context) error {
	tick := time.NewTicker(pl.cfg.ProgressEvery)
	defer tick.Stop()
	for {
		select {
		case b, more := <-pl.full:
			if !more {
				pl.publisher.publish(ctx)
				return nil
			}
			if err := pl.storer.store(ctx, b, pl.commit); err != nil {
				return fmt.Errorf("batch %d: %w", b.number, err)
			}
			pl.progress.stored(b.ends)
			pl.free <- b.reuse(pl.cfg.BatchBytes)
		case <-tick.C:
			pl.storer.refreshErasures(ctx)
			pl.publisher.publish(ctx)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// lead keeps a fetcher running for each broker that leads a partition. It ends the pipeline when
// the topics change.
func (pl *pipeline) lead(ctx context.Context) {
	pl.running = map[int32]chan struct{}{}
	for tick := time.NewTicker(kafka.LayoutEvery); ; {
		switch l, err := pl.cluster.Layout(ctx); {
		case ctx.Err() != nil:
			tick.Stop()
			return
		case err != nil:
			pl.metrics.retries.WithLabelValues(string(stepFetch)).Inc()
			pl.waits.layout.Failed(kafka.Reason(err), err)
		case pl.changed(l):
			pl.stop(errTopics)
		default:
			pl.waits.layout.Passed()
			pl.tellMissing(l)
			pl.progress.covers(l)
			for _, broker := range pl.assignment.Lead(l) {
				pl.ensure(ctx, broker)
			}
			pl.lookAhead(ctx)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// ensure starts a fetcher for the broker, unless one is running.
func (pl *pipeline) ensure(ctx context.Context, broker int32) {
	if end, started := pl.running[broker]; started {
		select {
		case <-end:
		default:
			return
		}
	}
	end := make(chan struct{})
	pl.running[broker] = end
	pl.fetchers.Go(func() {
		defer close(end)
		f := &kafka.Fetcher{
			Cluster: pl.cluster, Assignment: pl.assignment, Broker: broker,
			Wait: pl.cfg.FetchWait, Bytes: pl.cfg.FetchBytes,
			Clock: pl.clock.now, Responses: pl.responses, TopicsChanged: func() { pl.stop(errTopics) }, Report: pl.report,
		}
		f.Run(ctx)
	})
}

// lookAhead asks for the ends of the logs while the decoder waits. No response tells the ends then,
// but operators must see the lag grow.
func (pl *pipeline) lookAhead(ctx context.Context) {
	if time.Since(time.Unix(pl.received.Load(), 0)) < lookAheadEvery || time.Since(pl.looked) < lookAheadEvery {
		return
	}
	for _, p := range pl.assignment.Partitions() {
		if _, end, err := pl.cluster.Bounds(ctx, p.TopicPartition); err == nil {
			pl.progress.sees(p.TopicPartition, end)
		}
	}
	pl.looked = time.Now()
}
