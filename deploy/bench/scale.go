package bench

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/prometheus/client_golang/prometheus"

	"rollcall/export"
	"rollcall/export/access"
	"rollcall/rollup"
	"rollcall/schema/tables"
)

// ScaleOptions are those of `bench scale`.
type ScaleOptions struct {
	Workspaces int           // that are there
	Days       int           // that each of them has a slice of, up to today
	Idle       time.Duration // how long the idle worker is watched
	Repeat     int           // how often each plan and export runs
	Dir        string        // of the engine; if it was filled before, it is not filled again
	Progress   io.Writer
}

// A ScaleResult is what it costs that so many workspaces are there.
type ScaleResult struct {
	Workspaces  int     `json:"workspaces"`
	Slices      uint64  `json:"slices"`
	Events      uint64  `json:"events"`
	DiskBytes   uint64  `json:"disk_bytes"`
	FillSeconds float64 `json:"fill_seconds"`     // 0 if an earlier run has filled the engine
	FillCPU     float64 `json:"fill_cpu_seconds"` // of the engine

	// CPU seconds per second without traffic: of the engine before the worker is started, and of both
	// after the worker's first round over all slices.
	EngineAlone float64 `json:"engine_alone_cpu_per_second"`
	EngineIdle  float64 `json:"engine_idle_cpu_per_second"`
	WorkerIdle  float64 `json:"worker_idle_cpu_per_second"`
	IdleSeconds float64 `json:"idle_seconds"` // how long they were watched

	FirstRound     float64 `json:"worker_first_round_seconds"` // from the worker's start to the end of its first round
	WorkerResident int64   `json:"worker_resident_bytes"`      // at the end of the time that it was watched
	WorkerPeak     int64   `json:"worker_peak_bytes"`
	EngineResident int64   `json:"engine_resident_bytes"`

	// From a mark until a manifest covers it, by the engine's clock. SettleTime is part of it.
	Recomputed        float64 `json:"recomputed_seconds"` // median
	RecomputedLongest float64 `json:"recomputed_longest_seconds"`
	SettleTime        float64 `json:"settle_time_seconds"`

	Plan   Cost `json:"plan"`   // of a year of one workspace
	Export Cost `json:"export"` // users over the last calendar month, through the service
	Verify Cost `json:"verify"` // `rollcall verify --org`
	Forget Cost `json:"forget"` // `rollcall forget`
}

// A Cost is what one call takes. Seconds is the median, the others are means.
type Cost struct {
	Seconds   float64 `json:"seconds"`
	CPU       float64 `json:"cpu_seconds"`        // of the caller; of an export, of service and client
	EngineCPU float64 `json:"engine_cpu_seconds"` // and of what the engine does meanwhile
	PeakBytes int64   `json:"peak_bytes"`         // of a command: the most memory that it had resident
}

// How often these are measured.
const (
	markRuns   = 5
	verifyRuns = 3
	forgetRuns = 1 // it rewrites the parts of every month, and changes what is measured after it
)

// A scaleRun is an engine of its own, with many workspaces in it.
type scaleRun struct {
	ScaleOptions
	result  ScaleResult
	now     time.Time // of the fill
	engine  *process
	conn    driver.Conn
	options tables.Options
	server  *httptest.Server
}

// Scale fills an engine with the state that ingest and a worker leave, starts a worker on it, and
// measures what the number of workspaces costs.
func Scale(ctx context.Context, o ScaleOptions) (ScaleResult, error) {
	r := &scaleRun{ScaleOptions: o, now: time.Now()}
	r.result.Workspaces = o.Workspaces
	r.result.SettleTime = rollup.DefaultSettleTime.Seconds()
	err := r.run(ctx)
	return r.result, err
}

func (r *scaleRun) run(ctx context.Context) error {
	if err := r.prepare(ctx); err != nil {
		return err
	}
	// A new engine, because the old one has memory and caches that the fill left.
	if err := r.startEngine(ctx); err != nil {
		return err
	}
	defer r.stopEngine()
	if err := r.measureWorker(ctx); err != nil {
		return err
	}
	// The worker has ended, so that its work does not count as theirs.
	for _, step := range []struct {
		what string
		run  func(context.Context) (Cost, error)
		cost *Cost
	}{
		{"plan", r.measurePlans, &r.result.Plan}, {"export", r.measureExports, &r.result.Export},
		{"verify", r.measureVerify, &r.result.Verify}, {"forget", r.measureForget, &r.result.Forget},
	} {
		var err error
		if *step.cost, err = step.run(ctx); err != nil {
			return fmt.Errorf("measure %s: %w", step.what, err)
		}
		fmt.Fprintf(r.Progress, "%s: %.3f s\n", step.what, step.cost.Seconds)
	}
	return nil
}

