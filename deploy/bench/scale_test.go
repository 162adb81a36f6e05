package bench

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"rollcall/deploy/demo/embedded/enginetest"
	"rollcall/export/query"
	"rollcall/rollup"
	"rollcall/schema"
	"rollcall/schema/tables"
)

// The filled workspaces are what ingest and a worker would have left: all slices are clean, all
// closed months are merged, the rollups are what the log says, and a worker finds nothing to do.
// Exports of them are the same from the rollups and from the log.
func TestFilledWorkspacesAreAsWorkersLeaveThem(t *testing.T) {
	// In 70 days, there are two months that are not whole, one whole month at least, and all weekdays.
	const workspaces, days = 3, 70
	r, worker := filledWorkspaces(t, workspaces, days)
	ctx := t.Context()

	states, err := tables.SliceStates(ctx, r.conn, tables.Filter{}, false, time.Now())
	if err != nil || len(states) != workspaces*days {
		t.Fatalf("%d slices, %v; want %d", len(states), err, workspaces*days)
	}
	for _, s := range states {
		if !s.Clean || s.Recomputed > s.Settled || s.Rows[0] == 0 || s.Rows[2] == 0 {
			t.Errorf("%+v is not a clean slice with messages and tokens", s)
		}
	}
	months, err := tables.MonthStates(ctx, r.conn, tables.Filter{}, states)
	if err != nil {
		t.Fatal(err)
	}
	closed := 0
	for _, m := range months {
		isClosed := m.Day < schema.DayOf(time.Now().UTC()) && len(m.Days) > 1
		if isClosed != (m.Generation != uuid.Nil) {
			t.Errorf("%s, month to %s of %d slices, has the generation %s", m.Org, m.Day, len(m.Days), m.Generation)
		}
		if isClosed {
			closed++
		}
	}
	if closed < workspaces {
		t.Errorf("%d closed months", closed)
	}

	compared, err := worker.Verify(ctx, rollup.Filter{}, func(d rollup.Difference) { t.Errorf("%+v", d) }, nil)
	if err != nil || compared != len(states) {
		t.Errorf("%d slices compared, %v", compared, err)
	}
	before := rowsOf(t, r.conn)
	if n, err := worker.Once(ctx); n != 0 || err != nil {
		t.Errorf("%d slices recomputed, %v", n, err)
	}
	if err := worker.Sweep(ctx); err != nil {
		t.Error(err)
	}
	if after := rowsOf(t, r.conn); after != before {
		t.Errorf("a worker that finds nothing to do has %s, before %s", after, before)
	}
}

func TestExportsOfFilledWorkspaces(t *testing.T) {
	const days = 70
	r, _ := filledWorkspaces(t, 2, days)
	ctx := t.Context()
	if err := r.serve(); err != nil {
		t.Fatal(err)
	}
	defer r.server.Close()
	key, err := r.key(ctx, workspace(2))
	if err != nil {
		t.Fatal(err)
	}
	exports := func() (all []string) {
		for _, typ := range query.Types() {
			var csv strings.Builder
			url := fmt.Sprintf("%s/v1/exports/%s?from=%s&to=%s", r.server.URL, typ, r.first(), r.last())
			if _, err := fetch(ctx, url, key, &csv); err != nil {
				t.Fatal(err)
			}
			all = append(all, csv.String())
		}
		return all
	}
	rolled := exports()
	p, err := r.plan(ctx, workspace(2))
	if err != nil || len(p.Live) > 0 || len(p.Generations) > days-20 { // one for the whole month
		t.Errorf("the plan of clean slices reads %d generations, and %v from the log; %v", len(p.Generations), p.Live, err)
	}
	// a mark that no manifest covers: from now on the log is read
	if err := r.exec(ctx, "INSERT INTO marks (org_id, day, writer, seq) SELECT DISTINCT org_id, day, "+
		"toUUID('00000000-0000-4000-8000-000000000000'), 1 FROM events"); err != nil {
		t.Fatal(err)
	}
	if p, err := r.plan(ctx, workspace(2)); err != nil || len(p.Live) != days {
		t.Errorf("the log is read for %d days, %v", len(p.Live), err)
	}
	for i, log := range exports() {
		if rolled[i] != log || strings.Count(log, "\r\n") < 2 {
			t.Errorf("from the rollups\n%s\nfrom the log\n%s", rolled[i], log)
		}
	}
}

// What is measured as new usage is usage: a worker finds the slice dirty, and makes it clean.
func TestNewUsageMakesASliceDirty(t *testing.T) {
	r, worker := filledWorkspaces(t, 2, 3)
	ctx := t.Context()
	if err := r.newUsage(ctx, workspace(2)); err != nil {
		t.Fatal(err)
	}
	if s, err := r.yesterday(ctx, workspace(2)); err != nil || s.Clean || s.Org != workspace(2) {
		t.Fatalf("%+v, %v", s, err)
	}
	if n, err := worker.Once(ctx); n != 1 || err != nil {
		t.Fatalf("%d slices recomputed, %v", n, err)
	}
	s, err := r.yesterday(ctx, workspace(2))
	if err != nil || !s.Clean || s.Settled < s.Recomputed {
		t.Fatalf("%+v, %v", s, err)
	}
}

// An engine that an earlier run has filled is not filled again. One that it has filled in part is
// refused.
func TestEnginesAreFilledOnce(t *testing.T) {
	r, _ := filledWorkspaces(t, 2, 3)
	ctx := t.Context()
	before := rowsOf(t, r.conn)
	last := r.last()
	r.now = r.now.AddDate(0, 0, 2)
	if filled, err := r.fillOnce(ctx); filled || err != nil || r.last() != last {
		t.Errorf("filled again: %t, %v, up to %s; the first time up to %s", filled, err, r.last(), last)
	}
	if after := rowsOf(t, r.conn); after != before {
		t.Errorf("%s, before %s", after, before)
	}
	if err := r.exec(ctx, "TRUNCATE TABLE filled"); err != nil { // as if the run had been killed
		t.Fatal(err)
	}
	if filled, err := r.fillOnce(ctx); filled || err == nil {
		t.Errorf("half a fill was taken for a whole one: %t, %v", filled, err)
	}
}

// filledWorkspaces fills a database, and makes a worker on it.
func filledWorkspaces(t *testing.T, workspaces, days int) (*scaleRun, *rollup.Rollup) {
	t.Helper()
	o := enginetest.Database(t)
	conn, err := tables.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	r := &scaleRun{
		ScaleOptions: ScaleOptions{Workspaces: workspaces, Days: days, Progress: io.Discard},
		options:      o, conn: conn, now: time.Now(),
	}
	if filled, err := r.fillOnce(t.Context()); !filled || err != nil {
		t.Fatal(filled, err)
	}
	worker, err := rollup.New(rollup.Config{}, o, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { worker.Close() })
	return r, worker
}

// rowsOf counts the rows of each table that a worker writes.
func rowsOf(t *testing.T, conn driver.Conn) string {
	t.Helper()
	var counts []string
	for _, table := range append([]string{"slices", "months"}, rollupTables()...) {
		var n uint64
		if err := conn.QueryRow(t.Context(), "SELECT count() FROM "+table).Scan(&n); err != nil {
			t.Fatal(err)
		}
		counts = append(counts, fmt.Sprintf("%s %d", table, n))
	}
	return strings.Join(counts, ", ")
}
