package rollup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"

	"rollcall/schema"
	"rollcall/schema/tables"
)

// recomputeAll recomputes slices batch by batch and returns how many got a manifest.
func (r *Rollup) recomputeAll(ctx context.Context, states []tables.SliceState) (recomputed int, err error) {
	return r.recomputeBatches(ctx, batches(states, schema.DayOf(r.now().UTC()), r.cfg.BatchSlices), nil, nil)
}

// maxDivisions is how many failed batches are divided in one call. It is enough to find a few
// slices that fail among thousands, and it limits the work when every slice fails.
const maxDivisions = 32

// recomputeBatches recomputes batches and returns how many slices got a manifest. If before is
// given, it is called with each batch ahead of its recompute; if progress is given, with the number
// of slices that were tried. A batch that fails does not stop the
// other batches. A slice that fails does not stop the others of its batch either: the batch is
// divided until that slice is alone (tables.Divisible).
func (r *Rollup) recomputeBatches(
	ctx context.Context, queue [][]tables.Slice, before func([]tables.Slice) error, progress func(handled int),
) (recomputed int, err error) {
	var failures []error
	handled := 0
	divisions := 0
	for len(queue) > 0 && ctx.Err() == nil {
		var rest []tables.Slice
		var err error
		if before != nil {
			err = before(queue[0])
		}
		n := 0
		if err == nil {
			n, rest, err = r.recompute(ctx, queue[0])
		}
		tried := queue[0][:len(queue[0])-len(rest)]
		recomputed += n
		if queue[0] = rest; len(rest) == 0 {
			queue = queue[1:]
		}
		switch {
		case err != nil && len(tried) > 1 && divisions < maxDivisions && tables.Divisible(err):
			divisions++
			queue = slices.Insert(queue, 0, tried[:len(tried)/2], tried[len(tried)/2:])
		case err != nil && len(tried) == 1:
			failures = append(failures, fmt.Errorf("the slice %s %s: %w", tried[0].Org, tried[0].Day, err))
			handled++
		case err != nil:
			failures = append(failures, err)
			fallthrough
		default:
			handled += len(tried)
		}
		if progress != nil {
			progress(handled)
		}
	}
	return recomputed, errors.Join(append(failures, ctx.Err())...)
}

// recompute makes a new generation of the rollups for each slice of a batch. The slices must be of
// one month. It returns how many slices it committed, and those that it left for later because the
// batch had too many rows. It takes no lock: two workers on one slice write two generations, and
// both are right.
func (r *Rollup) recompute(ctx context.Context, batch []tables.Slice) (committed int, rest []tables.Slice, err error) {
	start := time.Now()
	b := newAttempt(batch)
	defer func() { r.metrics.recomputed(b, committed, err, time.Since(start)) }()
	ctx, endTrace := r.traceRecompute(ctx, b)
	defer func() { endTrace(committed, err) }()

	// (a) The marks first: then the log has all rows that the marks stand for when it is read.
	if err := r.readMarks(ctx, b); err != nil {
		return 0, nil, err
	}
	// (b) The version of the log before the tables are written.
	if b.before, err = r.readVersions(ctx, b); err != nil {
		return 0, nil, err
	}
	rest = b.limit(r.cfg.BatchRows)
	// (c) All rollup tables, each slice under a generation number that nobody else has.
	if err := r.writeRows(ctx, b); err != nil {
		return 0, rest, err
	}
	if err := r.check(ctx, b); err != nil {
		return 0, rest, err
	}
	// (d) The version after. If it changed, the tables may come from two states of the log: no
	// manifest is written, so nobody reads their rows.
	b.keep(func(i int) bool { return b.before[i].version.Cmp(&b.after[i].version) == 0 })
	// (e) The number of rows written. If a row is missing, a sweeper took this worker for a dead
	// one: no manifest is written, because it would promise fewer rows than were written.
	if gone := b.keep(b.whole); gone > 0 {
		r.log.Warn("a sweeper took rows of a recompute under way; it is done again. "+
			"Was this process suspended, or is its clock hours behind?", "slices", gone)
	}
	// (f) The manifests. They are the commit point.
	if len(b.slices) == 0 {
		return 0, rest, nil
	}
	if err := r.writeManifests(ctx, b); err != nil {
		return 0, rest, err
	}
	r.touch(b.slices)
	return len(b.slices), rest, nil
}

