package rollup

import (
	"cmp"
	"context"
	"slices"
	"time"

	"rollcall/schema"
	"rollcall/schema/tables"
)

// dirty reads the slices that must be recomputed, and sets the gauges.
func (r *Rollup) dirty(ctx context.Context) ([]tables.SliceState, error) {
	dirty, err := tables.SliceStates(ctx, r.conn, tables.Filter{}, true, r.now())
	if err != nil {
		return nil, err
	}
	oldest := time.Duration(0)
	for _, s := range dirty {
		oldest = max(oldest, s.Dirty)
	}
	r.metrics.dirtySlices.Set(float64(len(dirty)))
	r.metrics.dirtyAge.Set(oldest.Seconds())
	return dirty, nil
}

// due keeps the slices that have settled. Of today's slices it keeps those whose last recompute was
// TodayEvery ago or longer. Exports read the others from the log meanwhile.
func (r *Rollup) due(dirty []tables.SliceState) (due []tables.SliceState) {
	today := schema.DayOf(r.now().UTC())
	for _, s := range dirty {
		if s.Settled < r.cfg.SettleTime || (s.Day >= today && s.Recomputed < r.cfg.TodayEvery) {
			continue
		}
		due = append(due, s)
	}
	return due
}

// batches groups slices so that each batch has slices of one month (one partition of every table)
// and at most size of them. Days before today come first; among these, the slice that has been
// dirty for longest comes first.
func batches(states []tables.SliceState, today schema.Day, size int) (all [][]tables.Slice) {
	states = slices.Clone(states)
	slices.SortStableFunc(states, func(a, b tables.SliceState) int {
		return cmp.Or(cmp.Compare(late(a.Day, today), late(b.Day, today)), cmp.Compare(b.Dirty, a.Dirty))
	})
	open := map[[2]int]int{} // (late, month) → index of the batch to fill
	for _, s := range states {
		key := [2]int{late(s.Day, today), month(s.Day)}
		at, ok := open[key]
		if !ok || len(all[at]) == size {
			at = len(all)
			all = append(all, nil)
			open[key] = at
		}
		all[at] = append(all[at], s.Slice)
	}
	return all
}

// late is 1 for slices that are recomputed last: those of today and later.
func late(day, today schema.Day) int {
	if day >= today {
		return 1
	}
	return 0
}

// month numbers calendar months, as the tables' partitions do.
func month(day schema.Day) int {
	t := day.Time()
	return t.Year()*12 + int(t.Month())
}
