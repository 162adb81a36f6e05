package tables_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"

	"rollcall/schema"
	"rollcall/schema/tables"
)

func TestPlanSaysWhereEachSliceIsRead(t *testing.T) {
	db := newDatabase(t)
	w1 := uuid.New()
	w2 := uuid.New()
	old := uuid.MustParse("01900000-0000-7000-8000-000000000001")
	chosen := uuid.MustParse("01900000-0000-7000-8000-000000000002")
	other := uuid.MustParse("01900000-0000-7000-8000-ffff00000003")
	day := db.today - 200
	var clean, live []schema.Day
	for _, c := range []struct {
		name      string
		marks     map[uuid.UUID]int
		manifests []manifest
		clean     bool
	}{
		{"no mark, so nothing acknowledged", nil, []manifest{{covered: map[uuid.UUID]uint64{w1: 3}, version: 9, rows: 1}},
			false},
		{"no manifest", map[uuid.UUID]int{w1: 1}, nil, false},
		{"covered", map[uuid.UUID]int{w1: 2, w2: 5},
			[]manifest{{generation: chosen, covered: map[uuid.UUID]uint64{w1: 2, w2: 5}, version: 5, rows: 2}}, true},
		{"covers more than is marked", map[uuid.UUID]int{w1: 2},
			[]manifest{{generation: chosen, covered: map[uuid.UUID]uint64{w1: 3, w2: 1}, version: 5, rows: 3}}, true},
		{"an older mark of one writer", map[uuid.UUID]int{w1: 2, w2: 5},
			[]manifest{{covered: map[uuid.UUID]uint64{w1: 2, w2: 4}, version: 5}}, false},
		{"a writer that is not covered", map[uuid.UUID]int{w1: 2, w2: 1},
			[]manifest{{covered: map[uuid.UUID]uint64{w1: 9}, version: 5}}, false},
		{"a mark of seq 0 of a writer that is not covered", map[uuid.UUID]int{w1: 0},
			[]manifest{{covered: map[uuid.UUID]uint64{w2: 1}, version: 5}}, false},
		{"two manifests that cover half each", map[uuid.UUID]int{w1: 1, w2: 1}, []manifest{
			{covered: map[uuid.UUID]uint64{w1: 1}, version: 5}, {covered: map[uuid.UUID]uint64{w2: 1}, version: 6},
		}, false},
		{"dead", map[uuid.UUID]int{w1: 1},
			[]manifest{{generation: old, covered: map[uuid.UUID]uint64{w1: 1}, version: 5, rows: 1},
				{generation: old, covered: map[uuid.UUID]uint64{w1: 1}, version: 5, rows: 1, dead: 1}}, false},
		{"another revision", map[uuid.UUID]int{w1: 1},
			[]manifest{{covered: map[uuid.UUID]uint64{w1: 1}, version: 5, revision: tables.Revision + 1}}, false},
		{"the highest version", map[uuid.UUID]int{w1: 1},
			[]manifest{{generation: old, covered: map[uuid.UUID]uint64{w1: 1}, version: 5, rows: 7},
				{generation: chosen, covered: map[uuid.UUID]uint64{w1: 1}, version: 6, rows: 4},
				{generation: other, covered: map[uuid.UUID]uint64{w1: 1}, version: 2, rows: 7}}, true},
		{"the highest that covers", map[uuid.UUID]int{w1: 2},
			[]manifest{{generation: old, covered: map[uuid.UUID]uint64{w1: 1}, version: 8, rows: 7},
				{generation: chosen, covered: map[uuid.UUID]uint64{w1: 2}, version: 6, rows: 4}}, true},
		{"of equal versions the newest generation", map[uuid.UUID]int{w1: 1},
			[]manifest{{generation: old, covered: map[uuid.UUID]uint64{w1: 1}, version: 5, rows: 7},
				{generation: chosen, covered: map[uuid.UUID]uint64{w1: 1}, version: 5, rows: 4}}, true},
	} {
		day++
		for writer, seq := range c.marks {
			db.mark("acme", day, writer, seq)
		}
		for _, m := range c.manifests {
			db.manifest("acme", day, m)
		}
		p := db.plan("acme", day, day, time.Now())
		switch {
		case c.clean && (len(p.Live) != 0 || !slices.Equal(p.Generations, []uuid.UUID{chosen}) ||
			int(p.Rows["message_daily"]) != rowsOf(c.manifests, chosen)):
			t.Errorf("%s: %+v, want generation %s", c.name, p, chosen)
		case !c.clean && (len(p.Generations) != 0 || len(p.Live) != min(len(c.marks), 1)):
			t.Errorf("%s: %+v, want it read live", c.name, p)
		}
		if clean = append(clean, day); !c.clean {
			clean = clean[:len(clean)-1]
			if len(c.marks) > 0 {
				live = append(live, day)
			}
		}
	}
	db.mark("globex", day, w1, 7)
	p := db.plan("acme", db.today-300, db.today+1, time.Now())
	if len(p.Generations) != len(clean) || !slices.Equal(p.Live, live) {
		t.Errorf("all days: %d generations and live %v, want %d and %v", len(p.Generations), p.Live, len(clean), live)
	}
	if p := db.plan("acme", db.today, db.today-1, time.Now()); len(p.Generations)+len(p.Live) != 0 ||
		p.VersionOf(p.Live...) != "0" {
		t.Errorf("an empty period: %+v", p)
	}
}

