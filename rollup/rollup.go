package rollup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"rollcall/schema/tables"
)

// The defaults of Config that are settings of the command, too.
const (
	DefaultSettleTime  = 30 * time.Second
	DefaultVerifyEvery = 10 * time.Minute
)

// Config sets how eagerly slices are recomputed and cleaned. None of it can make an export wrong;
// it only moves work. 0 takes the default, less is refused.
type Config struct {
	// SettleTime is how long a slice must have been without a new mark before it is recomputed. 0:
	// DefaultSettleTime. A shorter time recomputes a day more often.
	SettleTime time.Duration
	// TodayEvery is the least time between two recomputes of a slice of today (or of tomorrow, for
	// clocks ahead). Default 5 min.
	TodayEvery time.Duration
	// Poll is the time between two looks for dirty slices. Default 5 s.
	Poll time.Duration
	// BatchSlices and BatchRows limit what one recompute takes together: slices (default 256) and
	// log rows (default 5,000,000). A larger slice goes alone.
	BatchSlices int
	BatchRows   uint64
	// SweepEvery is the time between two sweeps, and between two looks for closed months to roll
	// up. Default 10 min.
	SweepEvery time.Duration
	// DeadTime is how long rows stay after their manifest was marked dead. Default 1 h: longer than
	// any query may run. A query that planned with them and comes later than that fails by its
	// guard and plans again.
	DeadTime time.Duration
	// VerifyEvery is the time between two looks at whether a batch of clean slices still is what
	// the log says. 0: DefaultVerifyEvery: at 256 slices a batch, some 37,000 slices a day. Each
	// costs about what its recompute did.
	VerifyEvery time.Duration
	// DisksEvery is the time between two looks at the engine's free disk space. Default 1 min.
	DisksEvery time.Duration
	// OrphanTime is the age at which rollup rows without a manifest are taken for those of a worker
	// that died. Default 6 h. A recompute whose rows go before it counted them gives up, and is
	// done again.
	OrphanTime time.Duration
	// Traces is where the spans of recomputes go. Nil: none are made.
	Traces trace.TracerProvider
}

func (c Config) check() error {
	if least := min(c.SettleTime, c.TodayEvery, c.Poll, c.SweepEvery, c.DeadTime, c.VerifyEvery, c.DisksEvery,
		c.OrphanTime); least < 0 || c.BatchSlices < 0 {
		return errors.New("the rollup's times and batches must not be negative; 0 takes the default")
	}
	return nil
}

func (c Config) withDefaults() Config {
	for _, d := range []struct {
		value *time.Duration
		is    time.Duration
	}{
		{&c.SettleTime, DefaultSettleTime}, {&c.TodayEvery, 5 * time.Minute}, {&c.Poll, 5 * time.Second},
		{&c.SweepEvery, 10 * time.Minute}, {&c.VerifyEvery, DefaultVerifyEvery}, {&c.DisksEvery, time.Minute},
		{&c.DeadTime, time.Hour}, {&c.OrphanTime, 6 * time.Hour},
	} {
		if *d.value == 0 {
			*d.value = d.is
		}
	}
	if c.Traces == nil {
		c.Traces = noop.NewTracerProvider()
	}
	if c.BatchSlices == 0 {
		c.BatchSlices = 256
	}
	if c.BatchRows == 0 {
		c.BatchRows = 5_000_000
	}
	return c
}

// Rollup keeps the rollups up to date. Any number of them may work on one database.
type Rollup struct {
	cfg     Config
	conn    driver.Conn
	log     *slog.Logger
	metrics *metrics
	tracer  trace.Tracer
	now     func() time.Time

	verified tables.Slice // the last one that verifyNext compared
}

// New checks the settings and connects lazily: nothing is read or written before Run, Once or one
// of the commands.
func New(cfg Config, ch tables.Options, log *slog.Logger, reg prometheus.Registerer) (*Rollup, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	ch.Failures = tables.NewFailures(reg, "rollup")
	conn, err := tables.Open(ch)
	if err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	return &Rollup{
		cfg: cfg, conn: conn, log: log, metrics: newMetrics(reg), tracer: cfg.Traces.Tracer("rollcall/rollup"), now: time.Now,
	}, nil
}

// Close ends the connections. Run closes nothing, so that the commands can be used after it.
func (r *Rollup) Close() error { return r.conn.Close() }

// Ready is nil if ClickHouse answers.
func (r *Rollup) Ready(ctx context.Context) error {
	if err := r.conn.Ping(ctx); err != nil {
		return fmt.Errorf("reach ClickHouse: %w", err)
	}
	return nil
}

// Run recomputes what is dirty, cleans what lost and compares some of what is clean with the log,
// until ctx ends; then it returns nil. What it had begun is left without a manifest and never read.
// Failures are logged, counted and tried again; only a database of another schema is an error.
func (r *Rollup) Run(ctx context.Context) error {
	chores := r.chores()
	for {
		err := tables.Check(ctx, r.conn)
		if errors.Is(err, tables.ErrSchema) {
			return err
		}
		if err == nil {
			err = r.work(ctx)
			// whatever became of the work: a slice that fails for ever must not keep the others
			// from being cleaned and verified
			r.tidy(ctx, chores)
		}
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			r.log.Error("rollup", "error", err)
		}
		select {
		case <-time.After(r.cfg.Poll):
		case <-ctx.Done():
			return nil
		}
	}
}

// work recomputes the slices that are due now, batch by batch.
func (r *Rollup) work(ctx context.Context) error {
	dirty, err := r.dirty(ctx)
	if err != nil {
		return err
	}
	_, err = r.recomputeAll(ctx, r.due(dirty))
	return err
}

// Once recomputes until no slice is dirty, settled or not, rolls closed months up, and returns how
// many slices it recomputed. Beside live traffic it ends when it found nothing dirty once.
func (r *Rollup) Once(ctx context.Context) (recomputed int, err error) {
	for {
		dirty, err := r.dirty(ctx)
		if err != nil {
			return recomputed, err
		}
		if len(dirty) == 0 {
			return recomputed, r.rollMonths(ctx, Filter{}, nil)
		}
		n, err := r.recomputeAll(ctx, dirty)
		if recomputed += n; err != nil {
			return recomputed, err
		}
	}
}
