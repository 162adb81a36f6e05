package rollup

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall/schema"
	"rollcall/schema/tables"
)

// A look reads the marks that are new, not those of thirteen months.
func TestALookReadsWhatIsNew(t *testing.T) {
	db := newDatabase(t)
	const orgs = 400
	for month := range 12 {
		db.exec(fmt.Sprintf(`INSERT INTO marks (org_id, day, writer, seq, marked_at)
SELECT concat('org-', toString(number %% %d)), {day:Date} - intDiv(number, %[1]d), generateUUIDv4(), 1, {day:Date}
FROM numbers(28 * %[1]d)`, orgs), named("day", (db.today-3-schema.Day(30*month)).String()))
	}
	all := db.count("SELECT count() FROM marks")
	db.mark(tables.Slice{Org: "org-7", Day: db.today - 3})
	if err := db.look(db.ctx); err != nil {
		t.Fatal(err)
	}
	if len(db.watched.slices) != 1 {
		t.Errorf("%d slices of %d marks are watched, want the one that is new", len(db.watched.slices), all)
	}
	var read struct {
		Rows uint64 `ch:"rows"`
	}
	rows, err := db.conn.Query(db.ctx, "EXPLAIN ESTIMATE "+newMarks, db.newMarksArgs()...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var database, table string
		var parts, marks uint64
		if err := rows.Scan(&database, &table, &parts, &read.Rows, &marks); err != nil {
			t.Fatal(err)
		}
	}
	if read.Rows == 0 || read.Rows > all/10 {
		t.Errorf("a look reads %d of %d marks", read.Rows, all)
	}
}

// A slice that a look found is recomputed when it has settled, and looked at again only if it is
// marked again.
func TestALookRemembersWhatItSaw(t *testing.T) {
	db := newDatabase(t)
	db.cfg.SettleTime = time.Nanosecond
	a := event{org: "acme", day: db.today - 3, id: 1}
	work := func(watched int, generations uint64) {
		t.Helper()
		if err := db.work(db.ctx); err != nil {
			t.Fatal(err)
		}
		if err := db.work(db.ctx); err != nil { // the first has recomputed it, the second sees that
			t.Fatal(err)
		}
		if n := db.count("SELECT count() FROM slices"); len(db.watched.slices) != watched || n != generations {
			t.Errorf("%d slices watched, %d generations; want %d and %d", len(db.watched.slices), n, watched, generations)
		}
	}
	work(0, 0)
	db.ingest(a)
	work(0, 1)
	work(0, 1)
	db.ingest(a)
	work(0, 2)
	db.cfg.SettleTime = time.Hour
	db.ingest(a)
	work(1, 2)
	if plan := db.planOf(a); len(plan.Live) != 1 {
		t.Errorf("a slice that has not settled is read by %+v", plan)
	}
}

// What no look finds is read from the log until the round comes to it: here a mark whose time is
// long past, as a part brings it that became visible late.
func TestTheRoundFindsWhatALookMisses(t *testing.T) {
	db := newDatabase(t)
	db.cfg.SettleTime = time.Nanosecond
	seen := event{org: "acme", day: db.today - 3, id: 1}
	missed := event{org: "globex", day: db.today - 40, id: 2}
	db.ingest(seen)
	db.goRounds(1)
	db.store(missed)
	db.exec("INSERT INTO marks (org_id, day, writer, seq, marked_at) SELECT {org:String}, {day:Date}, generateUUIDv4(), 1, now64(3) - toIntervalDay(2)",
		named("org", missed.org), named("day", missed.day.String()))
	if err := db.work(db.ctx); err != nil {
		t.Fatal(err)
	}
	if plan := db.planOf(missed); len(plan.Live) != 1 {
		t.Errorf("before the round: %+v", plan)
	}
	db.round.began = db.round.began.Add(-db.cfg.SweepEvery)
	db.goRounds(1)
	for _, e := range []event{seen, missed} {
		if plan := db.planOf(e); len(plan.Generations) != 1 {
			t.Errorf("after the round: %+v", plan)
		}
	}
}

// The worker whose round finds that rows are gone makes them again at its next look.
func TestAWorkerHealsWhatItsRoundFinds(t *testing.T) {
	db := newDatabase(t)
	db.cfg.SettleTime = time.Nanosecond
	e := event{org: "acme", day: db.today - 3, id: 1}
	db.ingest(e)
	work := func() {
		t.Helper()
		if err := db.work(db.ctx); err != nil {
			t.Fatal(err)
		}
	}
	work()
	work() // sees that it is clean
	db.exec("DELETE FROM message_daily WHERE org_id = 'acme'")
	db.goRounds(1)
	work()
	if plan := db.planOf(e); len(plan.Generations) != 1 || plan.Rows["message_daily"] != 1 {
		t.Errorf("%+v", plan)
	}
	if n := db.count("SELECT count() FROM message_daily"); n != 1 {
		t.Errorf("%d rows", n)
	}
}

// With a watchlist that is full, the round finds the other slices.
func TestAFullWatchlistLosesNothing(t *testing.T) {
	db := newDatabase(t)
	db.cfg.SettleTime = time.Nanosecond
	db.cfg.MaxWatched = 2
	var events []event
	for i := range 7 {
		events = append(events, event{org: fmt.Sprintf("org-%d", i), day: db.today - 3, id: i})
	}
	db.ingest(events...)
	if err := db.look(db.ctx); err != nil || len(db.watched.slices) != 2 {
		t.Errorf("%d slices watched, %v", len(db.watched.slices), err)
	}
	db.goRounds(1)
	for _, e := range events {
		if plan := db.planOf(e); len(plan.Generations) != 1 {
			t.Errorf("%+v", plan)
		}
	}
	if len(db.touched) > 2 {
		t.Errorf("%d slices remembered", len(db.touched))
	}
}

