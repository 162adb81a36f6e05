package rollup

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"

	"rollcall/schema"
	"rollcall/schema/tables"
)

// Outcomes of a sweep, per generation.
const (
	dead     = "dead"     // its manifest was marked dead: no new plan contains it
	removed  = "removed"  // rows and manifest are gone
	orphaned = "orphaned" // rows without a manifest are gone
	short    = "short"    // rows were missing, so it was marked dead and will be made again
)

// Sweep marks generations dead that lost or lack rows. It removes the rows of generations that have
// been dead for Config.DeadTime, and the rows that dead workers left. Several sweepers may work at
// once, and each step can be repeated.
func (r *Rollup) Sweep(ctx context.Context) error {
	return r.eachPage(ctx, Filter{}, func(page Filter) error {
		_, _, _, err := r.sweep(ctx, page)
		return err
	})
}

// sweep is Sweep for a page, which has whole months. It returns the states that it read of the
// page's slices, those to recompute now, and whether there was anything to sweep. If it fails half
// way, it returns the states and the error.
func (r *Rollup) sweep(
	ctx context.Context, page Filter,
) (states, due []tables.SliceState, worked bool, err error) {
	known, err := r.manifests(ctx, "months", page)
	if err != nil {
		return nil, nil, false, err
	}
	states, n, err := r.markDead(ctx, page)
	if err != nil {
		return nil, nil, false, err
	}
	due = r.consider(states) // before markShort puts slices on the watchlist that are dirty since then
	months, err := r.markMonthsDead(ctx, page, known, states)
	if err != nil {
		return states, due, n > 0, err
	}
	found, err := r.survey(ctx, page)
	if err != nil {
		return states, due, n+months > 0, err
	}
	return states, due, n+months > 0 || found != survey{}, r.cleanUp(ctx, page, found)
}

// A survey says how many generations of a page a sweep has to look at.
type survey struct {
	Short   uint64 `ch:"short"`   // they do not have the number of rows that their manifests say
	Dead    uint64 `ch:"dead"`    // they have been dead for long enough
	Orphans uint64 `ch:"orphans"` // they have rows and no manifest, and are too old to get one
}

// survey reads all manifests of a page and counts all of its rows, in one statement. Usually there
// is nothing to clean up, and the statements that would look for it one by one are not run.
func (r *Rollup) survey(ctx context.Context, page Filter) (found survey, err error) {
	where, args := page.Where()
	var parts []string
	for _, manifests := range []string{"slices", "months"} {
		parts = append(parts, fmt.Sprintf(
			`SELECT generation, 1 AS manifest, dead, dateDiff('millisecond', written_at, now64(3)) AS age_ms, %s AS alive,
	arrayResize(CAST([], 'Array(UInt64)'), %d) AS rows, [%s] AS expected FROM %s FINAL WHERE %s`,
			tables.Alive, len(tables.Dailies()), tables.RowCounts(), manifests, where))
	}
	for i, d := range tables.Dailies() {
		counts := slices.Repeat([]string{"0"}, len(tables.Dailies()))
		counts[i] = "count()"
		parts = append(parts, fmt.Sprintf(
			"SELECT generation, 0, 0, 0, 0, [%s], arrayResize(CAST([], 'Array(UInt64)'), %d) FROM %s WHERE %s GROUP BY generation",
			strings.Join(counts, ", "), len(counts), d.Table, where))
	}
	query := `SELECT countIf(has_manifest = 1 AND is_dead = 0 AND is_alive AND there != said) AS short,
	countIf(is_dead = 1 AND oldest_ms >= {dead_ms:Int64}) AS dead,
	countIf(has_manifest = 0 AND UUIDv7ToDateTime(generation, 'UTC') <= now64(3) - toIntervalMillisecond({orphan_ms:Int64})) AS orphans
FROM (
	SELECT generation, max(manifest) AS has_manifest, max(dead) AS is_dead, max(age_ms) AS oldest_ms, max(alive) AS is_alive,
		sumForEach(rows) AS there, sumForEach(expected) AS said
	FROM (` + strings.Join(parts, "\nUNION ALL ") + `)
	GROUP BY generation
)`
	args = append(args, tables.AliveAt(r.now()), clickhouse.Named("dead_ms", r.cfg.DeadTime.Milliseconds()),
		clickhouse.Named("orphan_ms", r.cfg.OrphanTime.Milliseconds()))
	if err := r.conn.QueryRow(ctx, query, args...).ScanStruct(&found); err != nil {
		return found, fmt.Errorf("look over the generations: %w", err)
	}
	return found, nil
}

