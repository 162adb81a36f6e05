package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"rollcall/ingest/backoff"
	"rollcall/ingest/kafka"
	"rollcall/schema/tables"
)

// An Ingest carries events from Kafka to the log. The package comment says what it promises.
type Ingest struct {
	cfg      Config
	log      *slog.Logger
	metrics  *metrics
	passOver map[kafka.TopicPartition][]int64
	cluster  *kafka.Cluster
	engine   *engine
	clock    *engineClock
	progress *progress
	erasures *erasures

	waits     *waits
	storer    *storer
	publisher *publisher
	assigned  atomic.Bool
}

// New checks the settings and makes an Ingest. It connects to nothing yet.
func New(cfg Config, ch tables.Options, log *slog.Logger, reg prometheus.Registerer) (*Ingest, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	passOver, err := parsePassOver(cfg.PassOver)
	if err != nil {
		return nil, err
	}
	ch.Failures = tables.NewFailures(reg, "ingest")
	conn, err := tables.Open(ch)
	if err != nil {
		return nil, err
	}
	m := newMetrics(reg)
	clock := &engineClock{}
	progress := newProgress(m)
	erasures := newErasures(cfg.Secret)
	waits := newWaits(log)
	engine := &engine{
		conn: conn, options: ch, insertTimeout: cfg.InsertTimeout,
		log: log, waits: waits, metrics: m, tracer: cfg.Traces.Tracer("rollcall/ingest"),
	}
	return &Ingest{
		cfg: cfg, log: log, metrics: m, passOver: passOver,
		cluster: kafka.NewCluster(cfg.clusterConfig(clock.now)), engine: engine,
		clock: clock, progress: progress, erasures: erasures,
		waits:  waits,
		storer: newStorer(engine, erasures, cfg.ErasuresEvery),
		publisher: &publisher{
			conn: conn, progress: progress, clock: clock, topics: cfg.Topics, metrics: m, waits: waits,
			began: time.Now(),
		},
	}, nil
}

// Run reads, stores and commits until ctx ends. Then it stores and commits the batch in hand,
// leaves the group and returns nil, within 15 s.
//
// Run waits for everything that may recover and for everything that an operator may mend, also for
// a batch that ClickHouse refuses. It returns an error only for what needs another binary or other
// settings: another schema, a missing secret. It may be called once.
func (i *Ingest) Run(ctx context.Context) error {
	defer i.engine.conn.Close()
	defer i.cluster.Close()
	defer i.assigned.Store(false)
	if err := i.prepare(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("ingest: %w", err)
	}
	for ctx.Err() == nil {
		known, err := i.waitForTopics(ctx)
		if err == nil {
			err = i.join(ctx, known)
		}
		if err != nil && !errors.Is(err, errTopics) && ctx.Err() == nil {
			return fmt.Errorf("ingest: %w", err)
		}
		// a broker that has just started may contradict itself
		_ = backoff.Sleep(ctx, kafka.LayoutEvery/4)
	}
	return nil
}

// ErrNoAssignment says that this member of the group waits for its partitions.
var ErrNoAssignment = errors.New("ingest has no assignment yet: it waits for the brokers, the topics " +
	"or the other members of its group")

// Ready returns nil if this member has its assignment and can store: ClickHouse answers, and does
// not refuse the batch in hand. The assignment may be empty, if there are more members than
// partitions.
func (i *Ingest) Ready(ctx context.Context) error {
	if err := i.engine.stores(ctx); err != nil {
		return err
	}
	if !i.assigned.Load() {
		return ErrNoAssignment
	}
	return nil
}

// prepare waits for ClickHouse, compares its schema with this binary's, and reads what earlier
// starts left: the progress and the erasures.
func (i *Ingest) prepare(ctx context.Context) error {
	conn := i.engine.conn
	return i.engine.again(ctx, stepLog, func(ctx context.Context) error {
		if err := tables.Check(ctx, conn); err != nil {
			return err
		}
		if err := i.clock.measure(ctx, conn); err != nil {
			return err
		}
		if err := i.publisher.load(ctx); err != nil {
			return fmt.Errorf("read the progress: %w", err)
		}
		_, err := i.erasures.refresh(ctx, conn)
		return err
	})
}

// report logs and counts what happens to partitions.
func (i *Ingest) report() kafka.Report { return kafka.Report{Log: i.log, Counters: i.metrics} }

// waitForTopics waits until at least one of the topics exists.
func (i *Ingest) waitForTopics(ctx context.Context) (*kafka.Layout, error) {
	for failures := 1; ; failures++ {
		l, err := i.cluster.Layout(ctx)
		if err == nil {
			i.progress.covers(l)
			i.tellMissing(l)
			if len(l.Leaders) > 0 {
				i.waits.topics.Passed()
				return l, nil
			}
			err = errors.New("none of the topics exists yet")
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		i.metrics.retries.WithLabelValues(string(stepFetch)).Inc()
		i.waits.topics.Failed(kafka.Reason(err), err, "brokers", i.cfg.Brokers, "topics", i.cfg.Topics)
		_ = backoff.Sleep(ctx, backoff.Delay(failures, 200*time.Millisecond, 5*time.Second))
	}
}

// tellMissing tells which of the topics Kafka does not have.
func (i *Ingest) tellMissing(l *kafka.Layout) {
	for _, topic := range i.cfg.Topics {
		i.metrics.missing.WithLabelValues(topic).Set(0)
	}
	for _, topic := range l.Missing {
		i.metrics.missing.WithLabelValues(topic).Set(1)
	}
	switch {
	case len(l.Missing) == 0:
		i.waits.missing.Passed()
	case len(l.Leaders) > 0: // else nothing is read meanwhile, and the wait for all topics is told
		names := strings.Join(l.Missing, ", ")
		i.waits.missing.Failed(names, errMissing, "topics", names)
	}
}

var errMissing = errors.New("the brokers do not know it")
