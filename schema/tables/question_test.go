package tables_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"

	"rollcall/deploy/demo/embedded/enginetest"
	"rollcall/schema"
	"rollcall/schema/tables"
)

// The watermark is read before the marks of the same statement: otherwise it could promise an event
// that the plan does not know. In this test, the read of the watermark takes long. What is marked
// meanwhile is in the plan, and what is published meanwhile is not in the watermark.
func TestTheWatermarkIsReadBeforeThePlan(t *testing.T) {
	t.Run("one server", func(t *testing.T) {
		testWatermarkFirst(t, newDatabase(t), "progress")
	})
	t.Run("cluster", func(t *testing.T) {
		o := enginetest.Cluster(t)
		conn, err := tables.Open(o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		db := &database{TB: t, Conn: conn, options: o, ctx: context.Background(), today: schema.DayOf(time.Now().UTC())}
		testWatermarkFirst(t, db, "rollcall_local.progress")
	})
}

func testWatermarkFirst(t *testing.T, db *database, progress string) {
	published := 0
	publish := func() {
		published++
		db.exec("INSERT INTO "+progress+" (topic, partition, through, end_offset) VALUES ('t', 0, {at:String}, 1)",
			named("at", fmt.Sprintf("2026-01-01 00:00:%02d.000", published)))
	}
	publish()
	for _, change := range []string{"RENAME COLUMN gone TO was_gone", "ADD COLUMN gone UInt8 ALIAS sleepEachRow(2.5)"} {
		db.exec("ALTER TABLE " + progress + " " + change)
	}
	type answer struct {
		plan    tables.Plan
		through time.Time
		err     error
	}
	// An attempt counts if the mark was stored while the watermark was read.
	for attempt := range schema.Day(10) {
		day := db.today - 30 + 2*attempt
		db.mark("acme", day, uuid.New(), 1)
		before := published
		answered := make(chan answer, 1)
		go func() {
			var a answer
			a.plan, a.err = tables.ReadPlan(db.ctx, db, tables.Span{Org: "acme", From: day, To: day + 1}, time.Now(),
				tables.AskCompleteThrough(&a.through))
			answered <- a
		}()
		const running = "SELECT count() FROM system.processes WHERE query LIKE '%FROM marks%' AND query NOT LIKE '%system.processes%'"
		for db.text(running) == "0" && len(answered) == 0 {
		}
		db.mark("acme", day+1, uuid.New(), 1)
		publish()
		counts := len(answered) == 0
		a := <-answered
		if a.err != nil {
			t.Fatal(a.err)
		}
		if !counts {
			continue
		}
		if len(a.plan.Live) != 2 || a.through.Second() != before {
			t.Errorf("live %v, complete through %s; want two days, and the watermark from before", a.plan.Live, a.through)
		}
		return
	}
	t.Error("the watermark was never read for long enough to store a mark meanwhile")
}

// ReadPlan finds the clean slices by rules of its own. They are those of SliceStates.
func TestPlansAgreeWithSliceStates(t *testing.T) {
	db := newDatabase(t)
	writers := []uuid.UUID{uuid.New(), uuid.New(), uuid.New()}
	const days = 40
	first := db.today - days + 1
	seed := rand.Uint64()
	dice := rand.New(rand.NewPCG(seed, 0))
	covered := func(of uint64) map[uuid.UUID]uint64 {
		m := map[uuid.UUID]uint64{}
		for _, w := range writers {
			if dice.IntN(4) > 0 {
				m[w] = of + dice.Uint64N(2)
			}
		}
		return m
	}
	for day := first; day <= db.today; day++ {
		for _, w := range writers[:dice.IntN(3)] {
			db.mark("acme", day, w, 1+dice.IntN(2))
		}
		for range dice.IntN(4) {
			db.manifest("acme", day, manifest{
				covered: covered(1), version: 1 + dice.Uint64N(2), rows: dice.IntN(3), dead: dice.IntN(4) / 3,
				revision: tables.Revision + dice.IntN(4)/3,
			})
		}
	}
	for name, now := range map[string]time.Time{
		"now": time.Now(), "when half of the rollups' rows are old": (first + days/2).Time().AddDate(1, 0, 0),
	} {
		states, err := tables.SliceStates(db.ctx, db, tables.Filter{Org: "acme", From: first, To: db.today}, false, now)
		if err != nil {
			t.Fatal(err)
		}
		var live []schema.Day
		var generations []uuid.UUID
		rows := map[string]uint64{}
		for _, s := range states {
			if !s.Clean {
				live = append(live, s.Day)
				continue
			}
			generations = append(generations, s.Generation)
			for i, d := range tables.Dailies() {
				rows[d.Table] += s.Rows[i]
			}
		}
		p, err := tables.ReadPlan(db.ctx, db, tables.Span{Org: "acme", From: first, To: db.today}, now)
		got := fmt.Sprint(p.Live, p.Generations, p.Rows["message_daily"])
		want := fmt.Sprint(live, generations, rows["message_daily"])
		if err != nil || got != want || len(live) == 0 || len(generations) == 0 {
			t.Errorf("%s, seed %d: the plan reads %s, %v; the states are %s", name, seed, got, err, want)
		}
		for _, s := range states {
			if s.Clean && p.VersionOf(s.Day) != s.Version.String() {
				t.Errorf("%s, seed %d: version of %s is %s in the plan, %s in the states", name, seed, s.Day,
					p.VersionOf(s.Day), &s.Version)
			}
		}
	}
}
