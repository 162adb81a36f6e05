package rollup

import (
	"cmp"
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

// monthsChore is rollMonths beside the recomputes, which have their turn every Poll: the first look of a new release may find a year of every org.
func (r *Rollup) monthsChore(ctx context.Context) error {
	worked := r.now()
	return r.rollMonths(ctx, Filter{}, false, func() error {
		if r.now().Sub(worked) < r.cfg.Poll {
			return nil
		}
		worked = r.now()
		return r.work(ctx)
	})
}

// rollMonths makes a generation for each closed month that the filter touches, has at least two slices, all clean, and has no generation that is read; with again,
// also for those that have. After each batch it calls between, if any. A batch that fails does not keep the others from their turn.
func (r *Rollup) rollMonths(ctx context.Context, f Filter, again bool, between func() error) error {
	months, err := r.months(ctx, f)
	if err != nil {
		return err
	}
	today := schema.DayOf(r.now().UTC())
	months = slices.DeleteFunc(months, func(m tables.MonthState) bool {
		return m.Day >= today || len(m.Days) < 2 || !m.Clean || m.Generation != uuid.Nil && !again
	})
	var failures []error
	for _, batch := range r.monthBatches(months) {
		if ctx.Err() != nil {
			break
		}
		failures = append(failures, r.rollMonth(ctx, batch))
		if between != nil {
			failures = append(failures, between())
		}
	}
	return errors.Join(append(failures, ctx.Err())...)
}

// months reads the state of each month that the filter touches.
func (r *Rollup) months(ctx context.Context, f Filter) ([]tables.MonthState, error) {
	states, err := tables.SliceStates(ctx, r.conn, f.WholeMonths(), false, r.now())
	if err != nil {
		return nil, err
	}
	return tables.MonthStates(ctx, r.conn, f, states)
}

// monthBatches groups orgs' months, all clean, so that each batch is of one calendar month and, but for an org alone, within the limits: of slices, and of their rows.
func (r *Rollup) monthBatches(months []tables.MonthState) (batches [][]tables.MonthState) {
	slices.SortStableFunc(months, func(a, b tables.MonthState) int { return cmp.Compare(a.Day, b.Day) })
	days, rows := 0, uint64(0)
	for i, m := range months {
		n := uint64(0)
		for t := range tables.Dailies() {
			n += sum(m.Days, t)
		}
		days, rows = days+len(m.Days), rows+n
		if i == 0 || m.Day != months[i-1].Day || days > r.cfg.BatchSlices || rows > r.cfg.BatchRows {
			batches, days, rows = append(batches, nil), len(m.Days), n
		}
		batches[len(batches)-1] = append(batches[len(batches)-1], m)
	}
	return batches
}

// sum is how many rows slices have in one rollup table.
func sum(days []tables.SliceState, table int) (n uint64) {
	for _, s := range days {
		n += s.Rows[table]
	}
	return n
}

// rollMonth merges the generations of the days of several orgs' month. What a generation has never changes, so the merge of these very generations is right whatever
// happens meanwhile; only their rows may go.
func (r *Rollup) rollMonth(ctx context.Context, batch []tables.MonthState) (err error) {
	start, done := time.Now(), 0
	defer func() { r.metrics.monthsRolled(len(batch), done, err) }()
	b := newMonthAttempt(batch)
	// (a) All rollup tables, each month under a generation that nobody else writes.
	for _, d := range tables.Dailies() {
		if err := r.conn.Exec(ctx, d.InsertMonth(monthSources), b.args()...); err != nil {
			return fmt.Errorf("write %s of a month of %d orgs: %w", d.Table, len(batch), err)
		}
	}
	// (b) Were the days' rows all there? Rows that go do not come back: if they are there now, they were.
	kept, err := r.stillThere(ctx, b)
	if err != nil {
		return err
	}
	if time.Since(start) > r.cfg.OrphanTime/2 {
		return fmt.Errorf("the month of %d orgs took %s: lower the batch size or raise the orphan time", len(batch), time.Since(start).Round(time.Second))
	}
	// (c) The manifests: the commit point.
	if done, err = r.writeMonths(ctx, b, kept); err != nil {
		return err
	}
	return nil
}

// A monthAttempt is one roll of a batch. Its lists go by the same index.
type monthAttempt struct {
	months      []tables.MonthState
	generations []uuid.UUID
}

func newMonthAttempt(batch []tables.MonthState) *monthAttempt {
	b := &monthAttempt{months: batch}
	for range batch {
		b.generations = append(b.generations, uuid.Must(uuid.NewV7()))
	}
	return b
}

// monthSources are the rows that an attempt merges, monthRows those that it makes. Days and orgs are what the tables are ordered by.
const (
	monthDays    = "org_id IN {orgs:Array(String)} AND day BETWEEN {first:Date} AND {last:Date}"
	monthSources = monthDays + " AND generation IN {sources:Array(UUID)}"
	monthRows    = monthDays + " AND generation IN {generations:Array(UUID)}"
)

// args are the parameters of monthSources, monthRows, Daily.Merged and Daily.InsertMonth.
func (b *monthAttempt) args() []any {
	var orgs, sources, generations []string
	first, last := b.months[0].Day, b.months[0].Day
	for i, m := range b.months {
		orgs, generations = append(orgs, m.Org), append(generations, b.generations[i].String())
		for _, s := range m.Days {
			first = min(first, s.Day)
			sources = append(sources, s.Generation.String())
		}
	}
	return []any{
		clickhouse.Named("orgs", orgs), clickhouse.Named("sources", sources), clickhouse.Named("generations", generations),
		clickhouse.Named("first", first.String()), clickhouse.Named("last", last.String()),
	}
}

// stillThere says for each of the attempt's months whether its days' generations have the rows that their manifests say.
func (r *Rollup) stillThere(ctx context.Context, b *monthAttempt) ([]bool, error) {
	kept := make([]bool, len(b.months))
	for i := range kept {
		kept[i] = true
	}
	for t, d := range tables.Dailies() {
		rows, err := r.countMonths(ctx, d, monthSources, b)
		if err != nil {
			return nil, err
		}
		for i, m := range b.months {
			kept[i] = kept[i] && rows[m.Org] == sum(m.Days, t)
		}
	}
	return kept, nil
}

// countMonths counts rows of one rollup table by org.
func (r *Rollup) countMonths(ctx context.Context, d tables.Daily, which string, b *monthAttempt) (map[string]uint64, error) {
	var rows []struct {
		Org  string `ch:"org_id"`
		Rows uint64 `ch:"rows"`
	}
	if err := r.conn.Select(ctx, &rows, "SELECT org_id, count() AS rows FROM "+d.Table+" WHERE "+which+" GROUP BY org_id", b.args()...); err != nil {
		return nil, fmt.Errorf("count the rows of a month of %d orgs in %s: %w", len(b.months), d.Table, err)
	}
	counts := map[string]uint64{}
	for _, row := range rows {
		counts[row.Org] = row.Rows
	}
	return counts, nil
}

// writeMonths commits those of the attempt's months that were kept, in one insert. The numbers of rows are counted in the tables, so that they are what a reader meets.
func (r *Rollup) writeMonths(ctx context.Context, b *monthAttempt, kept []bool) (n int, err error) {
	var counts [4]map[string]uint64
	for t, d := range tables.Dailies() {
		if counts[t], err = r.countMonths(ctx, d, monthRows, b); err != nil {
			return 0, err
		}
	}
	insert, err := r.conn.PrepareBatch(ctx, "INSERT INTO months (org_id, day, generation, revision, versions, message_rows, action_rows, token_rows, workflow_rows)")
	if err != nil {
		return 0, fmt.Errorf("write the manifests of a month: %w", err)
	}
	defer insert.Close()
	for i, m := range b.months {
		if !kept[i] {
			continue
		}
		n++
		err := insert.Append(m.Org, m.Day.Time(), b.generations[i], uint32(tables.Revision), m.Versions, counts[0][m.Org], counts[1][m.Org], counts[2][m.Org], counts[3][m.Org])
		if err != nil {
			return 0, fmt.Errorf("write the manifest of %s, month to %s: %w", m.Org, m.Day, err)
		}
	}
	if n == 0 {
		return 0, nil
	}
	if err := insert.Send(); err != nil {
		return 0, fmt.Errorf("write the manifests of a month: %w", err)
	}
	return n, nil
}
