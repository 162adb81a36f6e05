package rollup

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/prometheus/client_golang/prometheus"

	"rollcall/schema"
	"rollcall/schema/tables"
)

// These tests try with the real steps what the models show in theory. A worker's connection stops
// before each of its statements, and others act there. What an export reads then and afterwards is
// compared with the log.

// A steppedConn calls before ahead of each statement that is sent through it, with the number of
// the statement. No other statement is sent meanwhile, but earlier ones may still run.
type steppedConn struct {
	driver.Conn
	before func(statement int, text string)
	mu     sync.Mutex // held while before runs
	sent   int
}

func (c *steppedConn) step(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.before
	n := c.sent
	if c.sent++; before != nil {
		before(n, text)
	}
}

func (c *steppedConn) Select(ctx context.Context, dest any, query string, args ...any) error {
	c.step(query)
	return c.Conn.Select(ctx, dest, query, args...)
}

func (c *steppedConn) QueryRow(ctx context.Context, query string, args ...any) driver.Row {
	c.step(query)
	return c.Conn.QueryRow(ctx, query, args...)
}

func (c *steppedConn) Exec(ctx context.Context, query string, args ...any) error {
	c.step(query)
	return c.Conn.Exec(ctx, query, args...)
}

func (c *steppedConn) PrepareBatch(
	ctx context.Context, query string, opts ...driver.PrepareBatchOption,
) (driver.Batch, error) {
	b, err := c.Conn.PrepareBatch(ctx, query, opts...)
	return &steppedBatch{b, c, query}, err
}

type steppedBatch struct {
	driver.Batch
	conn  *steppedConn
	query string
}

func (b *steppedBatch) Send() error {
	b.conn.step(b.query)
	return b.Batch.Send()
}

// stepped returns another worker on the database, and the connection that stops before each of the
// worker's statements.
func (db *database) stepped() (*Rollup, *steppedConn) {
	db.Helper()
	conn := &steppedConn{Conn: db.conn}
	return &Rollup{
		cfg: Config{}.withDefaults(), conn: conn, log: slog.New(slog.DiscardHandler),
		metrics: newMetrics(prometheus.NewRegistry()), tracer: db.tracer, now: time.Now, memory: newMemory(),
	}, conn
}

// sweepHastily sweeps orphans as if every running worker were dead.
func (db *database) sweepHastily() {
	db.Helper()
	sweeper := *db.Rollup
	sweeper.cfg.OrphanTime = time.Nanosecond
	time.Sleep(time.Millisecond) // the time in a generation number has milliseconds
	if err := sweeper.removeOrphans(db.ctx, Filter{}); err != nil {
		db.Fatal(err)
	}
}

// usage reads an org as an export would: events per table and user.
func usage(
	ctx context.Context, conn driver.Conn, org string, from, to schema.Day,
) (text string, plan tables.Plan, err error) {
	span := tables.Span{Org: org, From: from, To: to, MonthsFrom: from, MonthsTo: to}
	for range 4 { // as often as an export plans
		if plan, err = tables.ReadPlan(ctx, conn, span, time.Now()); err != nil {
			return "", plan, err
		}
		guards := []string{}
		for _, d := range tables.Dailies() {
			guards = append(guards, d.Guard()+" = 0")
		}
		query := perUser(func(d tables.Daily) string {
			return d.Rolled(tables.RolledWhere) + " UNION ALL " + d.FromLog(tables.LiveWhere)
		}, strings.Join(guards, " AND "))
		err = conn.QueryRow(clickhouse.Context(ctx, clickhouse.WithParameters(plan.Params())), query).Scan(&text)
		if !tables.Stale(err) {
			return text, plan, err
		}
		span = span.Counting()
	}
	return "", plan, err
}

func perUser(rows func(tables.Daily) string, where string) string {
	var all []string
	for _, d := range tables.Dailies() {
		all = append(all, fmt.Sprintf("SELECT concat('%s ', user_id) AS who, sum(%s) AS n FROM (%s) GROUP BY user_id", d.Type,
			d.Counts(), rows(d)))
	}
	return "SELECT arrayStringConcat(arraySort(groupArray(concat(who, ' ', toString(n)))), ', ') FROM (" +
		strings.Join(all, " UNION ALL ") + ") WHERE " + where
}

