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

// What ends a session without being a failure.
var (
	errTopics     = errors.New("the topics or their partitions changed")
	errGeneration = errors.New("the group has a new generation")
)

// lookAheadEvery is how old the lag may be while ClickHouse is away.
const lookAheadEvery = 5 * time.Second

// A session is the work on one assignment, for one generation of the group:
//
//	fetcher (per broker) ──responses──► decode ──full──► store
//	       ▲───────────Release───────────┘ ▲──────free───┘
//
// Nothing in it is unbounded: two responses per broker, two batches. If ClickHouse is slow, no
// batch is free, the decoder waits, the fetchers wait.
type session struct {
	cfg        Config
	log        *slog.Logger
	metrics    *metrics
	report     kafka.Report
	cluster    *kafka.Cluster
	committer  kafka.Committer
	known      *kafka.Layout // what there was when the group was joined
	assignment *kafka.Assignment
	clock      *engineClock
	progress   *progress
	erasures   *erasures
	storer     *storer
	publisher  *publisher

	responses  chan *kafka.Response
	full, free chan *batch
	stop       context.CancelCauseFunc // ends the fetching, then all
	taken      atomic.Int64            // when the decoder last took a response, Unix seconds
	looked     time.Time               // when lookAhead last asked; lead's own
	fetchers   sync.WaitGroup
	running    map[int32]chan struct{} // a fetcher's end, by broker; lead's own
}

// run works until ctx ends, the topics change (errTopics) or the group moves on (errGeneration), or
// a batch cannot be stored at all. Then the batch in hand still is stored and committed, if that
// takes no longer than StopTimeout.
func (s *session) run(ctx context.Context) error {
	fetching, stop := context.WithCancelCause(ctx)
	storing, abandon := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	s.taken.Store(time.Now().Unix())
	defer abandon()
	context.AfterFunc(fetching, func() { time.AfterFunc(s.cfg.StopTimeout, abandon) })

	var parts sync.WaitGroup
	parts.Go(func() { s.lead(fetching) })
	parts.Go(func() { s.newDecoder(storing).run(fetching) })
	err := s.storeAll(storing)
	if storing.Err() != nil {
		err = nil // the batch in hand is left to redelivery
	}
	stop(err)
	if err != nil {
		abandon() // the next batch must not be stored after one that was not
	}
	parts.Wait()
	s.fetchers.Wait()
	switch {
	case err != nil:
		return err
	case ctx.Err() != nil:
		return nil
	}
	return context.Cause(fetching)
}

// storeAll stores batches until there are no more, one after the other; between them it publishes
// the watermark. It gives an error if a batch could not be stored.
func (s *session) storeAll(ctx context.Context) error {
	tick := time.NewTicker(s.cfg.ProgressEvery)
	defer tick.Stop()
	for {
		select {
		case b, more := <-s.full:
			if !more {
				s.publisher.publish(ctx)
				return nil
			}
			if err := s.storer.store(ctx, b, s.commit); err != nil {
				return fmt.Errorf("batch %d: %w", b.number, err)
			}
			s.progress.stored(b.ends)
			s.free <- b.again(s.cfg.BatchBytes)
		case <-tick.C:
			s.storer.refreshErasures(ctx)
			s.publisher.publish(ctx)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// lead keeps a fetcher running for each broker that leads a partition, and ends the session when
// the topics change.
func (s *session) lead(ctx context.Context) {
	s.running = map[int32]chan struct{}{}
	for tick := time.NewTicker(kafka.LayoutEvery); ; {
		switch l, err := s.cluster.Layout(ctx); {
		case ctx.Err() != nil:
			tick.Stop()
			return
		case err != nil:
			s.metrics.retries.WithLabelValues(string(stepFetch)).Inc()
			s.log.Warn("the brokers do not say who leads what; asking again", "error", err)
		case s.changed(l):
			s.stop(errTopics)
		default:
			s.progress.covers(l)
			for _, broker := range s.assignment.Lead(l) {
				s.ensure(ctx, broker)
			}
			s.lookAhead(ctx)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// ensure starts a fetcher for the broker unless one is running.
func (s *session) ensure(ctx context.Context, broker int32) {
	if end, started := s.running[broker]; started {
		select {
		case <-end:
		default:
			return
		}
	}
	end := make(chan struct{})
	s.running[broker] = end
	s.fetchers.Go(func() {
		defer close(end)
		f := &kafka.Fetcher{
			Cluster: s.cluster, Assignment: s.assignment, Broker: broker,
			Wait: s.cfg.FetchWait, Bytes: s.cfg.FetchBytes,
			Clock: s.clock.now, Responses: s.responses, TopicsChanged: func() { s.stop(errTopics) }, Report: s.report,
		}
		f.Run(ctx)
	})
}

// lookAhead asks for the ends of the logs while the decoder is held up, since no response tells
// them then: the lag must be seen to grow.
func (s *session) lookAhead(ctx context.Context) {
	if time.Since(time.Unix(s.taken.Load(), 0)) < lookAheadEvery || time.Since(s.looked) < lookAheadEvery {
		return
	}
	for _, p := range s.assignment.Partitions() {
		if _, end, err := s.cluster.Bounds(ctx, p.TopicPartition); err == nil {
			s.progress.sees(p.TopicPartition, end)
		}
	}
	s.looked = time.Now()
}
