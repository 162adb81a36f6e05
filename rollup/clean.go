package rollup

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"

	"rollcall/schema"
	"rollcall/schema/tables"
)

// Outcomes of cleaning, per generation.
const (
	dead     = "dead"     // its manifest was marked: no new plan has it
	removed  = "removed"  // rows and manifest are gone
	orphaned = "orphaned" // rows without a manifest are gone
)

// Clean marks the generations that lost as dead, removes the rows of those that have been dead for long, and the rows that dead workers left. Several may clean
// at once; each step can be repeated.
func (r *Rollup) Clean(ctx context.Context) error {
	if err := r.markDead(ctx, tables.Filter{}); err != nil {
		return err
	}
	if err := r.removeDead(ctx); err != nil {
		return err
	}
	return r.removeOrphans(ctx)
}

// A lost generation can never be read again: its slice has a better one, or marks that it does not cover, and marks never go back.
type lost struct {
	Org        string    `ch:"org_id"`
	Day        time.Time `ch:"day"`
	Generation uuid.UUID `ch:"generation"`
	Revision   uint32    `ch:"revision"`
}

// oldRevision is how long the generations of an older logic stay for binaries that still read them; after it those read the log.
const oldRevision = 24 * time.Hour

// markDead writes the manifests of lost generations again, dead. Of a slice that no generation covers it leaves the newest, whose age throttles today's slices.
func (r *Rollup) markDead(ctx context.Context, f tables.Filter) error {
	states, err := tables.SliceStates(ctx, r.conn, f, false, r.now())
	if err != nil {
		return err
	}
	keep := make(map[tables.Slice]uuid.UUID, len(states))
	for _, s := range states {
		if keep[s.Slice] = s.Newest; s.Clean {
			keep[s.Slice] = s.Generation
		}
	}
	known, err := r.manifests(ctx)
	if err != nil {
		return err
	}
	var losers []lost
	for _, m := range known {
		best, ok := keep[sliceOf(m)]
		stale := m.Revision < tables.Revision && r.now().Sub(begun(m.Generation)) > oldRevision
		// A generation newer than the one kept may have come between the two reads; it is judged next time.
		if stale || ok && m.Revision == tables.Revision && m.Generation != best && !begun(m.Generation).After(begun(best)) {
			losers = append(losers, m)
		}
	}
	return r.writeDead(ctx, losers)
}

func (r *Rollup) writeDead(ctx context.Context, losers []lost) error {
	if len(losers) == 0 {
		return nil
	}
	insert, err := r.conn.PrepareBatch(ctx, "INSERT INTO slices (org_id, day, generation, revision, dead)")
	if err != nil {
		return fmt.Errorf("mark %d generations dead: %w", len(losers), err)
	}
	defer insert.Close()
	for _, l := range losers {
		if err := insert.Append(l.Org, l.Day, l.Generation, l.Revision, uint8(1)); err != nil {
			return fmt.Errorf("mark generation %s dead: %w", l.Generation, err)
		}
	}
	if err := insert.Send(); err != nil {
		return fmt.Errorf("mark %d generations dead: %w", len(losers), err)
	}
	r.metrics.cleaned.WithLabelValues(dead).Add(float64(len(losers)))
	return nil
}

// manifests lists those that are not dead.
func (r *Rollup) manifests(ctx context.Context) (all []lost, err error) {
	if err := r.conn.Select(ctx, &all, "SELECT org_id, day, generation, revision FROM slices FINAL WHERE dead = 0"); err != nil {
		return nil, fmt.Errorf("read the manifests: %w", err)
	}
	return all, nil
}

// removeDead deletes the rows of generations that have been dead for DeadTime, then their manifests: while a row is there, its manifest says that it is dead.
func (r *Rollup) removeDead(ctx context.Context) error {
	var rows []lost
	err := r.conn.Select(ctx, &rows, "SELECT org_id, day, generation, revision FROM slices FINAL WHERE dead = 1 AND written_at <= now64(3) - toIntervalMillisecond({ms:Int64})",
		clickhouse.Named("ms", r.cfg.DeadTime.Milliseconds()))
	if err != nil {
		return fmt.Errorf("read the dead manifests: %w", err)
	}
	return eachChunk(rows, func(partition int, generations []string) error {
		if err := r.deleteRows(ctx, partition, generations); err != nil {
			return err
		}
		// The rows that said "alive" go first: a part at a time may be seen without the others.
		for _, which := range []string{"dead = 0", "1"} {
			if err := r.deleteGenerations(ctx, "slices", partition, which, generations); err != nil {
				return err
			}
		}
		r.metrics.cleaned.WithLabelValues(removed).Add(float64(len(generations)))
		return nil
	})
}

// removeOrphans deletes rollup rows that have no manifest and are too old to get one.
func (r *Rollup) removeOrphans(ctx context.Context) error {
	found := map[uuid.UUID]lost{}
	for _, d := range tables.Dailies() {
		var rows []lost
		err := r.conn.Select(ctx, &rows, `SELECT DISTINCT org_id, day, generation, toUInt32(0) AS revision FROM `+d.Table+`
WHERE UUIDv7ToDateTime(generation, 'UTC') <= now64(3) - toIntervalMillisecond({ms:Int64}) AND generation NOT IN (SELECT generation FROM slices)`,
			clickhouse.Named("ms", r.cfg.OrphanTime.Milliseconds()))
		if err != nil {
			return fmt.Errorf("look for orphans in %s: %w", d.Table, err)
		}
		for _, row := range rows {
			found[row.Generation] = row
		}
	}
	return eachChunk(slices.Collect(maps.Values(found)), func(partition int, generations []string) error {
		if err := r.deleteRows(ctx, partition, generations); err != nil {
			return err
		}
		r.metrics.cleaned.WithLabelValues(orphaned).Add(float64(len(generations)))
		return nil
	})
}

func (r *Rollup) deleteRows(ctx context.Context, partition int, generations []string) error {
	for _, d := range tables.Dailies() {
		if err := r.deleteGenerations(ctx, d.Table, partition, "1", generations); err != nil {
			return err
		}
	}
	return nil
}

// deleteGenerations hides the generations' rows of one month at once; merges remove them.
func (r *Rollup) deleteGenerations(ctx context.Context, table string, partition int, which string, generations []string) error {
	query := fmt.Sprintf("DELETE FROM %s IN PARTITION '%d' WHERE %s AND generation IN {generations:Array(UUID)}", table, partition, which)
	if err := r.conn.Exec(ctx, query, clickhouse.Named("generations", generations)); err != nil {
		return fmt.Errorf("delete %d generations from %s: %w", len(generations), table, err)
	}
	return nil
}

// chunk is how many generations one DELETE names.
const chunk = 2000

// eachChunk groups generations by the month of their slice: one DELETE looks at one partition.
func eachChunk(all []lost, do func(partition int, generations []string) error) error {
	byMonth := map[int][]string{}
	for _, l := range all {
		partition := l.Day.Year()*100 + int(l.Day.Month())
		byMonth[partition] = append(byMonth[partition], l.Generation.String())
	}
	for _, partition := range slices.Sorted(maps.Keys(byMonth)) {
		for part := range slices.Chunk(byMonth[partition], chunk) {
			if err := do(partition, part); err != nil {
				return err
			}
		}
	}
	return nil
}

func sliceOf(l lost) tables.Slice { return tables.Slice{Org: l.Org, Day: schema.DayOf(l.Day)} }

// begun is when a generation was begun, by its writer's clock.
func begun(generation uuid.UUID) time.Time { return time.Unix(generation.Time().UnixTime()) }
