package rollup

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"rollcall/schema"
	"rollcall/schema/tables"
)

// overlap is how far a look goes back behind the newest mark that is known. It covers parts that
// became visible late, and replicas whose clocks differ a little. A mark that is missed all the
// same is found by the next round over all slices.
const overlap = time.Minute

// firstLook is how far the first look goes back: what came while no worker ran is usually found
// before the first round comes to it.
const firstLook = 24 * time.Hour

// A watchlist has the slices of which a worker knows that they have to be recomputed, or that it
// has to look at again. It is only a memory: whether a slice is dirty is read from the database.
type watchlist struct {
	newest time.Time                   // the newest mark that was found, by the engine's clock
	marks  map[tables.Slice]time.Time  // the newest mark of each slice that the last look found
	slices map[tables.Slice]*openSlice // at most Config.MaxWatched
}

// An openSlice is dirty, or has a mark that its state was not read after.
type openSlice struct {
	since time.Time // when the first of its uncovered marks came
	again time.Time // when its state is read next
}

// newMarks reads the slices that were marked lately; if there are more than {most:UInt64}, those
// that were marked last. A newest mark that lies ahead of the engine's clock, which was set back,
// counts as one of now.
const newMarks = `SELECT org_id, day, max(marked_at) AS newest, dateDiff('millisecond', newest, now64(3)) AS age_ms FROM marks
WHERE marked_at >= least(fromUnixTimestamp64Milli({newest:Int64}, 'UTC'), now64(3)) - toIntervalMillisecond({back:Int64})
GROUP BY org_id, day ORDER BY newest DESC LIMIT {most:UInt64}`

func (r *Rollup) newMarksArgs() []any {
	newest := r.watched.newest
	back := overlap
	if newest.IsZero() {
		newest = r.now().Add(firstLook) // in any case ahead of the engine's clock
		back = firstLook
	}
	return []any{
		clickhouse.Named("newest", newest.UnixMilli()), clickhouse.Named("back", back.Milliseconds()),
		clickhouse.Named("most", r.cfg.MaxWatched),
	}
}

// look puts the slices on the watchlist that were marked since the last look.
func (r *Rollup) look(ctx context.Context) error {
	var rows []struct {
		Org    string    `ch:"org_id"`
		Day    time.Time `ch:"day"`
		Newest time.Time `ch:"newest"`
		Age    int64     `ch:"age_ms"`
	}
	if err := r.conn.Select(ctx, &rows, newMarks, r.newMarksArgs()...); err != nil {
		return fmt.Errorf("look for new marks: %w", err)
	}
	now := r.now()
	seen := make(map[tables.Slice]time.Time, len(rows))
	for _, row := range rows {
		s := tables.Slice{Org: row.Org, Day: schema.DayOf(row.Day)}
		if seen[s] = row.Newest; !row.Newest.Equal(r.watched.marks[s]) {
			age := time.Duration(row.Age) * time.Millisecond
			r.watch(s, now.Add(-age), now.Add(r.cfg.SettleTime-age))
		}
		if row.Newest.After(r.watched.newest) {
			r.watched.newest = row.Newest
		}
	}
	r.watched.marks = seen
	return nil
}

// watch puts a slice on the watchlist, unless the list is full. Its state is read again at a time,
// and not before.
func (r *Rollup) watch(s tables.Slice, since, again time.Time) {
	known := r.watched.slices[s]
	switch {
	case known != nil && again.After(known.again):
		known.again = again
	case known == nil && len(r.watched.slices) < r.cfg.MaxWatched:
		r.watched.slices[s] = &openSlice{since: since, again: again}
	}
}

// consider takes states that were just read, which are those of all slices that are asked for. It
// returns the slices to recompute now, and brings the watchlist up to date.
func (r *Rollup) consider(states []tables.SliceState) (due []tables.SliceState) {
	now := r.now()
	for _, s := range states {
		delete(r.watched.slices, s.Slice)
		if s.Clean || !s.Alive {
			continue
		}
		wait := r.wait(s)
		r.watch(s.Slice, now.Add(-s.Dirty), now.Add(min(wait, r.cfg.SettleTime)))
		if wait <= 0 {
			due = append(due, s)
		}
	}
	return due
}

// wait is how long a dirty slice is left alone: until it has settled, and a slice of today until
// TodayEvery after its last recompute. Exports read it from the log meanwhile.
func (r *Rollup) wait(s tables.SliceState) time.Duration {
	wait := r.cfg.SettleTime - s.Settled
	if s.Day >= schema.DayOf(r.now().UTC()) {
		wait = max(wait, r.cfg.TodayEvery-s.Recomputed)
	}
	return wait
}

// due reads the states of the watched slices whose time has come, and returns those to recompute.
func (r *Rollup) due(ctx context.Context) (due []tables.SliceState, err error) {
	now := r.now()
	var asked []tables.Slice
	for s, open := range r.watched.slices {
		if !open.again.After(now) {
			asked = append(asked, s)
		}
	}
	slices.SortFunc(asked, byOrg)
	for part := range slices.Chunk(asked, r.cfg.BatchSlices) {
		states, err := r.states(ctx, Filter{Slices: part})
		if err != nil {
			return due, err
		}
		for _, s := range part { // also those whose marks are gone with the TTL
			delete(r.watched.slices, s)
		}
		due = append(due, r.consider(states)...)
	}
	return due, nil
}

// work recomputes the slices that were marked and are due now.
func (r *Rollup) work(ctx context.Context) error {
	if err := r.look(ctx); err != nil {
		return err
	}
	due, err := r.due(ctx)
	if err != nil {
		return err
	}
	r.gauge()
	_, err = r.recomputeAll(ctx, due)
	return err
}

// gauge shows how many slices are known to be dirty, and since when.
func (r *Rollup) gauge() {
	now := r.now()
	oldest := now
	for _, open := range r.watched.slices {
		if open.since.Before(oldest) {
			oldest = open.since
		}
	}
	r.metrics.dirtySlices.Set(float64(len(r.watched.slices)))
	r.metrics.dirtyAge.Set(now.Sub(oldest).Seconds())
}
