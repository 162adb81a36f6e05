package rollup

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall/schema"
	"rollcall/schema/tables"
)

// closedMonths returns the last days of two closed months, the earlier first. Both are well within
// what is kept.
func (db *database) closedMonths() (first, second schema.Day) {
	second = tables.MonthEnd(db.today - 60)
	return tables.MonthEnd(second - 31), second
}

// fillMonths puts events of all types on days of two closed months of two orgs, and on today.
func fillMonths(db *database) {
	first, second := db.closedMonths()
	var events []event
	for _, org := range []string{"acme", "globex"} {
		for _, day := range []schema.Day{first - 20, first - 1, first, second - 25, second - 3, db.today} {
			for i := range 8 {
				for _, typ := range []string{"message", "action", "token", "workflow_run"} {
					events = append(events, event{org: org, day: day, typ: typ, id: i})
				}
			}
		}
	}
	db.ingest(events...)
	db.once()
}

const generationsOfMonths = "SELECT count() FROM months FINAL WHERE dead = 0"

// rowsOfMonths counts the rows of month generations in all tables, also of dead ones.
func (db *database) rowsOfMonths() (n uint64) {
	db.Helper()
	for _, d := range tables.Dailies() {
		n += db.count("SELECT count() FROM " + d.Table + " WHERE generation NOT IN (SELECT generation FROM slices)")
	}
	return n
}

func TestMonthsAreReadInPlaceOfTheirDays(t *testing.T) {
	db := newDatabase(t)
	first, second := db.closedMonths()
	want := func(what string, messages uint64, generations, live int) {
		t.Helper()
		n, plan := db.messages("acme", first-40, db.today)
		if n != messages || len(plan.Generations) != generations || len(plan.Live) != live {
			t.Errorf("%s: %d messages by %d generations and %v live; want %d, %d and %d", what, n, len(plan.Generations),
				plan.Live, messages, generations, live)
		}
	}
	fillMonths(db)
	want("two months and today", 48, 3, 0)
	if n := value(db.metrics.months.WithLabelValues(committed)); n != 4 || db.count(generationsOfMonths) != 4 {
		t.Errorf("%v months counted, %d manifests, want 4", n, db.count(generationsOfMonths))
	}
	db.once()
	if n := db.count("SELECT count() FROM months"); n != 4 {
		t.Errorf("%d manifests after a look at what is rolled up already", n)
	}

	db.ingest(event{org: "acme", day: first, id: 3}) // redelivered
	want("a redelivery", 48, 4, 1)
	db.once()
	want("a redelivery, recomputed", 48, 3, 0)
	db.ingest(event{org: "acme", day: first, id: 100})
	want("a late event", 49, 4, 1)
	db.once()
	want("a late event, recomputed", 49, 3, 0)
	db.ingest(event{org: "acme", day: second - 1, id: 100})
	db.once()
	want("a late event of a day that had none", 50, 3, 0)
	if n := db.count("SELECT count() FROM months"); n != 7 {
		t.Errorf("%d manifests, want 4 and 3 made again", n)
	}
	if _, err := db.Verify(db.ctx, Filter{}, func(d Difference) { t.Errorf("%+v", d) }, nil); err != nil {
		t.Error(err)
	}
}

// A month with one slice is not merged, because that slice is the whole month. A month that is not
// over is not merged, because it changes all day.
func TestMonthsThatAreNotRolledUp(t *testing.T) {
	db := newDatabase(t)
	_, end := db.closedMonths()
	db.ingest(event{org: "alone", day: end, id: 1})
	db.ingest(event{org: "open", day: end - 1, id: 1}, event{org: "open", day: end - 2, id: 1})
	db.now = func() time.Time { return end.Time().Add(23 * time.Hour) }
	db.once()
	if n := db.count("SELECT count() FROM months"); n != 0 {
		t.Errorf("%d months rolled up", n)
	}
	db.now = func() time.Time { return end.Time().Add(25 * time.Hour) }
	db.once()
	if n := db.count("SELECT count() FROM months WHERE org_id = 'open'"); n != 1 ||
		db.count("SELECT count() FROM months") != 1 {
		t.Errorf("%d months rolled up on the day after", n)
	}
}

