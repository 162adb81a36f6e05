package rollup

import (
	"context"
	"errors"

	"rollcall/schema/tables"
)

// Rebuild makes new generations of all slices that the filter selects, clean or not, and of the closed months that they are of. It can be killed and run again at any time. Slices whose rollup rows have
// reached their TTL are left: exports read them from the log.
func (r *Rollup) Rebuild(ctx context.Context, f Filter, progress func(done, total int)) error {
	states, err := tables.SliceStates(ctx, r.conn, f, false, r.now())
	if err != nil {
		return err
	}
	var alive []tables.SliceState
	for _, s := range states {
		if s.Alive {
			alive = append(alive, s)
		}
	}
	_, err = r.recomputeAll(ctx, alive, progress)
	return errors.Join(err, r.rollMonths(ctx, f, true, nil))
}
