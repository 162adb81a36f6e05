package rollup

import (
	"cmp"
	"slices"

	"rollcall/schema"
	"rollcall/schema/tables"
)

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
