package rollup

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"

	"rollcall/schema"
	"rollcall/schema/tables"
)

// recomputeAll recomputes slices batch by batch and returns how many got a manifest. A batch that fails does not keep the others from their turn.
func (r *Rollup) recomputeAll(ctx context.Context, states []tables.SliceState, progress func(done, total int)) (recomputed int, err error) {
	var failures []error
	handled := 0
	queue := batches(states, schema.DayOf(r.now().UTC()), r.cfg.BatchSlices)
	for len(queue) > 0 && ctx.Err() == nil {
		n, rest, err := r.recompute(ctx, queue[0])
		handled += len(queue[0]) - len(rest)
		recomputed += n
		if err != nil {
			failures = append(failures, err)
		}
		if queue[0] = rest; len(rest) == 0 {
			queue = queue[1:]
		}
		if progress != nil {
			progress(handled, len(states))
		}
	}
	return recomputed, errors.Join(append(failures, ctx.Err())...)
}

// recompute makes a new generation of the rollups for each slice of a batch, all of one month, and returns how many it committed and those it left for later
// because the batch had too many rows. It takes no lock: two workers on one slice write two generations, either of which is right.
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
	before, err := r.readVersions(ctx, b)
	if err != nil {
		return 0, nil, err
	}
	if rest = b.limit(before, r.cfg.BatchRows); len(rest) > 0 {
		before = before[:len(b.slices)]
	}
	// (c) All rollup tables, each slice under a generation that nobody else writes.
	for _, d := range tables.Dailies() {
		if err := r.conn.Exec(ctx, d.Insert(inBatch), b.args()...); err != nil {
			return 0, rest, fmt.Errorf("write %s of %d slices: %w", d.Table, len(b.slices), err)
		}
	}
	// (d) The version after. Where it moved, the tables may come from two states of the log: no manifest, so their rows do not exist.
	after, err := r.readVersions(ctx, b)
	if err != nil {
		return 0, rest, err
	}
	b.keep(func(i int) bool { return before[i].version.Cmp(&after[i].version) == 0 }, after)
	// A cleaner takes old rows without a manifest for orphans: this late, they might go before the manifest comes.
	if time.Since(start) > r.cfg.OrphanTime/2 {
		return 0, rest, fmt.Errorf("recompute of %d slices took %s: lower the batch size or raise the orphan time", len(b.slices), time.Since(start).Round(time.Second))
	}
	// (e) The manifests: the commit point.
	if len(b.slices) == 0 {
		return 0, rest, nil
	}
	if err := r.writeManifests(ctx, b); err != nil {
		return 0, rest, err
	}
	return len(b.slices), rest, nil
}

// inBatch selects an attempt's slices; the range of days lets the engine skip partitions before it looks at the list.
const inBatch = "day BETWEEN {first:Date} AND {last:Date} AND (org_id, day) IN (SELECT arrayJoin(arrayZip({orgs:Array(String)}, {days:Array(Date)})))"

// An attempt is one recompute of a batch. Its lists go by the same index.
type attempt struct {
	asked       int
	slices      []tables.Slice
	generations []uuid.UUID
	covered     []map[uuid.UUID]uint64
	versions    []big.Int
	rows        uint64 // of the log, read per recompute
}

func newAttempt(batch []tables.Slice) *attempt {
	b := &attempt{asked: len(batch), slices: batch}
	for range batch {
		b.generations = append(b.generations, uuid.Must(uuid.NewV7()))
	}
	return b
}

// args are the parameters of inBatch and of Daily.Insert.
func (b *attempt) args() []any {
	first, last := b.slices[0].Day, b.slices[0].Day
	orgs, days, generations := make([]string, len(b.slices)), make([]string, len(b.slices)), make([]string, len(b.slices))
	for i, s := range b.slices {
		first, last = min(first, s.Day), max(last, s.Day)
		orgs[i], days[i], generations[i] = s.Org, s.Day.String(), b.generations[i].String()
	}
	return []any{
		clickhouse.Named("orgs", orgs), clickhouse.Named("days", days), clickhouse.Named("generations", generations),
		clickhouse.Named("first", first.String()), clickhouse.Named("last", last.String()),
	}
}

// limit leaves as many slices as have at most rows log rows together, at least one, and returns the others.
func (b *attempt) limit(before []sliceVersion, rows uint64) (rest []tables.Slice) {
	n := 0
	for ; n < len(b.slices); n++ {
		if n > 0 && b.rows+before[n].events > rows {
			break
		}
		b.rows += before[n].events
	}
	rest = b.slices[n:]
	b.slices, b.generations, b.covered = b.slices[:n], b.generations[:n], b.covered[:n]
	b.asked = n
	return rest
}

// keep drops the slices that ok refuses and takes over the versions of the others.
func (b *attempt) keep(ok func(i int) bool, versions []sliceVersion) {
	kept := attempt{asked: b.asked, rows: b.rows}
	for i := range b.slices {
		if ok(i) {
			kept.slices, kept.generations = append(kept.slices, b.slices[i]), append(kept.generations, b.generations[i])
			kept.covered, kept.versions = append(kept.covered, b.covered[i]), append(kept.versions, versions[i].version)
		}
	}
	*b = kept
}
