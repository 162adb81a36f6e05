package rollup

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"rollcall/deploy/demo/embedded/enginetest"
	"rollcall/schema"
	"rollcall/schema/tables"
)

// A database belongs to one test. The test drives the rollup worker on it.
type database struct {
	testing.TB
	*Rollup
	ctx     context.Context
	options tables.Options
	today   schema.Day
	writer  uuid.UUID
	seq     uint64
}

func newDatabase(t testing.TB) *database {
	t.Helper()
	o := enginetest.Database(t)
	r, err := New(Config{}, o, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return &database{
		TB: t, Rollup: r, ctx: context.Background(), options: o, today: schema.DayOf(time.Now().UTC()), writer: uuid.New(),
	}
}

// another is a second worker on the same database.
func (db *database) another() *Rollup {
	db.Helper()
	r, err := New(db.cfg, db.options, db.log, prometheus.NewRegistry())
	if err != nil {
		db.Fatal(err)
	}
	db.Cleanup(func() { r.Close() })
	return r
}

func (db *database) exec(query string, args ...any) {
	db.Helper()
	if err := db.conn.Exec(db.ctx, query, args...); err != nil {
		db.Fatalf("%s: %v", query, err)
	}
}

func (db *database) count(query string, args ...any) (n uint64) {
	db.Helper()
	if err := db.conn.QueryRow(db.ctx, query, args...).Scan(&n); err != nil {
		db.Fatalf("%s: %v", query, err)
	}
	return n
}

// An event as a test writes it. Fields that are left out follow from the id.
type event struct {
	org     string
	day     schema.Day
	typ     string // default message
	id      int
	version uint64 // default: from the id
	user    string // default u<id mod 3>
}

// store puts events into the log as a batch of ingest would, without a mark.
func (db *database) store(events ...event) {
	db.Helper()
	insert, err := db.conn.PrepareBatch(db.ctx,
		`INSERT INTO events (org_id, day, type, event_id, version, time, source, id, user_id, channel, action, assistant_id, conversation_id,
		model, client, prompt_tokens, completion_tokens, workflow_id, run_id, status, duration_ms)`)
	if err != nil {
		db.Fatal(err)
	}
	for _, e := range events {
		if e.typ == "" {
			e.typ = "message"
		}
		if e.version == 0 {
			e.version = uint64(e.id)*1_000_003<<8 | 2
		}
		if e.user == "" {
			e.user = fmt.Sprintf("u%d", e.id%3)
		}
		text := fmt.Sprintf("%s-%d", e.typ, e.id)
		err := insert.Append(e.org, e.day.Time(), e.typ, fmt.Sprintf("%016d", e.id), e.version, e.day.Time().Add(time.Hour),
			"test", text, e.user, "assistant", "canvas",
			fmt.Sprintf("a%d", e.version>>8%2), fmt.Sprintf("c%d", e.id/2), "gpt", "web", uint32(e.id), uint32(7), "w1", text,
			"succeeded", uint32(e.id*100))
		if err != nil {
			db.Fatal(err)
		}
	}
	if err := insert.Send(); err != nil {
		db.Fatal(err)
	}
}

// mark says that the slices changed.
func (db *database) mark(slices ...tables.Slice) {
	db.Helper()
	db.seq++
	for _, s := range slices {
		db.exec("INSERT INTO marks (org_id, day, writer, seq) SELECT {org:String}, {day:Date}, {writer:UUID}, {seq:UInt64}",
			clickhouse.Named("org", s.Org), clickhouse.Named("day", s.Day.String()), clickhouse.Named("writer", db.writer),
			clickhouse.Named("seq", db.seq))
	}
}

// ingest stores events and marks their slices.
func (db *database) ingest(events ...event) {
	db.Helper()
	db.store(events...)
	seen := map[tables.Slice]bool{}
	var slices []tables.Slice
	for _, e := range events {
		if s := (tables.Slice{Org: e.org, Day: e.day}); !seen[s] {
			seen[s], slices = true, append(slices, s)
		}
	}
	db.mark(slices...)
}

// dirty reads the slices that have to be recomputed.
func (db *database) dirty() []tables.SliceState {
	db.Helper()
	dirty, err := tables.SliceStates(db.ctx, db.conn, Filter{}, true, db.now())
	if err != nil {
		db.Fatal(err)
	}
	return dirty
}

// months reads the states of an org's months, or of all.
func (db *database) months(org string) []tables.MonthState {
	db.Helper()
	f := Filter{Org: org}
	states, err := db.states(db.ctx, f)
	if err != nil {
		db.Fatal(err)
	}
	months, err := tables.MonthStates(db.ctx, db.conn, f, states)
	if err != nil {
		db.Fatal(err)
	}
	return months
}

func (db *database) once() int {
	db.Helper()
	n, err := db.Once(db.ctx)
	if err != nil {
		db.Fatal(err)
	}
	return n
}

// messages reads how many messages an org sent, the way an export does: by a plan, under its
// guards, with a new plan when the plan was stale.
func messages(
	ctx context.Context, conn driver.Conn, org string, from, to schema.Day,
) (total uint64, plan tables.Plan, err error) {
	span := tables.Span{Org: org, From: from, To: to, MonthsFrom: from, MonthsTo: to}
	for range 10 {
		if plan, err = tables.ReadPlan(ctx, conn, span, time.Now()); err != nil {
			return 0, plan, err
		}
		query := fmt.Sprintf("SELECT sum(messages) AS total FROM (SELECT messages FROM (%s) UNION ALL SELECT messages FROM (%s)) WHERE %s = 0",
			tables.Messages.Rolled(tables.RolledWhere), tables.Messages.FromLog(tables.LiveWhere), tables.Messages.Guard())
		err = conn.QueryRow(clickhouse.Context(ctx, clickhouse.WithParameters(plan.Params())), query).Scan(&total)
		if !tables.Stale(err) {
			return total, plan, err
		}
		span = span.Counting()
	}
	return total, plan, err
}

func (db *database) messages(org string, from, to schema.Day) (uint64, tables.Plan) {
	db.Helper()
	n, plan, err := messages(db.ctx, db.conn, org, from, to)
	if err != nil {
		db.Fatal(err)
	}
	return n, plan
}

func named(name string, value any) driver.NamedValue { return clickhouse.Named(name, value) }

// value returns the value of a gauge or counter.
func value(metric prometheus.Metric) float64 {
	var m dto.Metric
	if err := metric.Write(&m); err != nil {
		panic(err)
	}
	return m.GetGauge().GetValue() + m.GetCounter().GetValue()
}
