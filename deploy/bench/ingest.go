package bench

import (
	"context"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"os"
	"runtime"
	"runtime/pprof"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/prometheus/client_golang/prometheus"

	"rollcall/deploy/demo/sample"
	"rollcall/ingest"
	"rollcall/schema"
	"rollcall/schema/tables"
)

// IngestOptions are those of `bench ingest`.
type IngestOptions struct {
	Events     int    // records produced
	LogEvents  int    // events in the log before the clock starts
	Workspaces int    // that share the events
	Partitions int    // of each of the five topics
	Baselines  bool   // measure the plainer ways, too
	Dir        string // where broker and engine keep their data meanwhile
	Progress   io.Writer
	Profile    io.Writer // gets a CPU profile of Rollcall's own way; nil: none is made
}

// An IngestResult is one way from Kafka to the log.
type IngestResult struct {
	Way                string  `json:"way"`
	Seconds            float64 `json:"seconds"`
	EventsPerSecond    float64 `json:"events_per_second"`
	MBPerSecond        float64 `json:"mb_per_second"` // of record values
	ClientCPUMicros    float64 `json:"client_cpu_us_per_event"`
	EngineCPUMicros    float64 `json:"engine_cpu_us_per_event"`
	AllocationsPerItem float64 `json:"allocations_per_event"`
	ClientPeakBytes    int64   `json:"client_peak_bytes"` // resident, of the whole bench process
	EnginePeakBytes    int64   `json:"engine_peak_bytes"`
	Rows               uint64  `json:"rows"` // events in the log, each once
}

// An ingestRun has what all ways share: broker, engine and records.
type ingestRun struct {
	IngestOptions
	broker, engine  *process
	distinct, bytes int
}

// Ingest measures Rollcall's way and, if o.Baselines is set, the baselines, all with the same
// records.
func Ingest(ctx context.Context, o IngestOptions) (results []IngestResult, err error) {
	r := &ingestRun{IngestOptions: o}
	r.broker, err = start(ctx, "broker",
		"--data-dir", o.Dir+"/kafka", "--kafka-addr", "127.0.0.1:0", "--partitions", fmt.Sprint(o.Partitions))
	if err != nil {
		return nil, err
	}
	defer r.broker.stop()
	if err := r.produce(ctx); err != nil {
		return nil, fmt.Errorf("produce: %w", err)
	}
	type way struct {
		name string
		run  func(context.Context, tables.Options) error
	}
	ways := []way{{"rollcall", r.rollcall}}
	if o.Baselines {
		ways = append(ways, way{"reader", r.reader}, way{"engine", r.kafkaEngine})
	}
	for _, way := range ways {
		result, err := r.measure(ctx, way.name, way.run)
		if err != nil {
			return results, fmt.Errorf("%s: %w", way.name, err)
		}
		results = append(results, result)
	}
	return results, nil
}

func (r *ingestRun) produce(ctx context.Context) error {
	started := time.Now()
	all := func(yield func(sample.Record) bool) {
		n := 0
		for record, isNew := range records(r.Events, r.Workspaces, time.Now()) {
			if n++; n%100_000 == 0 {
				fmt.Fprintf(r.Progress, "%d of %d events produced\n", n, r.Events)
			}
			if isNew && record.Topic != "usage.entities" {
				r.distinct++
			}
			r.bytes += len(record.Value)
			if !yield(record) {
				return
			}
		}
	}
	produced, err := sample.Produce(ctx, []string{r.broker.addr}, nil, iter.Seq[sample.Record](all), nil)
	if err == nil && produced != r.Events {
		err = fmt.Errorf("there were only %d events to produce", produced) // an error, since the figures are per event
	}
	fmt.Fprintf(r.Progress, "%d events, %d MB, %d different ones for the log, produced in %s\n", produced, r.bytes>>20,
		r.distinct, time.Since(started).Round(time.Second))
	return err
}

