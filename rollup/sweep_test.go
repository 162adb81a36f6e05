package rollup

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"rollcall/schema/tables"
)

func TestCleanKillsLosersFirstAndRemovesThemLater(t *testing.T) {
	db := newDatabase(t)
	db.cfg.DeadTime = time.Hour
	day := db.today - 3
	db.ingest(event{org: "acme", day: day, id: 1}, event{org: "acme", day: day - 40, id: 1},
		event{org: "globex", day: day, id: 1})
	db.once()
	db.ingest(event{org: "acme", day: day, id: 2}, event{org: "globex", day: day, id: 2})
	db.once()
	clean := func() {
		t.Helper()
		if err := db.Sweep(db.ctx); err != nil {
			t.Fatal(err)
		}
		for org, want := range map[string]uint64{"acme": 3, "globex": 2} {
			if n, plan := db.messages(org, day-50, db.today); n != want || len(plan.Live) != 0 {
				t.Errorf("%s: %d messages by %+v, want %d", org, n, plan, want)
			}
		}
	}
	const generations = "SELECT uniqExact(generation) FROM message_daily"
	_, planned := db.messages("acme", day, day)
	for range 2 { // again: nothing more
		clean()
		if n := db.count("SELECT count() FROM slices FINAL WHERE dead = 1"); n != 2 || db.count(generations) != 5 {
			t.Fatalf("%d dead manifests and %d generations, want 2 and 5", n, db.count(generations))
		}
	}
	db.cfg.DeadTime = time.Nanosecond
	clean()
	if n := db.count("SELECT count() FROM slices"); n != 3 || db.count(generations) != 3 {
		t.Errorf("%d manifests and %d generations left, want 3 of each", n, db.count(generations))
	}
	for outcome, want := range map[string]float64{dead: 2, removed: 2, orphaned: 0} {
		if n := value(db.metrics.cleaned.WithLabelValues(outcome)); n != want {
			t.Errorf("counted %v %s, want %v", n, outcome, want)
		}
	}
	// If no generation covers a slice, its newest generation stays: its age limits how often a
	// slice of today is recomputed.
	db.ingest(event{org: "acme", day: day, id: 3})
	if err := db.Sweep(db.ctx); err != nil {
		t.Fatal(err)
	}
	if n := db.count("SELECT count() FROM slices FINAL WHERE org_id = 'acme' AND day = {day:Date} AND dead = 0",
		named("day", day.String())); n != 1 {
		t.Errorf("%d manifests of a dirty slice left, want 1", n)
	}
	if len(planned.Generations) != 1 {
		t.Errorf("%+v", planned)
	}
}

func TestCleanRemovesWhatDeadWorkersLeft(t *testing.T) {
	db := newDatabase(t)
	day := db.today - 3
	db.ingest(event{org: "acme", day: day, id: 1})
	db.once()
	old := uuid.MustParse("01900000-0000-7000-8000-000000000001") // of 2024
	for _, generation := range []uuid.UUID{old, uuid.Must(uuid.NewV7())} {
		for _, d := range tables.Dailies() {
			db.exec("INSERT INTO "+d.Table+" (org_id, day, generation) SELECT 'acme', {day:Date}, {g:UUID}",
				named("day", day.String()), named("g", generation.String()))
		}
	}
	if err := db.Sweep(db.ctx); err != nil {
		t.Fatal(err)
	}
	for _, d := range tables.Dailies() {
		if n := db.count("SELECT count() FROM "+d.Table+" WHERE generation = {g:UUID}", named("g", old.String())); n != 0 {
			t.Errorf("%s: %d orphans left", d.Table, n)
		}
	}
	if n := db.count("SELECT uniqExact(generation) FROM message_daily"); n != 2 {
		t.Errorf("%d generations, want the manifest's and the one of a worker that may be at it", n)
	}
}

func TestCleanLeavesOlderRevisionsForADay(t *testing.T) {
	db := newDatabase(t)
	db.mark(tables.Slice{Org: "acme", Day: db.today - 3})
	old := uuid.Must(uuid.NewV7())
	// It has the older number: the clocks of the hosts that made the generations do not count.
	fresh := uuid.MustParse("01900000-0000-7000-8000-000000000001")
	for generation, hours := range map[uuid.UUID]int{old: 25, fresh: 23} {
		db.exec("INSERT INTO slices (org_id, day, generation, revision, written_at) SELECT 'acme', {day:Date}, {g:UUID}, 0, now64(3) - toIntervalHour({hours:Int64})",
			named("day", (db.today-3).String()), named("g", generation.String()), named("hours", hours))
	}
	newer := uuid.MustParse("01900000-0000-7000-8000-000000000002")
	db.exec("INSERT INTO slices (org_id, day, generation, revision) SELECT 'acme', {day:Date}, {g:UUID}, {r:UInt32}",
		named("day", (db.today-3).String()), named("g", newer.String()), named("r", tables.Revision+1))
	if err := db.Sweep(db.ctx); err != nil {
		t.Fatal(err)
	}
	for generation, dead := range map[uuid.UUID]uint64{old: 1, fresh: 0, newer: 0} {
		if n := db.count("SELECT sum(dead) FROM slices FINAL WHERE generation = {g:UUID}",
			named("g", generation.String())); n != dead {
			t.Errorf("generation %s: dead %d, want %d", generation, n, dead)
		}
	}
}