// cleanUp marks the generations dead that lack rows, and removes those that the survey found dead
// or without a manifest.
func (r *Rollup) cleanUp(ctx context.Context, page Filter, found survey) error {
	for _, manifests := range []string{"slices", "months"} {
		if found.Short > 0 {
			if err := r.markShort(ctx, manifests, page); err != nil {
				return err
			}
		}
		if found.Dead > 0 {
			if err := r.removeDead(ctx, manifests, page); err != nil {
				return err
			}
		}
	}
	if found.Orphans > 0 {
		return r.removeOrphans(ctx, page)
	}
	return nil
}

// A lost generation can never be read again. A slice's generation is lost if the slice has a better
// one, or has marks that the generation does not cover (marks never go back). A month's generation
// is lost if the month's slices have other generations by now, or if the rollups of the month's
// first slice have reached the end of their TTL, which the month's rows would outlive.
type lost struct {
	Org        string    `ch:"org_id"`
	Day        time.Time `ch:"day"`
	Generation uuid.UUID `ch:"generation"`
	Revision   uint32    `ch:"revision"`
	AgeMillis  int64     `ch:"age_ms"` // age of its manifest, by the engine's clock
}

// oldRevision is how long the generations of an older revision stay for older binaries that still
// read them. After that, older binaries read the log.
const oldRevision = 24 * time.Hour

// markDead writes the manifests of the slices' lost generations again, with the flag "dead". If no
// generation covers a slice, it leaves the slice's newest one, because the age of that one limits
// how often a slice of today is recomputed. It returns the states that it read, and how many
// generations it marked.
func (r *Rollup) markDead(ctx context.Context, f Filter) (states []tables.SliceState, n int, err error) {
	// Read the manifests before the states: a later manifest may be of a state that was not read.
	known, err := r.manifests(ctx, "slices", f)
	if err != nil {
		return nil, 0, err
	}
	if states, err = r.states(ctx, f); err != nil {
		return nil, 0, err
	}
	keep := make(map[tables.Slice]uuid.UUID, len(states))
	for _, s := range states {
		if keep[s.Slice] = s.Newest; s.Clean {
			keep[s.Slice] = s.Generation
		}
	}
	losers := lostOf(known, keep)
	return states, len(losers), r.writeDead(ctx, "slices", losers)
}

// markMonthsDead does the same for months, with manifests that were read before the states. If a
// month is dirty, it leaves all of the month's generations: one may be read again when the month's
// slices are clean.
func (r *Rollup) markMonthsDead(
	ctx context.Context, page Filter, known []lost, states []tables.SliceState,
) (n int, err error) {
	if len(known) == 0 {
		return 0, nil
	}
	months, err := tables.MonthStates(ctx, r.conn, page, states)
	if err != nil {
		return 0, err
	}
	keep := map[tables.Slice]uuid.UUID{}
	for _, m := range months {
		expired := slices.ContainsFunc(m.Days, func(s tables.SliceState) bool { return !s.Alive })
		if m.Clean || expired {
			keep[m.Slice] = m.Generation
		}
	}
	losers := lostOf(known, keep)
	return len(losers), r.writeDead(ctx, "months", losers)
}