// An attempt is one recompute of a batch. Index i of each list belongs to the same slice.
type attempt struct {
	asked       int
	slices      []tables.Slice
	generations []uuid.UUID
	covered     []map[uuid.UUID]uint64
	before      []sliceVersion
	after       []sliceVersion
	written     []written
	rows        uint64 // rows of the log that one recompute reads
}

// written says for each rollup table how many rows a generation has, and the sum of the events that
// these rows say they are made of.
type written struct{ rows, events tables.PerDaily }

func newAttempt(batch []tables.Slice) *attempt {
	b := &attempt{asked: len(batch), slices: batch}
	for range batch {
		b.generations = append(b.generations, uuid.Must(uuid.NewV7()))
	}
	return b
}

// where is the condition that selects the attempt's slices. The range of days lets the engine skip
// partitions before it looks at the list. The list of pairs costs a log row as much as reading its
// key, so it is left out where all orgs have all days: the days of one org, or the orgs of one day.
func (b *attempt) where() string {
	orgs := map[string]bool{}
	first := b.slices[0].Day
	last := first
	for _, s := range b.slices {
		orgs[s.Org] = true
		first = min(first, s.Day)
		last = max(last, s.Day)
	}
	where := "day BETWEEN {first:Date} AND {last:Date} AND org_id IN {orgs:Array(String)}"
	if len(b.index()) < len(orgs)*int(last-first+1) {
		where += " AND (org_id, day) IN (SELECT arrayJoin(arrayZip({orgs:Array(String)}, {days:Array(Date)})))"
	}
	return where
}

// args are the parameters of where and of Daily.Insert.
func (b *attempt) args() []any {
	first := b.slices[0].Day
	last := b.slices[0].Day
	orgs := make([]string, len(b.slices))
	days := make([]string, len(b.slices))
	generations := make([]string, len(b.slices))
	for i, s := range b.slices {
		first = min(first, s.Day)
		last = max(last, s.Day)
		orgs[i], days[i], generations[i] = s.Org, s.Day.String(), b.generations[i].String()
	}
	return []any{
		clickhouse.Named("orgs", orgs), clickhouse.Named("days", days), clickhouse.Named("generations", generations),
		clickhouse.Named("first", first.String()), clickhouse.Named("last", last.String()),
	}
}

// limit keeps the first slices, at least one, as long as they have at most so many log rows
// together. It returns the others.
func (b *attempt) limit(rows uint64) (rest []tables.Slice) {
	n := 0
	for ; n < len(b.slices); n++ {
		if n > 0 && b.rows+b.before[n].events > rows {
			break
		}
		b.rows += b.before[n].events
	}
	rest = b.slices[n:]
	b.asked = n
	b.keep(func(i int) bool { return i < n })
	return rest
}

// whole says whether all rows that were written for slice i are there. Each row is made of at least
// one event, and all rows together are made of the events that the log had. So all rows are there
// if and only if their events add up to the log's. The number must come from the log: the tables
// only show the rows that are left.
func (b *attempt) whole(i int) bool { return b.written[i].events == b.after[i].counted }

// keep drops the slices that ok refuses, and returns how many it dropped.
func (b *attempt) keep(ok func(i int) bool) (dropped int) {
	kept := attempt{asked: b.asked, rows: b.rows}
	for i := range b.slices {
		if !ok(i) {
			dropped++
			continue
		}
		kept.slices, kept.generations = append(kept.slices, b.slices[i]), append(kept.generations, b.generations[i])
		kept.covered = appendAt(kept.covered, b.covered, i)
		kept.before, kept.after = appendAt(kept.before, b.before, i), appendAt(kept.after, b.after, i)
		kept.written = appendAt(kept.written, b.written, i)
	}
	*b = kept
	return dropped
}

// appendAt appends list[i] to kept, or returns nil while the list has not been read yet.
func appendAt[T any](kept, list []T, i int) []T {
	if list == nil {
		return nil
	}
	return append(kept, list[i])
}
