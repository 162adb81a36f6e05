package rollup

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"rollcall/schema/tables"
)

// verifyMonths compares each month that plans read as one generation with the sum of its days'
// generations, and reports each difference.
func (r *Rollup) verifyMonths(ctx context.Context, months []tables.MonthState, report func(Difference)) error {
	months = slices.DeleteFunc(months, func(m tables.MonthState) bool { return m.Generation == uuid.Nil })
	for _, batch := range r.monthBatches(months) {
		b := &monthAttempt{months: batch}
		for _, m := range batch {
			b.generations = append(b.generations, m.Generation)
		}
		var found []Difference
		for _, d := range tables.Dailies() {
			rows, err := r.compare(ctx, d, d.Rolled(monthRows), d.Merged(monthSources), b.args())
			if err != nil {
				return fmt.Errorf("verify a month of %d orgs in %s: %w", len(batch), d.Table, err)
			}
			found = append(found, rows...)
		}
		if len(found) == 0 {
			continue
		}
		same, err := r.stillRead(ctx, batch)
		if err != nil {
			return err
		}
		for _, d := range found {
			if d.Month = true; same[tables.Slice{Org: d.Org, Day: d.Day}] {
				report(d)
			}
		}
	}
	return nil
}

// stillRead says which of the months, all of one calendar month, still have the same month
// generation and the same days' generations. Rows of other generations may have been removed during
// the comparison.
func (r *Rollup) stillRead(ctx context.Context, batch []tables.MonthState) (map[tables.Slice]bool, error) {
	month := Filter{From: batch[0].Day, To: batch[0].Day}.WholeMonths()
	month.FromOrg, month.ToOrg = orgsOf(batch)
	states, err := r.states(ctx, month)
	if err != nil {
		return nil, err
	}
	now, err := tables.MonthStates(ctx, r.conn, month, states)
	if err != nil {
		return nil, err
	}
	generations := func(m tables.MonthState) (all []uuid.UUID) {
		for _, s := range m.Days {
			all = append(all, s.Generation)
		}
		return append(all, m.Generation)
	}
	before := map[tables.Slice][]uuid.UUID{}
	for _, m := range batch {
		before[m.Slice] = generations(m)
	}
	same := map[tables.Slice]bool{}
	for _, m := range now {
		same[m.Slice] = m.Clean && slices.Equal(before[m.Slice], generations(m))
	}
	return same, nil
}

// orgsOf returns the first and the last of the months' orgs.
func orgsOf(batch []tables.MonthState) (first, last string) {
	first = batch[0].Org
	for _, m := range batch {
		first = min(first, m.Org)
		last = max(last, m.Org)
	}
	return first, last
}
