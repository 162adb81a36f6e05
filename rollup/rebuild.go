package rollup

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"rollcall/schema"
	"rollcall/schema/tables"
)

// Rebuilt says from where exports read the slices after a Rebuild. It is read back from the
// database, not derived from what was written.
type Rebuilt struct {
	Slices int // exports read a generation that was made from the log after the call began
	Live   int // they kept changing: exports read the log, and the worker recomputes them when they have settled
	Old    int // not rebuilt: the TTL of their rollups is over, and exports read the log
}

// rebuildRounds is how often Rebuild recomputes slices whose log changed meanwhile.
const rebuildRounds = 3

// Rebuild makes new generations of all slices that the filter selects, clean or not, and of the
// closed months that contain them. It can be killed and run again at any time.
//
// It marks each slice as a writer of its own before it recomputes it. From then on no generation is
// read that was begun earlier, on whatever host and by whatever clock; exports read the log until
// the new generation is there. A month generation is read only in place of the generations that it
// was merged from, so it is no longer read either.
func (r *Rollup) Rebuild(ctx context.Context, f Filter, progress func(done, total int)) (done Rebuilt, err error) {
	total, err := r.countSlices(ctx, f)
	if err != nil {
		return done, err
	}
	writer := uuid.New()
	handled := 0
	err = r.eachPage(ctx, f, func(page Filter) error {
		states, err := r.states(ctx, page)
		if err != nil {
			return err
		}
		of, err := r.rebuild(ctx, page, states, writer, func(n int) {
			if progress != nil {
				progress(handled+n, max(total, handled+n))
			}
		})
		done.Slices += of.Slices
		done.Live += of.Live
		done.Old += of.Old
		handled += len(states)
		return err
	})
	if err != nil {
		return done, err
	}
	return done, r.rollMonths(ctx, f)
}

// rebuild is Rebuild for the slices of a page, which had these states. It tells progress how many
// of them are handled.
func (r *Rollup) rebuild(
	ctx context.Context, page Filter, states []tables.SliceState, writer uuid.UUID, progress func(handled int),
) (done Rebuilt, err error) {
	before := map[tables.Slice]uuid.UUID{}
	var open []tables.SliceState
	for _, s := range states {
		if !s.Alive {
			done.Old++
			continue
		}
		before[s.Slice] = s.Generation
		open = append(open, s)
	}
	total := len(open)
	mark := func(batch []tables.Slice) error { return r.mark(ctx, writer, batch) }
	for round := 0; round < rebuildRounds && len(open) > 0; round++ {
		queue := batches(open, schema.DayOf(r.now().UTC()), r.cfg.BatchSlices)
		if _, err := r.recomputeBatches(ctx, queue, mark, progress); err != nil {
			return done, err
		}
		if open, err = r.stillOpen(ctx, page, before); err != nil {
			return done, err
		}
		mark = nil // the slices left are dirty, so no older generation can be read
	}
	done.Live = len(open)
	done.Slices = total - len(open)
	return done, nil
}

// stillOpen reads back the states of the slices in before, which holds their generations from
// before the rebuild. It returns the slices that are not clean. A clean slice that still has its
// old generation is an error.
func (r *Rollup) stillOpen(
	ctx context.Context, page Filter, before map[tables.Slice]uuid.UUID,
) (open []tables.SliceState, err error) {
	states, err := r.states(ctx, page)
	if err != nil {
		return nil, fmt.Errorf("read back what was rebuilt: %w", err)
	}
	for _, s := range states {
		old, rebuilt := before[s.Slice]
		switch {
		case !rebuilt || !s.Alive:
		case !s.Clean:
			open = append(open, s)
		case s.Generation == old:
			err = errors.Join(err, fmt.Errorf("%s %s was not rebuilt: exports still read generation %s", s.Org, s.Day, old))
		}
	}
	return open, err
}

// mark says that the slices changed: it writes a mark of this writer for each of them.
func (r *Rollup) mark(ctx context.Context, writer uuid.UUID, slices []tables.Slice) error {
	if len(slices) == 0 {
		return nil
	}
	insert, err := r.conn.PrepareBatch(ctx, "INSERT INTO marks (org_id, day, writer, seq)")
	if err != nil {
		return fmt.Errorf("mark %d slices: %w", len(slices), err)
	}
	defer insert.Close()
	for _, s := range slices {
		if err := insert.Append(s.Org, s.Day.Time(), writer, uint64(1)); err != nil {
			return fmt.Errorf("mark %s %s: %w", s.Org, s.Day, err)
		}
	}
	if err := insert.Send(); err != nil {
		return fmt.Errorf("mark %d slices: %w", len(slices), err)
	}
	return nil
}
