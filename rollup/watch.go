package rollup

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"rollcall/schema/tables"
)

// A chore is done beside the recomputes, at most once every so often.
type chore struct {
	every time.Duration
	do    func(context.Context) error
	last  time.Time
}

func (r *Rollup) chores() []*chore {
	return []*chore{
		{every: r.cfg.SweepEvery, do: r.monthsChore}, {every: r.cfg.SweepEvery, do: r.Sweep},
		{every: r.cfg.VerifyEvery, do: r.verifyNext}, {every: r.cfg.DisksEvery, do: r.readDisks},
	}
}

// tidy does the chores that are due. A chore that fails is due again at the next call, and does not
// stop the others.
func (r *Rollup) tidy(ctx context.Context, chores []*chore) {
	for _, c := range chores {
		if ctx.Err() != nil || r.now().Sub(c.last) < c.every {
			continue
		}
		switch err := c.do(ctx); {
		case err == nil:
			c.last = r.now()
		case ctx.Err() == nil:
			r.log.Error("rollup", "error", err)
		}
	}
}

// verifyNext compares the next few clean slices with the log, in the order of days, and begins
// again after the last. So an error of logic, an error of the engine or a table changed by hand is
// found without anybody asking. Differences are counted, and logged without keys, because keys may
// name persons; `rollcall verify` shows them.
func (r *Rollup) verifyNext(ctx context.Context) error {
	states, err := tables.SliceStates(ctx, r.conn, Filter{}, false, r.now())
	if err != nil {
		return err
	}
	batch := r.after(r.verified, states)
	if len(batch) == 0 {
		batch = r.after(tables.Slice{}, states)
	}
	if len(batch) == 0 {
		return nil
	}
	if batch, err = r.withinRows(ctx, batch); err != nil {
		return err
	}
	report := func(d Difference) {
		r.metrics.differences.Inc()
		r.log.Error("a rollup is not what the log says",
			"org", d.Org, "day", d.Day.String(), "table", d.Table, "month", d.Month)
	}
	if err := r.verifyBatch(ctx, batch, report); err != nil {
		return err
	}
	months, err := r.endingWith(ctx, batch, states)
	if err != nil {
		return err
	}
	if err := r.verifyMonths(ctx, months, report); err != nil {
		return err
	}
	r.metrics.verified.Add(float64(len(batch)))
	r.verified = batch[len(batch)-1].Slice
	return nil
}

// after returns the clean slices that follow the slice last, by day and org: at most one batch, all
// of one month.
func (r *Rollup) after(last tables.Slice, states []tables.SliceState) (batch []tables.SliceState) {
	order := func(a, b tables.Slice) int { return cmp.Or(cmp.Compare(a.Day, b.Day), cmp.Compare(a.Org, b.Org)) }
	for _, s := range states {
		if s.Clean && order(s.Slice, last) > 0 {
			batch = append(batch, s)
		}
	}
	slices.SortFunc(batch, func(a, b tables.SliceState) int { return order(a.Slice, b.Slice) })
	n := 0
	for n < min(len(batch), r.cfg.BatchSlices) && month(batch[n].Day) == month(batch[0].Day) {
		n++
	}
	return batch[:n]
}

// withinRows keeps as many slices of the batch as one recompute would take together.
func (r *Rollup) withinRows(ctx context.Context, batch []tables.SliceState) ([]tables.SliceState, error) {
	b := &attempt{}
	for _, s := range batch {
		b.slices, b.generations = append(b.slices, s.Slice), append(b.generations, s.Generation)
	}
	var err error
	if b.before, err = r.readVersions(ctx, b); err != nil {
		return nil, err
	}
	b.limit(r.cfg.BatchRows)
	return batch[:len(b.slices)], nil
}

// readDisks sets the gauge of free disk space: the free part of the engine's fullest disk.
func (r *Rollup) readDisks(ctx context.Context) error {
	var free float64
	const query = "SELECT min(free_space / total_space) FROM system.disks WHERE total_space > 0"
	if err := r.conn.QueryRow(ctx, query).Scan(&free); err != nil {
		return fmt.Errorf("read the engine's disks: %w", err)
	}
	r.metrics.diskFree.Set(free)
	return nil
}

// endingWith returns the months whose last slice is in the batch. So each month is compared once a
// round.
func (r *Rollup) endingWith(ctx context.Context, batch, states []tables.SliceState) ([]tables.MonthState, error) {
	end := tables.MonthEnd(batch[0].Day)
	states = slices.DeleteFunc(slices.Clone(states),
		func(s tables.SliceState) bool { return tables.MonthEnd(s.Day) != end })
	months, err := tables.MonthStates(ctx, r.conn, Filter{From: end, To: end}, states)
	if err != nil {
		return nil, err
	}
	compared := map[tables.Slice]bool{}
	for _, s := range batch {
		compared[s.Slice] = true
	}
	return slices.DeleteFunc(months, func(m tables.MonthState) bool {
		last := m.Days[len(m.Days)-1]
		return !compared[last.Slice]
	}), nil
}