// lostOf lists the known generations of this revision that are not the one to keep, and generations
// of older revisions that have been there for longer than oldRevision.
func lostOf(known []lost, keep map[tables.Slice]uuid.UUID) (losers []lost) {
	for _, m := range known {
		best, ok := keep[sliceOf(m)]
		stale := m.Revision < tables.Revision && m.AgeMillis > oldRevision.Milliseconds()
		if stale || ok && m.Revision == tables.Revision && m.Generation != best {
			losers = append(losers, m)
		}
	}
	return losers
}

// markShort marks generations dead that have fewer or more rows than their manifests say. Reasons:
// a sweeper took a suspended worker for a dead one; an older binary's sweeper, which knows no
// months, took a month's rows for orphans; somebody deleted rows; a backup has a manifest without
// its rows. The slice then is dirty and is made again, under a generation whose rows were counted
// when it was committed. So this does not repeat unless rows are removed again. Until the
// generation is marked, each export that meets it plans twice.
func (r *Rollup) markShort(ctx context.Context, manifests string, page Filter) error {
	suspects, err := r.short(ctx, manifests, page, "1")
	if err != nil {
		return err
	}
	for part := range slices.Chunk(suspects, chunk) {
		generations := make([]string, len(part))
		for i, l := range part {
			generations[i] = l.Generation.String()
		}
		// Count once more: a manifest is written after its rows, but one statement may see the
		// manifest and not yet the rows.
		gone, err := r.short(ctx, manifests, page, "generation IN {suspects:Array(UUID)}",
			clickhouse.Named("suspects", generations))
		if err != nil {
			return err
		}
		if err := r.writeDead(ctx, manifests, gone); err != nil {
			return err
		}
		if manifests == "slices" { // no mark says that they are dirty now
			for _, l := range gone {
				r.watch(sliceOf(l), r.now(), r.now())
			}
		}
		if len(gone) > 0 {
			r.metrics.cleaned.WithLabelValues(short).Add(float64(len(gone)))
			r.log.Warn("rows of rollups are gone that their manifests speak of; they are made again from the log",
				"of", manifests, "generations", len(gone),
				"do", "exports stay exact; find out who took the rows: 'Rows that are gone' in OPERATIONS.md")
		}
	}
	return nil
}

// short lists the generations of a page that do not have the number of rows that their manifests
// say, among those that meet the condition (which). It leaves out generations that are about to
// expire.
func (r *Rollup) short(
	ctx context.Context, manifests string, page Filter, which string, args ...any,
) (all []lost, err error) {
	found := map[uuid.UUID]lost{}
	where, pageArgs := page.Where()
	args = append(append(args, tables.AliveAt(r.now())), pageArgs...)
	for _, d := range tables.Dailies() {
		var rows []lost
		query := fmt.Sprintf(`SELECT m.org_id AS org_id, m.day AS day, m.generation AS generation, m.revision AS revision
FROM (SELECT * FROM %[1]s FINAL WHERE dead = 0 AND %[4]s AND %[5]s AND %[6]s) AS m
LEFT JOIN (
	SELECT generation, count() AS n FROM %[2]s
	WHERE generation IN (SELECT generation FROM %[1]s WHERE %[6]s) AND %[5]s AND %[6]s GROUP BY generation
) AS r ON r.generation = m.generation
WHERE r.n != m.%[3]s`, manifests, d.Table, d.RowCount(), tables.Alive, which, where)
		if err := r.conn.Select(ctx, &rows, query, args...); err != nil {
			return nil, fmt.Errorf("look for %s without their rows in %s: %w", manifests, d.Table, err)
		}
		for _, row := range rows {
			found[row.Generation] = row
		}
	}
	return slices.Collect(maps.Values(found)), nil
}