// truth reads the same as usage, but only from the log.
func (db *database) truth(org string) (text string) {
	db.Helper()
	query := perUser(func(d tables.Daily) string { return d.FromLog("org_id = {org:String}") }, "1")
	if err := db.conn.QueryRow(db.ctx, query, named("org", org)).Scan(&text); err != nil {
		db.Fatal(err)
	}
	return text
}

// judge fails the test unless an export reads what the log says. If events without a mark were
// stored, the export may also read what the log said before (before).
func (db *database) judge(what, org string, from, to schema.Day, before ...string) {
	db.Helper()
	got, plan, err := usage(db.ctx, db.conn, org, from, to)
	if want := db.truth(org); err != nil || got != want && !slices.Contains(before, got) {
		db.Errorf("%s: read %q by %d generations and %v live, %v\nthe log has %q", what, got, len(plan.Generations),
			plan.Live, err, want)
	}
}

// A worker is suspended after it wrote its rows and before its manifest. The sweeper takes the rows
// for those of a dead worker. Then the worker goes on. In the case "suspended-rollup" the manifest
// counted what was left, and a slice without rows was clean.
func TestASweepBetweenAnyTwoStepsOfARecompute(t *testing.T) {
	db := newDatabase(t)
	worker, conn := db.stepped()
	day := db.today - 3
	for at := 0; ; at++ {
		org := fmt.Sprintf("o%d", at)
		slice := tables.Slice{Org: org, Day: day}
		db.ingest(oneOfEach(org, day, 1, 2, 3)...)
		swept := ""
		conn.sent = 0
		conn.before = func(n int, text string) {
			if n == at {
				swept = text
				db.sweepHastily()
			}
		}
		if _, _, err := worker.recompute(db.ctx, []tables.Slice{slice}); err != nil {
			t.Fatal(err)
		}
		what := fmt.Sprintf("swept before statement %d, %.60s", at, swept)
		db.judge(what, org, day, day)
		if swept == "" {
			t.Logf("%d statements", at)
			return
		}
		if err := db.Sweep(db.ctx); err != nil {
			t.Fatal(err)
		}
		db.once()
		db.judge(what+", swept and recomputed", org, day, day)
		if _, plan, _ := usage(db.ctx, db.conn, org, day, day); len(plan.Generations) != 1 || len(plan.Live) != 0 {
			t.Errorf("%s: swept and recomputed, it is read by %+v", what, plan)
		}
	}
}

// oneOfEach returns an event of each type per id.
func oneOfEach(org string, day schema.Day, ids ...int) (events []event) {
	for _, id := range ids {
		for _, typ := range []string{"message", "action", "token", "workflow_run"} {
			events = append(events, event{org: org, day: day, typ: typ, id: id})
		}
	}
	return events
}

// All or some rows of a committed generation are removed, by whatever hand. Exports then read the
// log, and the worker makes the slice again.
func TestASliceWhoseRowsAreGoneHeals(t *testing.T) {
	db := newDatabase(t)
	day := db.today - 3
	for i, gone := range []string{
		"DELETE FROM message_daily WHERE org_id = '%s'",
		"DELETE FROM workflow_daily WHERE org_id = '%s' AND user_id = 'u1'",
		"INSERT INTO token_daily SELECT * FROM token_daily WHERE org_id = '%s'",
	} {
		org := fmt.Sprintf("o%d", i)
		db.ingest(oneOfEach(org, day, 1, 2, 3)...)
		db.once()
		db.exec(fmt.Sprintf(gone, org))
		db.judge(gone, org, day, day)
		if err := db.Sweep(db.ctx); err != nil {
			t.Fatal(err)
		}
		if n := value(db.metrics.cleaned.WithLabelValues(short)); n != float64(i+1) {
			t.Errorf("%s: %v generations were found short, want %d", gone, n, i+1)
		}
		if n := db.once(); n != 1 {
			t.Errorf("%s: %d slices recomputed, want 1", gone, n)
		}
		db.judge(gone+", recomputed", org, day, day)
		if _, plan, _ := usage(db.ctx, db.conn, org, day, day); len(plan.Generations) != 1 || len(plan.Live) != 0 {
			t.Errorf("%s: recomputed, it is read by %+v", gone, plan)
		}
		if err := db.Sweep(db.ctx); err != nil || db.once() != 0 {
			t.Errorf("%s: it does not come to rest, %v", gone, err)
		}
	}
}
