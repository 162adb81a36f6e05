package rollup

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"rollcall/schema"
	"rollcall/schema/tables"
)

// Rebuilt says, after a Rebuild, from where exports read what it was to make anew: as it was read
// back, not as it was written.
type Rebuilt struct {
	Slices int // read from a generation that was made from the log after the call began
	Live   int // read from the log itself: they kept changing. The worker makes them as soon as they rest
	Old    int // left: their rollup rows have come to their end, and exports read them from the log
}

// rebuildRounds is how often slices whose log moved meanwhile are tried again.
const rebuildRounds = 3

// Rebuild makes new generations of all slices that the filter selects, clean or not, and of the
// closed months that they are of. It can be killed and run again at any time.
//
// It marks each slice as a writer of its own before it recomputes it. From then on no generation is
// read that somebody began to make earlier, on whatever host and by whatever clock; exports read
// the log until the new one is there. A month stands for the very generations that it was merged
// from, so it goes with them.
func (r *Rollup) Rebuild(ctx context.Context, f Filter, progress func(done, total int)) (done Rebuilt, err error) {
	states, err := tables.SliceStates(ctx, r.conn, f, false, r.now())
	if err != nil {
		return done, err
	}
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
	writer := uuid.New()
	total := len(open)
	mark := func(batch []tables.Slice) error { return r.mark(ctx, writer, batch) }
	for round := 0; round < rebuildRounds && len(open) > 0; round++ {
		if _, err := r.recomputeBatches(ctx, batches(open, schema.DayOf(r.now().UTC()), r.cfg.BatchSlices), mark,
			progress); err != nil {
			return done, err
		}
		if open, err = r.stillOpen(ctx, f, before); err != nil {
			return done, err
		}
		mark = nil // they are dirty: nothing older can be read
	}
	done.Live = len(open)
	done.Slices = total - len(open)
	return done, r.rollMonths(ctx, f, nil)
}

// stillOpen reads back what became of the slices that had these generations before a rebuild: those
// that are not clean are returned, and one that still is what it was is an error.
func (r *Rollup) stillOpen(
	ctx context.Context, f Filter, before map[tables.Slice]uuid.UUID,
) (open []tables.SliceState, err error) {
	states, err := tables.SliceStates(ctx, r.conn, f, false, r.now())
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

// mark says as a writer that slices changed.
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
