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

// maxDivisions is how many batches that failed are divided in one look: enough to find a few slices
// among thousands. It bounds what is spent on a failure that every slice has.
const maxDivisions = 32

// recomputeBatches does the same for batches, and calls before, if any, ahead of each. A batch that
// fails does not keep the others from their turn, nor a slice those of its batch: it is divided
// until the slice is alone (tables.Divisible).
func (r *Rollup) recomputeBatches(
	ctx context.Context, queue [][]tables.Slice, before func([]tables.Slice) error, progress func(done, total int),
) (recomputed int, err error) {
	var failures []error
	handled := 0
	total := 0
	divisions := 0
	for _, batch := range queue {
		total += len(batch)
	}
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
			progress(handled, total)
		}
	}
	return recomputed, errors.Join(append(failures, ctx.Err())...)
}

// recompute makes a new generation of the rollups for each slice of a batch, all of one month, and
// returns how many it committed and those it left for later because the batch had too many rows. It
// takes no lock: two workers on one slice write two generations, either of which is right.
func (r *Rollup) recompute(ctx context.Context, batch []tables.Slice) (committed int, rest []tables.Slice, err error) {
	start := time.Now()
	b := newAttempt(batch)
	defer func() { r.metrics.recomputed(b, committed, err, time.Since(start)) }()
	ctx, endTrace := r.traceRecompute(ctx, b)
	defer func() { endTrace(committed, err) }()

	// (a) The marks first: what is covered is in the log when it is read.
	if err := r.readMarks(ctx, b); err != nil {
		return 0, nil, err
	}
	// (b) The version of the log before.
	if b.before, err = r.readVersions(ctx, b); err != nil {
		return 0, nil, err
	}
	rest = b.limit(r.cfg.BatchRows)
	// (c) All rollup tables, each slice under a generation that nobody else writes.
	for _, d := range tables.Dailies() {
		if err := r.conn.Exec(ctx, d.Insert(inBatch), b.args()...); err != nil {
			return 0, rest, fmt.Errorf("write %s of %d slices: %w", d.Table, len(b.slices), err)
		}
	}
	// (d) The version after. Where it moved, the tables may come from two states of the log: no
	// manifest, so their rows do not exist.
	if b.after, err = r.readVersions(ctx, b); err != nil {
		return 0, rest, err
	}
	b.keep(func(i int) bool { return b.before[i].version.Cmp(&b.after[i].version) == 0 })
	// (e) What was written, counted. Where a row is missing, a sweeper took this worker for a dead
	// one: no manifest, which would say less than was written.
	if err := r.countRows(ctx, b); err != nil {
		return 0, rest, err
	}
	if gone := b.keep(b.whole); gone > 0 {
		r.log.Warn("a sweeper took rows of a recompute under way; it is done again. Was this process suspended, or is its clock hours behind?", "slices", gone)
	}
	// (f) The manifests: the commit point.
	if len(b.slices) == 0 {
		return 0, rest, nil
	}
	if err := r.writeManifests(ctx, b); err != nil {
		return 0, rest, err
	}
	return len(b.slices), rest, nil
}

// inBatch selects an attempt's slices; the range of days lets the engine skip partitions before it
// looks at the list.
const inBatch = "day BETWEEN {first:Date} AND {last:Date} AND (org_id, day) IN (SELECT arrayJoin(arrayZip({orgs:Array(String)}, {days:Array(Date)})))"

// An attempt is one recompute of a batch. Its lists go by the same index.
type attempt struct {
	asked       int
	slices      []tables.Slice
	generations []uuid.UUID
	covered     []map[uuid.UUID]uint64
	before      []sliceVersion
	after       []sliceVersion
	written     []written
	rows        uint64 // of the log, read per recompute
}

// written is what a generation has in each rollup table: its rows, and the events that they say
// they are made of.
type written struct{ rows, events tables.PerDaily }

func newAttempt(batch []tables.Slice) *attempt {
	b := &attempt{asked: len(batch), slices: batch}
	for range batch {
		b.generations = append(b.generations, uuid.Must(uuid.NewV7()))
	}
	return b
}

// args are the parameters of inBatch and of Daily.Insert.
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

// limit leaves as many slices as have at most rows log rows together, at least one, and returns the
// others.
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

// whole is whether all rows that were written for a slice are there. Each is made of one event at
// least, and together they are made of those that the log had, so they are all there if, and only
// if, they add up to them. It is the log that says what was written: the tables can only say what
// is left.
func (b *attempt) whole(i int) bool { return b.written[i].events == b.after[i].counted }

// keep drops the slices that ok refuses and returns how many these were.
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

// appendAt appends what a list has at i, if the list is there yet.
func appendAt[T any](kept, list []T, i int) []T {
	if list == nil {
		return nil
	}
	return append(kept, list[i])
}