// prepare starts an engine, and fills it.
func (r *scaleRun) prepare(ctx context.Context) error {
	if err := r.startEngine(ctx); err != nil {
		return err
	}
	defer r.stopEngine()
	if _, err := tables.Migrate(ctx, r.options); err != nil {
		return err
	}
	started := time.Now()
	filled, err := r.fillOnce(ctx)
	if err != nil {
		return err
	}
	if err := merged(ctx, r.conn); err != nil {
		return err
	}
	if filled {
		r.result.FillSeconds = time.Since(started).Seconds()
		r.result.FillCPU = r.engine.cpu().Seconds()
	}
	return r.conn.QueryRow(ctx, `SELECT (SELECT count() FROM slices), (SELECT count() FROM events),
	(SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = currentDatabase())`).
		Scan(&r.result.Slices, &r.result.Events, &r.result.DiskBytes)
}

// startEngine starts an engine on the run's directory. Its data stays when it ends.
func (r *scaleRun) startEngine(ctx context.Context) (err error) {
	if r.engine, err = start(ctx, "engine", "--data-dir", r.Dir, "--clickhouse-addr", "127.0.0.1:0"); err != nil {
		return err
	}
	// merging the parts of a month takes minutes
	r.options = tables.Options{URL: r.engine.addr + "/bench", Timeout: 2 * time.Hour}
	if r.conn, err = tables.Open(r.options); err != nil {
		r.engine.stop()
	}
	return err
}

func (r *scaleRun) stopEngine() {
	r.conn.Close()
	r.engine.end()
}

// each calls do n times, each time for another workspace if there are so many, and returns what a
// call costs. do returns the process that it started, if any.
func (r *scaleRun) each(n int, do func(org string) (*process, error)) (c Cost, err error) {
	var times []time.Duration
	own := ownCPU()
	engine := r.engine.cpu()
	children := time.Duration(0)
	for i := range n {
		started := time.Now()
		p, err := do(r.sampled(i, n))
		if err != nil {
			return c, err
		}
		times = append(times, time.Since(started))
		if p != nil {
			children += p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
			c.PeakBytes = max(c.PeakBytes, p.endedPeak())
		}
	}
	c.CPU = (ownCPU() - own + children).Seconds() / float64(n)
	c.EngineCPU = (r.engine.cpu() - engine).Seconds() / float64(n)
	c.Seconds = median(times).Seconds()
	return c, nil
}

// sampled is the i-th of n workspaces, which are spread over all.
func (r *scaleRun) sampled(i, n int) string { return workspace(1 + i*r.Workspaces/n) }

func (r *scaleRun) measurePlans(ctx context.Context) (Cost, error) {
	if _, err := r.plan(ctx, r.sampled(0, 1)); err != nil { // the first one makes the connection
		return Cost{}, err
	}
	return r.each(r.Repeat, func(org string) (*process, error) {
		_, err := r.plan(ctx, org)
		return nil, err
	})
}

func (r *scaleRun) plan(ctx context.Context, org string) (tables.Plan, error) {
	return tables.ReadPlan(ctx, r.conn, tables.Span{
		Org: org, From: r.first(), To: r.last(), MonthsFrom: r.first(), MonthsTo: r.last(),
	}, time.Now())
}

func (r *scaleRun) measureExports(ctx context.Context) (Cost, error) {
	if err := r.serve(); err != nil {
		return Cost{}, err
	}
	defer r.server.Close()
	keys := map[string]string{}
	for i := range r.Repeat {
		org := r.sampled(i, r.Repeat)
		var err error
		if keys[org], err = r.key(ctx, org); err != nil {
			return Cost{}, err
		}
	}
	users := func(org string) (*process, error) {
		_, err := fetch(ctx, r.server.URL+"/v1/exports/users?range=last_month", keys[org], io.Discard)
		return nil, err
	}
	if _, err := users(r.sampled(0, r.Repeat)); err != nil { // the first one fills the caches of the service
		return Cost{}, err
	}
	return r.each(r.Repeat, users)
}

// serve starts the service.
func (r *scaleRun) serve() error {
	e, err := export.New(export.Config{Secret: make([]byte, 32)}, r.options, slog.New(slog.DiscardHandler),
		prometheus.NewRegistry())
	if err == nil {
		r.server = httptest.NewServer(e.Handler())
	}
	return err
}

func (r *scaleRun) key(ctx context.Context, org string) (string, error) {
	_, key, err := access.OpenKeys(r.conn).Create(ctx, org, "bench", 0)
	return key, err
}

func (r *scaleRun) measureVerify(context.Context) (Cost, error) {
	return r.each(verifyRuns, func(org string) (*process, error) { return r.command("verify", "--org", org) })
}

func (r *scaleRun) measureForget(ctx context.Context) (Cost, error) {
	return r.each(forgetRuns, func(org string) (*process, error) {
		var user string // an earlier run may have erased others
		if err := r.conn.QueryRow(ctx, "SELECT min(user_id) FROM events WHERE org_id = {org:String} AND user_id != ''",
			clickhouse.Named("org", org)).Scan(&user); err != nil {
			return nil, err
		}
		return r.command("forget", "--org", org, "--user", user)
	})
}

// command runs a command of rollcall to its end. What it prints is only of interest if it fails.
func (r *scaleRun) command(args ...string) (*process, error) {
	p, err := command(append(args, "--clickhouse-url", r.options.URL)...)
	if err != nil {
		return nil, err
	}
	p.cmd.Stderr = nil
	if text, err := p.cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, text)
	}
	return p, nil
}
