package bench

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"rollcall/export/query"
	"rollcall/schema/tables"
)

// A LoadResult is one data type over the last calendar month, asked for by several clients at a
// time: through the service, and of the bare engine.
type LoadResult struct {
	Events     int     `json:"events"` // of the workspace, over a year
	Clients    int     `json:"clients"`
	Type       string  `json:"type"` // all: each client asks for all types in turn
	Service    Load    `json:"service"`
	BareEngine Load    `json:"bare_engine"`
	Throughput float64 `json:"service_over_engine"` // of exports per second
}

// A Load is how fast the exports of several clients were. Seconds are from the request to the last
// byte.
type Load struct {
	Exports   int     `json:"exports"`
	PerSecond float64 `json:"exports_per_second"`
	P50       float64 `json:"p50_seconds"`
	P99       float64 `json:"p99_seconds"`
	CPU       float64 `json:"cpu_seconds"` // of an export: of the engine and this process
}

// inARow is how many exports a client asks for, one after the other, before the other way is
// measured.
const inARow = 4

// ExportLoad measures each type, and all types in turn, with several clients at a time. Service and
// bare engine take turns, so that both are measured under the same load from outside.
func ExportLoad(ctx context.Context, o ExportOptions) (results []LoadResult, err error) {
	r, err := newExportRun(ctx, o)
	if err != nil {
		return nil, err
	}
	defer r.close()
	if err := r.roll(ctx); err != nil {
		return nil, err
	}
	month := r.periods[0]
	statements := map[query.Type]query.Statement{}
	for _, t := range query.Types() {
		if statements[t], err = r.statement(ctx, t, month); err != nil {
			return nil, err
		}
	}
	conn, err := tables.Open(tables.Options{URL: r.options.URL, MaxConns: o.Clients})
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	r.conn.Close()
	r.conn = conn
	for _, types := range append(single(query.Types()), query.Types()) {
		x := LoadResult{Events: o.Events, Clients: o.Clients, Type: "all"}
		if len(types) == 1 {
			x.Type = string(types[0])
		}
		service := load{clients: o.Clients, cpu: r.cpu}
		service.ask = func(t query.Type) (download, error) { return r.service(ctx, t, month) }
		bare := load{clients: o.Clients, cpu: r.cpu}
		bare.ask = func(t query.Type) (download, error) { return r.run(ctx, statements[t]) }
		for range r.Repeat {
			for _, way := range []*load{&service, &bare} {
				if err := way.round(types); err != nil {
					return nil, fmt.Errorf("%s by %d clients: %w", x.Type, o.Clients, err)
				}
			}
		}
		x.Service = service.result()
		x.BareEngine = bare.result()
		x.Throughput = x.Service.PerSecond / x.BareEngine.PerSecond
		results = append(results, x)
	}
	return results, nil
}

func single(all []query.Type) (each [][]query.Type) {
	for _, t := range all {
		each = append(each, []query.Type{t})
	}
	return each
}

// A load is what was measured of one way.
type load struct {
	clients int
	cpu     func() time.Duration // so far
	ask     func(query.Type) (download, error)

	took    []time.Duration // each export
	seconds float64         // all rounds
	used    time.Duration   // CPU time
}

// round has every client ask inARow times, for the types in turn. Clients begin with different
// types.
func (l *load) round(types []query.Type) error {
	started := time.Now()
	cpu := l.cpu()
	var clients errgroup.Group
	took := make([][]time.Duration, l.clients)
	for c := range took {
		clients.Go(func() error {
			for i := range inARow {
				d, err := l.ask(types[(c+i)%len(types)])
				if err != nil {
					return err
				}
				took[c] = append(took[c], d.total)
			}
			return nil
		})
	}
	err := clients.Wait()
	l.seconds += time.Since(started).Seconds()
	l.used += l.cpu() - cpu
	for _, each := range took {
		l.took = append(l.took, each...)
	}
	return err
}

func (l *load) result() Load {
	n := len(l.took)
	return Load{
		Exports: n, PerSecond: float64(n) / l.seconds, P50: quantile(l.took, 0.5).Seconds(),
		P99: quantile(l.took, 0.99).Seconds(), CPU: l.used.Seconds() / float64(n),
	}
}