func TestBatchesOfMonthsKeepToTheirLimits(t *testing.T) {
	db := newDatabase(t)
	day := func(n uint64) tables.SliceState { return tables.SliceState{Rows: []uint64{n, 0, n, 0}} }
	var months []tables.MonthState
	for _, m := range []struct {
		org  string
		end  schema.Day
		days []tables.SliceState
	}{
		{"a", 100, []tables.SliceState{day(1), day(1)}}, {"a", 131, []tables.SliceState{day(1), day(1)}},
		{"b", 100, []tables.SliceState{day(1), day(2)}},
		{"c", 100, []tables.SliceState{day(1), day(1)}}, {"d", 100, []tables.SliceState{day(100), day(1)}},
		{"e", 100, []tables.SliceState{day(1), day(1)}},
	} {
		months = append(months, tables.MonthState{Slice: tables.Slice{Org: m.org, Day: m.end}, Days: m.days})
	}
	db.cfg.BatchSlices = 4
	db.cfg.BatchRows = 12
	var got []string
	for _, batch := range db.monthBatches(months) {
		text := ""
		for _, m := range batch {
			text += m.Org
		}
		got = append(got, text)
	}
	if want := "ab c d e a"; strings.Join(got, " ") != want {
		t.Errorf("batches %v, want %s", got, want)
	}
}

// If a sweeper removed rows before the merge read them, the month gets no manifest. The other orgs
// of the batch get theirs.
func TestAMonthWithoutAllOfItsRowsIsNotCommitted(t *testing.T) {
	db := newDatabase(t)
	_, end := db.closedMonths()
	for _, org := range []string{"acme", "globex"} {
		db.ingest(event{org: org, day: end, id: 1}, event{org: org, day: end - 1, id: 1},
			event{org: org, day: end - 1, id: 2})
	}
	if _, err := db.recomputeAll(db.ctx, db.dirty()); err != nil {
		t.Fatal(err)
	}
	months := db.months("")
	if len(months) != 2 {
		t.Fatal(months)
	}
	db.exec("DELETE FROM message_daily WHERE org_id = 'acme' AND generation = {g:UUID} AND user_id = 'u1'",
		named("g", months[0].Days[0].Generation.String()))
	if err := db.rollMonth(db.ctx, months); err != nil {
		t.Fatal(err)
	}
	if n := db.count("SELECT count() FROM months WHERE org_id = 'acme'"); n != 0 ||
		db.count("SELECT count() FROM months") != 1 {
		t.Errorf("%d of the org whose rows went, %d in all", n, db.count("SELECT count() FROM months"))
	}
	if n := value(db.metrics.months.WithLabelValues(moved)); n != 1 ||
		value(db.metrics.months.WithLabelValues(committed)) != 1 {
		t.Errorf("%v moved and %v committed", n, value(db.metrics.months.WithLabelValues(committed)))
	}
}

func TestCleanKeepsMonthsAndRemovesLostOnes(t *testing.T) {
	db := newDatabase(t)
	first, _ := db.closedMonths()
	fillMonths(db)
	db.cfg.OrphanTime = time.Nanosecond
	db.cfg.DeadTime = time.Hour
	clean := func(what string, manifests, dead uint64) {
		t.Helper()
		if err := db.Sweep(db.ctx); err != nil {
			t.Fatal(err)
		}
		if n := db.count("SELECT sum(dead) FROM months FINAL"); n != dead ||
			db.count("SELECT count() FROM months FINAL") != manifests {
			t.Errorf("%s: %d of %d manifests are dead, want %d of %d", what, n, db.count("SELECT count() FROM months FINAL"),
				dead, manifests)
		}
	}
	rows := db.rowsOfMonths()
	clean("all right", 4, 0)
	if n := db.rowsOfMonths(); n != rows || n == 0 {
		t.Errorf("%d rows of months left of %d", n, rows)
	}
	db.ingest(event{org: "acme", day: first, id: 100})
	clean("a day is dirty: it may become what it was", 4, 0)
	db.cfg.OrphanTime = time.Hour
	db.once()
	clean("made again", 5, 1)
	if n, plan := db.messages("acme", first-40, db.today); n != 49 || len(plan.Generations) != 3 {
		t.Errorf("%d messages by %+v", n, plan)
	}
	db.cfg.DeadTime = time.Nanosecond
	clean("removed", 4, 0)
	const left = "SELECT uniqExact(generation) FROM message_daily WHERE generation NOT IN (SELECT generation FROM slices)"
	if n := db.count(left); n != 4 {
		t.Errorf("rows of %d months left", n)
	}
	db.now = func() time.Time { return (first - 20).Time().AddDate(1, 0, 1) } // the end of the first slice's rollups
	clean("the first month ends", 2, 0)
	if n := db.count(left); n != 2 {
		t.Errorf("rows of %d months left, want the second's of two orgs", n)
	}
}