func (r *Rollup) writeDead(ctx context.Context, manifests string, losers []lost) error {
	if len(losers) == 0 {
		return nil
	}
	insert, err := r.conn.PrepareBatch(ctx, "INSERT INTO "+manifests+" (org_id, day, generation, revision, dead)")
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

// manifests lists the manifests of slices or months that are not dead.
func (r *Rollup) manifests(ctx context.Context, table string, f Filter) (all []lost, err error) {
	where, args := f.Where()
	if err := r.conn.Select(ctx, &all,
		"SELECT org_id, day, generation, revision, dateDiff('millisecond', written_at, now64(3)) AS age_ms FROM "+table+
			" FINAL WHERE dead = 0 AND "+where, args...); err != nil {
		return nil, fmt.Errorf("read the manifests: %w", err)
	}
	return all, nil
}

// removeDead deletes the rows of generations that have been dead for Config.DeadTime, and then
// their manifests: as long as a row is there, its manifest says that it is dead.
func (r *Rollup) removeDead(ctx context.Context, manifests string, f Filter) error {
	var rows []lost
	where, args := f.Where()
	err := r.conn.Select(ctx, &rows, "SELECT org_id, day, generation, revision FROM "+manifests+
		" FINAL WHERE dead = 1 AND written_at <= now64(3) - toIntervalMillisecond({ms:Int64}) AND "+where,
		append(args, clickhouse.Named("ms", r.cfg.DeadTime.Milliseconds()))...)
	if err != nil {
		return fmt.Errorf("read the dead manifests: %w", err)
	}
	return eachChunk(rows, func(partition int, generations []string) error {
		if err := r.deleteRows(ctx, partition, generations); err != nil {
			return err
		}
		// The manifest rows without the flag "dead" go first: a deletion may become visible part by
		// part, and no reader may see such a row without the one that says "dead".
		for _, which := range []string{"dead = 0", "1"} {
			if err := r.deleteGenerations(ctx, manifests, partition, which, generations); err != nil {
				return err
			}
		}
		r.metrics.cleaned.WithLabelValues(removed).Add(float64(len(generations)))
		return nil
	})
}

// removeOrphans deletes rollup rows that have no manifest and are too old to get one.
func (r *Rollup) removeOrphans(ctx context.Context, page Filter) error {
	found := map[uuid.UUID]lost{}
	where, args := page.Where()
	args = append(args, clickhouse.Named("ms", r.cfg.OrphanTime.Milliseconds()))
	for _, d := range tables.Dailies() {
		var rows []lost
		query := fmt.Sprintf(`SELECT DISTINCT org_id, day, generation, toUInt32(0) AS revision FROM %[1]s
WHERE %[2]s AND UUIDv7ToDateTime(generation, 'UTC') <= now64(3) - toIntervalMillisecond({ms:Int64})
	AND generation NOT IN (SELECT generation FROM slices WHERE %[2]s UNION ALL SELECT generation FROM months WHERE %[2]s)`,
			d.Table, where)
		if err := r.conn.Select(ctx, &rows, query, args...); err != nil {
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

// deleteGenerations hides the generations' rows in one month at once; merges of the engine remove
// them later.
func (r *Rollup) deleteGenerations(
	ctx context.Context, table string, partition int, which string, generations []string,
) error {
	in := fmt.Sprintf("IN PARTITION '%d'", partition)
	if table == "months" { // it has no partitions
		in = ""
	}
	query := fmt.Sprintf("DELETE FROM %s %s WHERE %s AND generation IN {generations:Array(UUID)}", table, in, which)
	if err := r.conn.Exec(ctx, query, clickhouse.Named("generations", generations)); err != nil {
		return fmt.Errorf("delete %d generations from %s: %w", len(generations), table, err)
	}
	return nil
}

// chunk is how many generations one parameter names. They take 80 kB there, and a server takes at
// most 128 KiB.
const chunk = 2000

// eachChunk groups generations by the month of their slice, so that one DELETE works on one
// partition, and calls do with at most chunk of them.
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