// measure runs one way into an engine and a database of its own.
func (r *ingestRun) measure(
	ctx context.Context, way string, run func(context.Context, tables.Options) error,
) (IngestResult, error) {
	dir := r.Dir + "/" + way
	defer os.RemoveAll(dir)
	engine, err := start(ctx, "engine", "--data-dir", dir, "--clickhouse-addr", "127.0.0.1:0")
	if err != nil {
		return IngestResult{}, err
	}
	defer engine.stop()
	r.engine = engine
	o := tables.Options{URL: engine.addr + "/bench"}
	if _, err := tables.Migrate(ctx, o); err != nil {
		return IngestResult{}, err
	}
	if err := r.fillLog(ctx, o); err != nil {
		return IngestResult{}, err
	}
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	started := time.Now()
	own := ownCPU()
	others := engine.cpu()
	if err := run(ctx, o); err != nil {
		return IngestResult{}, err
	}
	took := time.Since(started)
	own = ownCPU() - own
	others = engine.cpu() - others
	runtime.ReadMemStats(&after)
	rows, err := countLog(ctx, o)
	if err == nil && way == "rollcall" && rows != uint64(r.distinct+r.LogEvents) {
		err = fmt.Errorf("the log has %d events; %d were produced", rows, r.distinct+r.LogEvents)
	}
	n := float64(r.Events)
	return IngestResult{
		Way: way, Seconds: took.Seconds(), EventsPerSecond: n / took.Seconds(),
		MBPerSecond:     float64(r.bytes) / 1e6 / took.Seconds(),
		ClientCPUMicros: float64(own.Nanoseconds()) / 1e3 / n, EngineCPUMicros: float64(others.Nanoseconds()) / 1e3 / n,
		AllocationsPerItem: float64(after.Mallocs-before.Mallocs) / n, ClientPeakBytes: peak(os.Getpid()),
		EnginePeakBytes: engine.peak(), Rows: rows,
	}, err
}

// fillLog puts a year of events into the log before the clock starts.
func (r *ingestRun) fillLog(ctx context.Context, o tables.Options) error {
	if r.LogEvents == 0 {
		return nil
	}
	conn, err := tables.Open(o)
	if err != nil {
		return err
	}
	defer conn.Close()
	started := time.Now()
	if err := fill(ctx, conn, schema.Earliest(schema.DayOf(started.UTC())), started, r.LogEvents, 100_000); err != nil {
		return err
	}
	if err := merged(ctx, conn); err != nil {
		return err
	}
	fmt.Fprintf(r.Progress, "%d events in the log after %s\n", r.LogEvents, time.Since(started).Round(time.Second))
	return nil
}

// merged returns when the engine has no merges left. Merges of the events that filled the log are
// not ingest's cost.
func merged(ctx context.Context, conn driver.Conn) error {
	for {
		var merges uint64
		if err := conn.QueryRow(ctx, "SELECT count() FROM system.merges").Scan(&merges); err != nil || merges == 0 {
			return err
		}
		select {
		case <-time.After(time.Second): // between two looks
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func countLog(ctx context.Context, o tables.Options) (rows uint64, err error) {
	conn, err := tables.Open(o)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	return rows, conn.QueryRow(ctx, "SELECT count() FROM events FINAL").Scan(&rows)
}

// rollcallGroup is the consumer group of Rollcall's own way.
const rollcallGroup = "bench-rollcall"

// rollcall runs the ingest stage until everything is committed. Ingest commits what is in the log
// and marked.
func (r *ingestRun) rollcall(ctx context.Context, o tables.Options) error {
	if r.Profile != nil {
		if err := pprof.StartCPUProfile(r.Profile); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	stage, err := r.start(ctx, o)
	if err != nil {
		return err
	}
	if err := r.await(ctx, rollcallGroup, stage.ended); err != nil {
		return err
	}
	return stage.stop()
}

// A stage is ingest at work in this process.
type stage struct {
	cancel context.CancelFunc
	ended  chan error
}

func (r *ingestRun) start(ctx context.Context, o tables.Options) (*stage, error) {
	config := ingest.Config{Brokers: []string{r.broker.addr}, Topics: sample.Topics(), Group: rollcallGroup}
	i, err := ingest.New(config, o, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &stage{cancel, make(chan error, 1)}
	go func() { s.ended <- i.Run(ctx) }()
	return s, nil
}

func (s *stage) stop() error {
	s.cancel()
	return <-s.ended
}
