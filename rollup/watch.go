package rollup

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"rollcall/schema/outage"
	"rollcall/schema/tables"
)

// A chore is done beside the recomputes, at most once every so often.
type chore struct {
	every  time.Duration
	do     func(context.Context) error
	outage *outage.Outage
	last   time.Time
}

func (r *Rollup) chores() []*chore {
	return []*chore{
		{every: r.cfg.SweepEvery, do: r.sweepTouched, outage: r.outage("replaced rollups are not removed",
			"replaced rollups are removed again", "nothing is wrong by it, the tables only grow; look at the reason")},
		{every: r.cfg.VerifyEvery, do: r.verifyNext, outage: r.outage("rollups are not compared with the log",
			"rollups are compared with the log again", "a wrong rollup would not be found meanwhile; look at the reason")},
		{every: r.cfg.DisksEvery, do: r.readDisks, outage: r.outage("the engine's disks are not read",
			"the engine's disks are read again", "a full disk would not be told meanwhile; look at the reason")},
	}
}

// tidy does the chores that are due. A chore that fails is due again at the next call, and does not
// stop the others.
func (r *Rollup) tidy(ctx context.Context, chores []*chore) {
	for _, c := range chores {
		if ctx.Err() != nil || r.now().Sub(c.last) < c.every {
			continue
		}
		err := c.do(ctx)
		if err == nil {
			c.last = r.now()
		}
		if ctx.Err() == nil {
			tell(c.outage, err)
		}
	}
}

// verifyNext compares the next few clean slices with the log, in the order of months, orgs and
// days, and begins again after the last. So an error of logic, an error of the engine or a table
// changed by hand is found without anybody asking. Differences are counted, and logged without
// keys, because keys may name persons; `rollcall verify` shows them.
func (r *Rollup) verifyNext(ctx context.Context) error {
	page, states, batch, err := r.nextToVerify(ctx)
	if err != nil || len(batch) == 0 {
		return err
	}
	if batch, err = r.withinRows(ctx, batch); err != nil {
		return err
	}
	report := func(d Difference) {
		r.metrics.differences.Inc()
		r.log.Error("a rollup is not what the log says",
			"org", d.Org, "day", d.Day.String(), "table", d.Table, "month", d.Month,
			"do", "exports that read it are wrong: `rollcall verify` shows the rows, `rollcall rebuild` makes them anew")
	}
	if err := r.verifyBatch(ctx, batch, report); err != nil {
		return err
	}
	months, err := r.endingWith(ctx, page, batch, states)
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

// nextToVerify returns the clean slices that follow the one compared last: at most one batch, all
// of one month. With them it returns the page that has them, and the states of all its slices.
func (r *Rollup) nextToVerify(ctx context.Context) (page Filter, states, batch []tables.SliceState, err error) {
	all, err := r.pages(ctx, Filter{})
	if err != nil {
		return page, nil, nil, err
	}
	if r.verified.Day >= all.month && r.verified.Day <= all.last {
		all.month = tables.MonthStart(r.verified.Day)
		all.org = r.verified.Org
	} else {
		r.verified = tables.Slice{}
	}
	for all.more() {
		if page, err = all.next(ctx, r); err != nil {
			return page, nil, nil, err
		}
		if states, err = r.states(ctx, page); err != nil {
			return page, nil, nil, err
		}
		if batch = r.after(r.verified, states); len(batch) > 0 {
			return page, states, batch, nil
		}
	}
	r.verified = tables.Slice{} // the next call begins with the first
	return page, nil, nil, nil
}

// after returns the clean slices of a page that follow the slice last: at most one batch.
func (r *Rollup) after(last tables.Slice, page []tables.SliceState) (batch []tables.SliceState) {
	for _, s := range page {
		next := byOrg(s.Slice, last) > 0 || month(s.Day) != month(last.Day)
		if s.Clean && next && len(batch) < r.cfg.BatchSlices {
			batch = append(batch, s)
		}
	}
	return batch
}

// byOrg is the order of a page's slices.
func byOrg(a, b tables.Slice) int {
	return cmp.Or(cmp.Compare(a.Org, b.Org), cmp.Compare(a.Day, b.Day))
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

// endingWith returns the months of a page whose last slice is in the batch. So each month is
// compared once a round.
func (r *Rollup) endingWith(
	ctx context.Context, page Filter, batch, states []tables.SliceState,
) ([]tables.MonthState, error) {
	months, err := tables.MonthStates(ctx, r.conn, page, states)
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
