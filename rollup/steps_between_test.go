package rollup

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"rollcall/schema"
	"rollcall/schema/tables"
)

// unmarked is how many of betweenSteps, the first ones, store something without a mark. A read may
// show that or not.
const unmarked = 2

// betweenSteps is what others do to an org between two statements of a worker, on the first of its
// days.
var betweenSteps = []struct {
	name string
	do   func(db *database, org string, days []schema.Day)
}{
	{"stores", func(db *database, org string, days []schema.Day) { db.store(oneOfEach(org, days[0], 9)...) }},
	{"stores copies of all types that win", func(db *database, org string, days []schema.Day) {
		// the number of events stays the same: only the version shows the change
		copies := oneOfEach(org, days[0], 1)
		for i := range copies {
			copies[i].user = "another"
			copies[i].version = 1 << 60
		}
		db.store(copies...)
	}},
	{"stores and marks", func(db *database, org string, days []schema.Day) { db.ingest(oneOfEach(org, days[0], 9)...) }},
	{"stores again and marks", func(db *database, org string, days []schema.Day) {
		db.ingest(oneOfEach(org, days[0], 1)...)
	}},
	{"stores a copy that wins", func(db *database, org string, days []schema.Day) {
		db.ingest(event{org: org, day: days[0], id: 1, user: "another", version: 1 << 60})
	}},
	{"buries a person and marks", func(db *database, org string, days []schema.Day) {
		p := &person{Rollup: db.Rollup, org: org, user: "u1", erasedAt: time.Now().Add(time.Hour)}
		for _, day := range days {
			p.slices = append(p.slices, tables.Slice{Org: org, Day: day})
		}
		for _, step := range []func() error{func() error { return p.bury(db.ctx) }, func() error { return p.mark(db.ctx) }} {
			if err := step(); err != nil {
				db.Fatal(err)
			}
		}
	}},
	{"recomputes", func(db *database, org string, days []schema.Day) {
		if _, _, err := db.recompute(db.ctx, []tables.Slice{{Org: org, Day: days[0]}}); err != nil {
			db.Fatal(err)
		}
	}},
}

// between tries all trials in one run of the worker's steps: each org of the batch has its own
// statement and its own thing that happens before that statement.
func (db *database) between(days []schema.Day, statements int, kinds []int, do func(*Rollup) error) {
	db.Helper()
	type trial struct {
		at, kind    int
		org, before string
	}
	var trials []trial
	var events []event
	var marked []tables.Slice
	for at := range statements {
		for _, kind := range kinds {
			trials = append(trials, trial{at: at, kind: kind, org: fmt.Sprintf("o%d-%d", at, kind)})
			for _, day := range days {
				events = append(events, oneOfEach(trials[len(trials)-1].org, day, 1, 2, 3)...)
				marked = append(marked, tables.Slice{Org: trials[len(trials)-1].org, Day: day})
			}
		}
	}
	db.store(events...)
	if err := db.Rollup.mark(db.ctx, uuid.New(), marked); err != nil {
		db.Fatal(err)
	}
	before := db.truth(trials[0].org) // the same of each
	worker, conn := db.stepped()
	reached := 0
	conn.before = func(n int, _ string) {
		reached = n
		for i, c := range trials {
			if c.at == n {
				trials[i].before = before
				betweenSteps[c.kind].do(db, c.org, days)
			}
		}
	}
	if err := do(worker); err != nil {
		db.Fatal(err)
	}
	if reached != statements-1 {
		db.Errorf("%d statements, not %d: not all gaps were tried", reached+1, statements)
	}
	last := days[len(days)-1]
	for _, c := range trials {
		what := fmt.Sprintf("somebody %s before statement %d", betweenSteps[c.kind].name, c.at)
		if c.kind < unmarked {
			db.judge(what, c.org, days[0]-40, last, c.before)
			db.mark(tables.Slice{Org: c.org, Day: days[0]})
		}
		db.judge(what, c.org, days[0]-40, last)
	}
	if n := db.once(); n == 0 {
		db.Error("nothing was left to recompute: nothing moved")
	}
	for _, c := range trials {
		if c.kind <= unmarked {
			db.judge("recomputed after that", c.org, days[0]-40, last)
		}
	}
	if _, err := db.Verify(db.ctx, Filter{}, func(d Difference) { db.Errorf("%+v", d) }, nil); err != nil {
		db.Error(err)
	}
}

func TestOthersBetweenAnyTwoStepsOfARecompute(t *testing.T) {
	db := newDatabase(t)
	db.between([]schema.Day{db.today - 3}, 8, []int{0, 1, 2, 3, 4, 5, 6}, func(worker *Rollup) error {
		states, err := tables.SliceStates(db.ctx, db.conn, Filter{}, true, time.Now())
		if err != nil {
			return err
		}
		worker.cfg.BatchSlices = len(states)
		_, err = worker.recomputeAll(db.ctx, states)
		return err
	})
}

func TestOthersBetweenAnyTwoStepsOfAMonth(t *testing.T) {
	db := newDatabase(t)
	_, end := db.closedMonths()
	db.between([]schema.Day{end - 3, end}, 17, []int{2, 5, 6}, func(worker *Rollup) error {
		states, err := tables.SliceStates(db.ctx, db.conn, Filter{}, true, time.Now())
		if err == nil {
			_, err = db.recomputeAll(db.ctx, states)
		}
		if err != nil {
			return err
		}
		worker.cfg.BatchSlices = len(states)
		return worker.rollMonths(db.ctx, Filter{})
	})
}