func rowsOf(all []manifest, generation uuid.UUID) int {
	for _, m := range all {
		if m.generation == generation {
			return m.rows
		}
	}
	return 0
}

// The rollup rows of a day live as long as the engine's TTL. A day that can still be exported after
// that is read from the log. The days of this test are far from the engine's own clock, which Alive
// also compares.
func TestPlanReadsADayLiveOnceItsRollupsMayBeGone(t *testing.T) {
	db := newDatabase(t)
	w := uuid.New()
	date := func(text string) time.Time {
		d, err := time.Parse("2006-01-02 15:04", text)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for _, c := range []struct {
		name, day, now string
		clean          bool
	}{
		{"the earliest date of an ordinary day", "2097-11-24", "2098-11-24 22:00", true},
		{"within the margin of its last hour", "2097-11-24", "2098-11-24 23:00", false},
		{"the day before, for zones behind UTC", "2097-11-23", "2098-11-24 00:30", false},
		{"29 February, on the 28th", "2096-02-29", "2097-02-28 12:00", true},
		{"29 February, a day later", "2096-02-29", "2097-03-01 00:00", false},
		{"28 February, seen from 29 February", "2095-02-28", "2096-02-29 12:00", false},
	} {
		day := schema.DayOf(date(c.day + " 00:00"))
		now := date(c.now)
		db.exec("TRUNCATE TABLE marks")
		db.exec("TRUNCATE TABLE slices")
		db.exec("SYSTEM STOP TTL MERGES")
		db.mark("acme", day, w, 1)
		db.manifest("acme", day, manifest{covered: map[uuid.UUID]uint64{w: 1}, version: 1})
		p := db.plan("acme", day, day, now)
		if len(p.Generations)+len(p.Live) != 1 || (len(p.Generations) == 1) != c.clean {
			t.Errorf("%s: %+v, want clean %v", c.name, p, c.clean)
		}
		states, err := tables.SliceStates(db.ctx, db, tables.Filter{}, true, now)
		if err != nil || len(states) != 0 {
			t.Errorf("%s: %v, %v: nothing is to be recomputed", c.name, states, err)
		}
		if schema.Earliest(schema.DayOf(now)) <= day && !c.clean {
			t.Logf("%s: exportable, from the log", c.name)
		}
	}
	db.exec("SYSTEM START TTL MERGES")
}

func TestGuardsHoldAReadToItsPlan(t *testing.T) {
	db := newDatabase(t)
	w := uuid.New()
	day := db.today - 5
	generation := uuid.Must(uuid.NewV7())
	db.mark("acme", day, w, 1)
	db.manifest("acme", day, manifest{generation: generation, covered: map[uuid.UUID]uint64{w: 1}, version: 1, rows: 5})
	db.manifest("acme", day, manifest{covered: map[uuid.UUID]uint64{w: 0}, version: 1, rows: 50})
	db.events("acme", day+1, 0, 10, 2)
	db.mark("acme", day+1, w, 1)
	p := db.plan("acme", day-1, day+2, time.Now())
	guard := tables.Messages.Guard() + " = 0"
	liveGuard := liveGuard(p) + " = 0"
	if n, err := db.follow(p, guard+" AND "+liveGuard); err != nil || n != 15 {
		t.Fatalf("%d messages by %+v, %v", n, p, err)
	}

	db.events("acme", day+1, 5, 10, 2) // five of them are there already
	if n, err := db.follow(p, guard+" AND "+liveGuard); !tables.StaleVersion(err) || tables.Stale(err) {
		t.Errorf("a moved log under its guard: %d, %v", n, err)
	}
	if n, err := db.follow(p, guard); err != nil || n != 20 {
		t.Errorf("a moved log without its guard: %d, %v", n, err)
	}
	db.exec("DELETE FROM message_daily WHERE generation = {g:UUID} AND user_id = '3'", named("g", generation.String()))
	if n, err := db.follow(p, guard); !tables.Stale(err) || tables.StaleVersion(err) {
		t.Errorf("a sweeper was faster: %d, %v", n, err)
	}
}

// liveGuard is the guard of the slices that the plan reads from the log.
func liveGuard(p tables.Plan) string {
	return tables.VersionGuard(tables.LiveWhere, "toUInt256('"+p.VersionOf(p.Live...)+"')")
}

// A statement that finds no row evaluates nothing per row. Its guards must fail it all the same.
func TestGuardsHoldAReadThatFindsNothing(t *testing.T) {
	db := newDatabase(t)
	w := uuid.New()
	day := db.today - 5
	db.mark("acme", day, w, 1)
	db.manifest("acme", day, manifest{covered: map[uuid.UUID]uint64{w: 1}, version: 1, rows: 5})
	db.events("acme", day+1, 0, 10, 2)
	db.mark("acme", day+1, w, 1)
	rolled := db.plan("acme", day, day, time.Now())
	live := db.plan("acme", day+1, day+1, time.Now())
	db.exec("TRUNCATE TABLE message_daily")
	db.exec("TRUNCATE TABLE events")
	if n, err := db.follow(rolled, tables.Messages.Guard()+" = 0"); !tables.Stale(err) {
		t.Errorf("no row of a generation is left: %d, %v", n, err)
	}
	if n, err := db.follow(live, liveGuard(live)+" = 0"); !tables.StaleVersion(err) {
		t.Errorf("no event of a day is left: %d, %v", n, err)
	}
	p := rolled.Params()
	p["entity_events"] = "1"
	p["entity_digest"] = "1"
	var n uint64
	err := db.QueryRow(clickhouse.Context(db.ctx, clickhouse.WithParameters(p)),
		"SELECT count() FROM entities WHERE "+tables.EntityGuard()+" = 0").Scan(&n)
	if !tables.StaleVersion(err) {
		t.Errorf("no entity is left: %d, %v", n, err)
	}
}

// The plan after a stale one counts rows: it reads a generation from the log if rows are missing.
func TestACountingPlanReadsShortGenerationsFromTheLog(t *testing.T) {
	db := newDatabase(t)
	w := uuid.New()
	day := db.today - 5
	var generations []uuid.UUID
	for i := range schema.Day(3) {
		generations = append(generations, uuid.Must(uuid.NewV7()))
		db.events("acme", day+i, 0, 2, 2)
		db.mark("acme", day+i, w, 1)
		db.manifest("acme", day+i, manifest{
			generation: generations[i], covered: map[uuid.UUID]uint64{w: 1}, version: 6, rows: 2,
		})
	}
	db.exec("DELETE FROM message_daily WHERE generation = {g:UUID}", named("g", generations[0].String()))
	db.exec("INSERT INTO token_daily (org_id, day, generation) SELECT 'acme', {day:Date}, {g:UUID}",
		named("day", (day+1).String()), named("g", generations[1].String()))
	span := tables.Span{Org: "acme", From: day, To: day + 2}
	for _, c := range []struct {
		span tables.Span
		live []schema.Day
		of   []uuid.UUID
	}{{span, nil, generations}, {span.Counting(), []schema.Day{day, day + 1}, generations[2:]}} {
		p, err := tables.ReadPlan(db.ctx, db, c.span, time.Now())
		if err != nil || !slices.Equal(p.Live, c.live) || !slices.Equal(p.Generations, c.of) ||
			p.Rows["message_daily"] != uint64(2*len(c.of)) {
			t.Errorf("%+v: %+v, %v", c.span, p, err)
		}
		if version := p.VersionOf(p.Live...); version != fmt.Sprint(6*len(c.live)) {
			t.Errorf("version of the live part %s", version)
		}
	}
}

func TestPlanVersionsFollowTheDataAlone(t *testing.T) {
	db := newDatabase(t)
	w := uuid.New()
	day := db.today - 5
	seen := map[string]string{}
	digest := func(what string) string {
		p := db.plan("acme", day-1, day+1, time.Now())
		seen[p.Versions] = what
		return p.Versions
	}
	fresh := func(what string) string {
		t.Helper()
		before := len(seen)
		d := digest(what)
		if len(seen) == before {
			t.Errorf("%s: the digest is that of before", what)
		}
		return d
	}
	fresh("nothing")
	db.events("acme", day, 0, 3, 2)
	db.mark("acme", day, w, 1)
	events := fresh("three events")
	version := db.text("SELECT " + tables.SliceVersion + " FROM events FINAL WHERE org_id = 'acme'")
	if version != "9" {
		t.Errorf("version %s, want 9", version)
	}
	db.manifest("acme", day, manifest{covered: map[uuid.UUID]uint64{w: 1}, version: 9, rows: 1})
	if d := digest("rolled up"); d != events {
		t.Errorf("a recompute changed the digest")
	}
	db.events("acme", day, 0, 3, 2)
	db.mark("acme", day, w, 2)
	if d := digest("redelivered"); d != events {
		t.Errorf("a redelivery changed the digest")
	}
	db.events("acme", day, 1, 1, 6)
	db.mark("acme", day, w, 3)
	fresh("another copy won")
	db.events("acme", day+1, 1, 1, 6)
	db.mark("acme", day+1, w, 3)
	fresh("another day")
	db.events("acme", day+1, 1, 1, 6|schema.Erased)
	fresh("erased")
}