// goRounds lets the worker go so many rounds, or fails.
func (db *database) goRounds(n int) {
	db.Helper()
	for range n {
		for page := 0; ; page++ {
			db.round.rest = time.Time{}
			if _, err := db.goRound(db.ctx); err != nil {
				db.Fatal(err)
			}
			if db.round.pages == nil {
				break
			}
			if page == 100 {
				db.Fatal("a round without end")
			}
		}
	}
}

// planOf is the plan for an event's slice.
func (db *database) planOf(e event) tables.Plan {
	db.Helper()
	plan, err := tables.ReadPlan(db.ctx, db.conn, tables.Span{Org: e.org, From: e.day, To: e.day}, time.Now())
	if err != nil {
		db.Fatal(err)
	}
	return plan
}

// The pages of a filter have each of its slices once, no page has more slices than the limit, and
// each has whole months if the filter has.
func TestPagesHaveEverySliceOnce(t *testing.T) {
	db := newDatabase(t)
	db.cfg.PageSlices = 3 * 31
	names := []string{
		"", "a", "a\x00", "a\x00b", "a\x01", "aa", "A", "ab", "b'\\\t\n", "ä", "日本", strings.Repeat("z", 256), "\xff",
	}
	first := tables.MonthStart(db.today) - 100
	var all []tables.Slice
	for i, org := range names {
		for day := first + schema.Day(i); day < db.today; day += schema.Day(7 + i) {
			all = append(all, tables.Slice{Org: org, Day: day})
		}
	}
	db.mark(all...)
	for _, f := range []Filter{
		{}, {Org: "ab"}, {Org: "nobody"}, {From: first + 50}, {To: first + 50}, {From: first + 33, To: first + 35},
		{FromOrg: "a\x00b", ToOrg: "b'\\\t\n"}, {FromOrg: tables.AfterOrg("a")},
	} {
		var want, got []tables.Slice
		for _, s := range all {
			in := (f.Org == "" || f.Org == s.Org) && f.FromOrg <= s.Org && (f.ToOrg == "" || s.Org <= f.ToOrg) &&
				f.From <= s.Day && (f.To == 0 || s.Day <= f.To)
			if in {
				want = append(want, s)
			}
		}
		err := db.eachPage(db.ctx, f, func(page Filter) error {
			states, err := db.states(db.ctx, page)
			if len(states) > db.cfg.PageSlices || month(page.From) != month(page.To) {
				t.Errorf("%+v: a page %+v of %d slices", f, page, len(states))
			}
			for _, s := range states {
				got = append(got, s.Slice)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, list := range [][]tables.Slice{want, got} {
			slices.SortFunc(list, func(a, b tables.Slice) int {
				return cmp.Or(strings.Compare(a.Org, b.Org), cmp.Compare(a.Day, b.Day))
			})
		}
		if !slices.Equal(got, want) {
			t.Errorf("%+v: %d slices %q, want %d %q", f, len(got), got, len(want), want)
		}
		if n, err := db.countSlices(db.ctx, f); err != nil || n != len(want) {
			t.Errorf("%+v: %d slices are counted, want %d, %v", f, n, len(want), err)
		}
	}
}

// After its first round a worker rests longer than it worked, unless there was something to do.
func TestARoundRests(t *testing.T) {
	db := newDatabase(t)
	db.cfg.PageSlices = 31
	now := time.Now()
	db.now = func() time.Time { now = now.Add(time.Second); return now }
	for i := range 4 {
		db.ingest(event{org: fmt.Sprintf("org-%d", i), day: db.today - 3, id: 1})
	}
	db.once()
	pages := func() (n int, rested time.Duration) {
		t.Helper()
		for began := now; ; n++ {
			again, err := db.goRound(db.ctx)
			if err != nil {
				t.Fatal(err)
			}
			if db.round.pages == nil {
				return n, now.Sub(began)
			}
			if !again && db.round.rest.After(now) {
				now = db.round.rest
			}
		}
	}
	if n, took := pages(); n < 4 || took > time.Minute*time.Duration(n) {
		t.Errorf("the first round rested: %d pages in %s", n, took)
	}
	if again, err := db.goRound(db.ctx); again || err != nil || db.round.pages != nil {
		t.Errorf("the next round began at once, %v", err)
	}
	now = now.Add(db.cfg.SweepEvery)
	if n, took := pages(); n < 4 || took < time.Minute*time.Duration(n) {
		t.Errorf("the second round did not rest: %d pages in %s", n, took)
	}
}

// Generations that this worker replaced are marked dead and removed without waiting for a round.
func TestWhatAWorkerReplacedIsSwept(t *testing.T) {
	db := newDatabase(t)
	e := event{org: "acme", day: db.today - 3, id: 1}
	db.ingest(e)
	db.once()
	db.ingest(e)
	db.once()
	sweep := func(alive, rows uint64) {
		t.Helper()
		if err := db.sweepTouched(db.ctx); err != nil {
			t.Fatal(err)
		}
		n := db.count("SELECT count() FROM slices FINAL WHERE dead = 0")
		if m := db.count("SELECT count() FROM message_daily"); n != alive || m != rows {
			t.Errorf("%d generations alive, %d rows; want %d and %d", n, m, alive, rows)
		}
	}
	sweep(1, 2)
	db.cfg.DeadTime = time.Nanosecond
	sweep(1, 1)
	db.now = func() time.Time { return time.Now().Add(time.Hour) }
	sweep(1, 1)
	if len(db.touched) != 0 {
		t.Errorf("%d slices are still remembered", len(db.touched))
	}
}
