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

	"rollcall/schema/outage"
	"rollcall/schema/tables"
)

// The defaults of Config that are settings of the command, too.
const (
	DefaultSettleTime  = 30 * time.Second
	DefaultVerifyEvery = 10 * time.Minute
)

// Config sets how soon slices are recomputed and cleaned. No value can make an export wrong: a
// value only decides when work is done. 0 means the default; a negative value is refused.
type Config struct {
	// SettleTime is how long a slice must have had no new mark before it is recomputed. 0 means
	// DefaultSettleTime. With a shorter time a day is recomputed more often.
	SettleTime time.Duration
	// TodayEvery is the shortest time between two recomputes of a slice of today, or of a later day
	// (producers' clocks may be ahead). Default 5 min.
	TodayEvery time.Duration
	// Poll is the time between two looks for dirty slices. Default 5 s.
	Poll time.Duration
	// BatchSlices and BatchRows limit how many slices (default and most: 250) and log rows (default
	// 5,000,000) one recompute takes together. A slice with more rows is recomputed alone.
	BatchSlices int
	BatchRows   uint64
	// PageSlices limits how many slices' states are held at once. Default 8,192.
	PageSlices int
	// MaxWatched limits how many slices are remembered as dirty, and how many as lately recomputed.
	// The round finds the others. Default 100,000, which takes some 20 MB.
	MaxWatched int
	// SweepEvery is the time between two looks for generations that a recompute replaced, and the
	// shortest time between the starts of two rounds over all slices. Default 10 min.
	SweepEvery time.Duration
	// DeadTime is how long rows stay after their manifest was marked dead. Default 1 h, which is
	// longer than any query may run. If a query planned with such rows and reads them later, its
	// guard fails and it plans again.
	DeadTime time.Duration
	// VerifyEvery is the time between two comparisons of a batch of clean slices with the log. 0
	// means DefaultVerifyEvery; with 250 slices a batch this is some 36,000 slices a day. Comparing
	// a slice costs about as much as recomputing it.
	VerifyEvery time.Duration
	// DisksEvery is the time between two looks at the engine's free disk space. Default 1 min.
	DisksEvery time.Duration
	// OrphanTime is the age at which rollup rows without a manifest are taken for the rows of a
	// worker that died. Default 6 h. If the rows of a running recompute are removed before it
	// counts them, the recompute gives up and is done again.
	OrphanTime time.Duration
	// Traces receives the spans of recomputes. Nil: no spans are made.
	Traces trace.TracerProvider
}

func (c Config) check() error {
	shortest := min(
		c.SettleTime, c.TodayEvery, c.Poll, c.SweepEvery, c.DeadTime, c.VerifyEvery, c.DisksEvery, c.OrphanTime,
	)
	if shortest < 0 || min(c.BatchSlices, c.PageSlices, c.MaxWatched) < 0 {
		return errors.New("the rollup's times and batches must not be negative; 0 takes the default")
	}
	if c.BatchSlices > maxBatchSlices {
		return fmt.Errorf("the rollup's batches must have at most %d slices", maxBatchSlices)
	}
	return nil
}

// maxBatchSlices is how many orgs one parameter names. Each has at most 256 bytes, which are at
// most 512 there, with two quotes, a comma and a space: 129,000 bytes together. A server takes
// 131,072.
const maxBatchSlices = 250

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
	for _, n := range []struct {
		value *int
		is    int
	}{{&c.BatchSlices, maxBatchSlices}, {&c.PageSlices, 8192}, {&c.MaxWatched, 100_000}} {
		if *n.value == 0 {
			*n.value = n.is
		}
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

	memory
}

// A memory is what a worker remembers between two looks. Nothing depends on it but speed.
type memory struct {
	watched  watchlist
	touched  map[tables.Slice]time.Time // slices recomputed lately, and when: see sweepTouched
	round    round
	verified tables.Slice // the last slice that verifyNext compared
}

func newMemory() memory {
	return memory{watched: watchlist{slices: map[tables.Slice]*openSlice{}}, touched: map[tables.Slice]time.Time{}}
}

// New checks the settings. It reads and writes nothing: the connection is made when Run, Once or
// one of the commands first needs it.
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
		cfg:     cfg,
		conn:    conn,
		log:     log,
		metrics: newMetrics(reg),
		tracer:  cfg.Traces.Tracer("rollcall/rollup"),
		now:     time.Now,
		memory:  newMemory(),
	}, nil
}

// Close ends the connections. Run does not, so the commands can be used after it.
func (r *Rollup) Close() error { return r.conn.Close() }

// Ready is nil if ClickHouse answers.
func (r *Rollup) Ready(ctx context.Context) error {
	if err := r.conn.Ping(ctx); err != nil {
		return fmt.Errorf("reach ClickHouse: %w", err)
	}
	return nil
}

// Run works until ctx ends, then returns nil: it recomputes dirty slices, removes lost generations
// and compares some clean slices with the log. A recompute that ctx interrupts has no manifest, so
// nobody reads its rows. Failures are logged, counted and tried again; only a database of another
// schema version is returned as an error.
func (r *Rollup) Run(ctx context.Context) error {
	chores := r.chores()
	outage := r.outage("rollups are not brought up to date", "rollups are brought up to date again",
		"exports stay exact: they read the log, and are slower; see 'ClickHouse refuses' in OPERATIONS.md for the reason")
	for {
		err := tables.Check(ctx, r.conn)
		if errors.Is(err, tables.ErrSchema) {
			return err
		}
		again := false
		if err == nil {
			err = r.work(ctx)
			// also after a failure: a slice that fails for ever must not keep the others from being
			// cleaned and verified
			r.tidy(ctx, chores)
			var roundErr error
			again, roundErr = r.goRound(ctx)
			err = errors.Join(err, roundErr)
		}
		if ctx.Err() != nil {
			return nil
		}
		tell(outage, err)
		if again && err == nil {
			continue
		}
		select {
		case <-time.After(r.cfg.Poll):
		case <-ctx.Done():
			return nil
		}
	}
}

// outage is something of this worker that fails again and again while ClickHouse does not do its
// part.
func (r *Rollup) outage(what, over, do string) *outage.Outage {
	return &outage.Outage{Log: r.log, What: what, Over: over, Do: do}
}

// tell notes how an attempt ended.
func tell(o *outage.Outage, err error) {
	if err == nil {
		o.Passed()
		return
	}
	_, name := tables.Classify(err)
	o.Failed(name, err)
}

// Once recomputes until no slice is dirty, whether it has settled or not, then merges closed
// months. It returns how many slices it recomputed. Beside live traffic it ends the first time that
// it finds no dirty slice.
func (r *Rollup) Once(ctx context.Context) (recomputed int, err error) {
	for dirty := 1; dirty > 0; {
		dirty = 0
		err := r.eachPage(ctx, Filter{}, func(page Filter) error {
			states, err := tables.SliceStates(ctx, r.conn, page, true, r.now())
			if err != nil {
				return err
			}
			n, err := r.recomputeAll(ctx, states)
			dirty += len(states)
			recomputed += n
			return err
		})
		if err != nil {
			return recomputed, err
		}
	}
	return recomputed, r.rollMonths(ctx, Filter{})
}