// An older binary knows nothing of months, so its sweeper takes their rows for orphans. Exports
// stay exact, and a sweeper of this binary marks these months dead, so that they are merged again.
func TestMonthsWhoseRowsWentAreMadeAgain(t *testing.T) {
	db := newDatabase(t)
	first, _ := db.closedMonths()
	fillMonths(db)
	db.exec("DELETE FROM message_daily WHERE org_id = 'acme' AND generation NOT IN (SELECT generation FROM slices)")
	read := func(what string, generations int) {
		t.Helper()
		if n, plan := db.messages("acme", first-40, db.today); n != 48 || len(plan.Generations) != generations {
			t.Errorf("%s: %d messages by %d generations, want 48 by %d", what, n, len(plan.Generations), generations)
		}
	}
	read("rows are gone", 6)
	if err := db.Sweep(db.ctx); err != nil {
		t.Fatal(err)
	}
	if n := db.count(generationsOfMonths); n != 2 {
		t.Errorf("%d months alive, want globex's two", n)
	}
	db.once()
	read("made again", 3)
}

func TestForgetTakesMonthsToo(t *testing.T) {
	db := newDatabase(t)
	first, _ := db.closedMonths()
	fillMonths(db)
	old := db.months("acme")
	before := others(db)
	all, _ := db.messages("acme", first-40, db.today)
	err := db.Forget(db.ctx, []byte("secret"), "acme", "u0", func(done, _ int) {
		if done == 2 { // after the person's days were found, another worker merges the months
			if err := db.rollMonths(db.ctx, Filter{Org: "acme"}); err != nil {
				t.Error(err)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	unchanged(t, before, others(db))
	if n := db.count("SELECT sum(generation IN (SELECT generation FROM months FINAL WHERE dead = 0)) FROM message_daily WHERE org_id = 'acme' AND user_id = 'u0'"); n != 0 {
		t.Errorf("%d rows of months that are not dead name the person", n)
	}
	if n, plan := db.messages("acme", first-40, db.today); n != all-18 || len(plan.Live) != 0 {
		t.Errorf("%d messages of %d, %+v", n, all, plan)
	}
	// A merge that began before the erasure and ends after it finds its rows gone.
	for _, batch := range db.monthBatches(slices.DeleteFunc(old,
		func(m tables.MonthState) bool { return len(m.Days) < 2 })) {
		if err := db.rollMonth(db.ctx, batch); err != nil {
			t.Error(err)
		}
	}
	if n := value(db.metrics.months.WithLabelValues(moved)); n != 2 {
		t.Errorf("%v of them saw it", n)
	}
	db.cfg.DeadTime = time.Nanosecond
	db.cfg.OrphanTime = time.Nanosecond
	if err := db.Sweep(db.ctx); err != nil {
		t.Fatal(err)
	}
	gone(db)
	db.cfg.OrphanTime = time.Hour
	db.once()
	gone(db)
	if n, plan := db.messages("acme", first-40, db.today); n != all-18 || len(plan.Generations) != 3 {
		t.Errorf("rolled up again: %d messages of %d, %+v", n, all, plan)
	}
}

func TestVerifyComparesMonthsAndRebuildRepairsThem(t *testing.T) {
	db := newDatabase(t)
	first, second := db.closedMonths()
	fillMonths(db)
	verify := func(f Filter) (found []string) {
		t.Helper()
		if _, err := db.Verify(db.ctx, f, func(d Difference) {
			found = append(found, fmt.Sprintf("%s %s %v %s: %s|%s|%s", d.Org, d.Day, d.Month, d.Table, d.Key, d.Rolled, d.Log))
		}, nil); err != nil {
			t.Fatal(err)
		}
		return found
	}
	// If a day of a month differs, Verify reports the day and not the month.
	db.exec("ALTER TABLE action_daily UPDATE messages = 77 WHERE org_id = 'acme' AND day = '" + first.String() +
		"' AND user_id = 'u1' AND assistant_id = 'a0' AND generation IN (SELECT generation FROM months) SETTINGS mutations_sync = 2")
	db.exec("ALTER TABLE workflow_daily UPDATE runs = 77 WHERE org_id = 'globex' AND day = '" + (second - 3).String() +
		"' AND user_id = 'u1' AND duration_ms_max = 100 SETTINGS mutations_sync = 2")
	want := []string{
		fmt.Sprintf("acme %s true action_daily: user_id=u1 action=canvas model=gpt assistant_id=a0 project_id= workflow_id=w1|messages=77|messages=3", first),
		fmt.Sprintf("globex %s false workflow_daily: workflow_id=w1 user_id=u1 status=succeeded error_type= trigger= duration_bucket=100|runs=77 duration_ms_sum=100 duration_ms_max=100|runs=1 duration_ms_sum=100 duration_ms_max=100", second-3),
	}
	if found := verify(Filter{}); !slices.Equal(found, want) {
		t.Errorf("found\n%s\nwant\n%s", strings.Join(found, "\n"), strings.Join(want, "\n"))
	}
	if found := verify(Filter{Org: "acme", From: first - 50, To: first}); !slices.Equal(found, want[:1]) {
		t.Errorf("in its month alone: %v", found)
	}
	for round := 0; round < 12 && value(db.metrics.differences) < 3; round++ { // the watch comes by too
		if err := db.verifyNext(db.ctx); err != nil {
			t.Fatal(err)
		}
	}
	if n := value(db.metrics.differences); n < 3 { // the day, its month, and the other month
		t.Errorf("the watch found %v differences, want 3 a round", n)
	}
	if _, err := db.Rebuild(db.ctx, Filter{Org: "acme", From: first, To: first}, nil); err != nil { // a day of it
		t.Fatal(err)
	}
	if _, err := db.Rebuild(db.ctx, Filter{Org: "globex"}, nil); err != nil {
		t.Fatal(err)
	}
	if found := verify(Filter{}); len(found) != 0 {
		t.Errorf("after a rebuild: %v", found)
	}
	if n, plan := db.messages("globex", first-40, db.today); n != 48 || len(plan.Generations) != 3 {
		t.Errorf("%d messages by %+v", n, plan)
	}
}

// Run merges months beside its other work.
func TestRunRollsMonthsUp(t *testing.T) {
	db := newDatabase(t)
	first, _ := db.closedMonths()
	db.ingest(event{org: "acme", day: first, id: 1}, event{org: "acme", day: first - 1, id: 1})
	db.cfg.SettleTime = time.Nanosecond
	db.cfg.Poll = time.Millisecond
	db.cfg.SweepEvery = time.Millisecond
	ctx, stop := context.WithTimeout(db.ctx, time.Minute)
	defer stop()
	ended := make(chan error)
	go func() { ended <- db.Run(ctx) }()
	for value(db.metrics.months.WithLabelValues(committed)) == 0 && ctx.Err() == nil {
		time.Sleep(10 * time.Millisecond) // between two looks
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if n, plan := db.messages("acme", first-40, db.today); n != 2 || len(plan.Generations) != 1 {
		t.Errorf("%d messages by %+v", n, plan)
	}
}
