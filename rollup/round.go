package rollup

import (
	"context"
	"errors"
	"slices"
	"time"

	"rollcall/schema/tables"
)

// restShare is how much longer a worker rests after a page of a round than the page took. So a
// round over any number of slices takes about one hundredth of a worker's and of the engine's time.
const restShare = 100

// A round looks at all slices, page by page. It finds what the looks for new marks miss: marks from
// when no worker ran, generations that lost or lack rows, rows that dead workers left, and months
// that can be merged.
type round struct {
	pages *pages    // nil: no round is under way
	began time.Time // of the round under way, or of the last one
	first bool      // the first round since the start, which does not rest
	rest  time.Time // when the next page is due
}

// goRound works on the next page of the round, if it is due. It returns whether to come back at
// once.
func (r *Rollup) goRound(ctx context.Context) (again bool, err error) {
	now := r.now()
	g := &r.round
	if g.pages == nil {
		if !g.began.IsZero() && now.Sub(g.began) < r.cfg.SweepEvery {
			return false, nil
		}
		if g.pages, err = r.pages(ctx, Filter{}); err != nil {
			return false, err
		}
		g.first = g.began.IsZero()
		g.began = now
		g.rest = now
	}
	if now.Before(g.rest) {
		return false, nil
	}
	if !g.pages.more() {
		g.pages = nil
		r.metrics.roundSeconds.Set(now.Sub(g.began).Seconds())
		return false, nil
	}
	page, err := g.pages.next(ctx, r)
	if err != nil {
		return false, err
	}
	worked, err := r.tend(ctx, page)
	if took := r.now().Sub(now); !g.first && !worked {
		g.rest = now.Add(took * (1 + restShare))
	}
	return !r.now().Before(g.rest), err
}

// tend does for the slices of a page whatever there is to do, and returns whether there was
// anything.
func (r *Rollup) tend(ctx context.Context, page Filter) (worked bool, err error) {
	states, due, swept, sweepErr := r.sweep(ctx, page)
	if states == nil && sweepErr != nil {
		return false, sweepErr
	}
	_, dueErr := r.recomputeAll(ctx, due)
	if len(due) > 0 {
		if states, err = r.states(ctx, page); err != nil {
			return true, errors.Join(sweepErr, dueErr, err)
		}
	}
	merged, monthsErr := r.rollMonthsOf(ctx, page, states)
	return swept || len(due) > 0 || merged, errors.Join(sweepErr, dueErr, monthsErr)
}

// touch remembers slices that got a new generation: their old ones are marked dead, and removed
// later.
func (r *Rollup) touch(committed []tables.Slice) {
	for _, s := range committed {
		if len(r.touched) < r.cfg.MaxWatched {
			r.touched[s] = r.now()
		}
	}
}

// sweepTouched sweeps the slices that this worker recomputed lately, so that this does not wait for
// the round. It forgets a slice when the generations that the recompute replaced are gone.
func (r *Rollup) sweepTouched(ctx context.Context) error {
	began := r.now()
	touched := make([]tables.Slice, 0, len(r.touched))
	for s := range r.touched {
		touched = append(touched, s)
	}
	slices.SortFunc(touched, byOrg)
	for part := range slices.Chunk(touched, r.cfg.BatchSlices) {
		f := Filter{Slices: part}
		if _, _, err := r.markDead(ctx, f); err != nil {
			return err
		}
		if err := r.removeDead(ctx, "slices", f); err != nil {
			return err
		}
		for _, s := range part {
			if began.Sub(r.touched[s]) > r.cfg.DeadTime+2*r.cfg.SweepEvery {
				delete(r.touched, s)
			}
		}
	}
	return nil
}
