package rollup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"

	"rollcall/schema"
	"rollcall/schema/tables"
)

// rollMonths makes a month generation for each month that the filter touches, if the month is
// closed, has at least two slices, all of them are clean, and no generation of it is read yet. A
// batch that fails does not stop the others.
func (r *Rollup) rollMonths(ctx context.Context, f Filter) error {
	var failures []error
	err := r.eachPage(ctx, f.WholeMonths(), func(page Filter) error {
		states, err := r.states(ctx, page)
		if err != nil {
			return err
		}
		_, err = r.rollMonthsOf(ctx, page, states)
		failures = append(failures, err)
		return ctx.Err()
	})
	return errors.Join(append(failures, err)...)
}

// rollMonthsOf does that for a page, which has whole months, by the states of its slices. It
// returns whether there was a month to merge.
func (r *Rollup) rollMonthsOf(
	ctx context.Context, page Filter, states []tables.SliceState,
) (worked bool, err error) {
	today := schema.DayOf(r.now().UTC())
	if page.To >= today {
		return false, nil
	}
	months, err := tables.MonthStates(ctx, r.conn, page, states)
	if err != nil {
		return false, err
	}
	months = slices.DeleteFunc(months, func(m tables.MonthState) bool {
		return m.Day >= today || len(m.Days) < 2 || !m.Clean || m.Generation != uuid.Nil
	})
	var failures []error
	for _, batch := range r.monthBatches(months) {
		if ctx.Err() != nil {
			break
		}
		failures = append(failures, r.rollMonth(ctx, batch))
	}
	return len(months) > 0, errors.Join(append(failures, ctx.Err())...)
}

// monthBatches groups the months of orgs, which must be clean. Each batch is of one calendar month
// and keeps to the limits of slices and of rollup rows; an org that is over a limit gets a batch of
// its own.
func (r *Rollup) monthBatches(months []tables.MonthState) (batches [][]tables.MonthState) {
	slices.SortStableFunc(months, func(a, b tables.MonthState) int { return cmp.Compare(a.Day, b.Day) })
	days := 0
	rows := uint64(0)
	for i, m := range months {
		n := uint64(0)
		for _, rows := range sums(m.Days) {
			n += rows
		}
		days = days + len(m.Days)
		rows = rows + n
		if i == 0 || m.Day != months[i-1].Day || days > r.cfg.BatchSlices || rows > r.cfg.BatchRows {
			batches = append(batches, nil)
			days = len(m.Days)
			rows = n
		}
		batches[len(batches)-1] = append(batches[len(batches)-1], m)
	}
	return batches
}

// sums returns how many rows the slices have together in each rollup table.
func sums(days []tables.SliceState) (n tables.PerDaily) {
	for _, s := range days {
		for t, rows := range s.Rows {
			n[t] += rows
		}
	}
	return n
}

// rollMonth merges the generations of the days of one calendar month, for several orgs. The rows of
// a generation never change, so the merge of exactly these generations is right whatever happens
// meanwhile; only their rows may be removed.
func (r *Rollup) rollMonth(ctx context.Context, batch []tables.MonthState) (err error) {
	done := 0
	defer func() { r.metrics.monthsRolled(len(batch), done, err) }()
	b := newMonthAttempt(batch)
	// (a) All rollup tables, each month under a generation number that nobody else has.
	for _, d := range tables.Dailies() {
		if err := r.conn.Exec(ctx, d.InsertMonth(monthSources), b.args()...); err != nil {
			return fmt.Errorf("write %s of a month of %d orgs: %w", d.Table, len(batch), err)
		}
	}
	// (b) Were the days' rows all there? Removed rows do not come back: if all are there now, all
	// were there during the merge.
	sources, err := r.countMonths(ctx, monthSources, b)
	if err != nil {
		return err
	}
	// (c) The number of events in the month's rows: it must be that of the days' rows. A sweeper
	// may have taken this worker for a dead one and removed rows.
	if b.written, err = r.countMonths(ctx, monthRows, b); err != nil {
		return err
	}
	// (d) The manifests. They are the commit point.
	done, err = r.writeMonths(ctx, b, func(i int) bool {
		return sources[i].rows == sums(b.months[i].Days) && b.written[i].events == sources[i].events
	})
	return err
}

// A monthAttempt is one merge of a batch. Index i of each list belongs to the same month.
type monthAttempt struct {
	months      []tables.MonthState
	generations []uuid.UUID
	written     []written
}

func newMonthAttempt(batch []tables.MonthState) *monthAttempt {
	b := &monthAttempt{months: batch}
	for range batch {
		b.generations = append(b.generations, uuid.Must(uuid.NewV7()))
	}
	return b
}

// monthSources is the condition for the rows that an attempt merges, and monthRows for the rows
// that it writes. Both name days and orgs because the tables are ordered by them.
const (
	monthDays    = "org_id IN {orgs:Array(String)} AND day BETWEEN {first:Date} AND {last:Date}"
	monthSources = monthDays + " AND generation IN {sources:Array(UUID)}"
	monthRows    = monthDays + " AND generation IN {generations:Array(UUID)}"
)

// args are the parameters of monthSources, monthRows, Daily.Merged and Daily.InsertMonth.
func (b *monthAttempt) args() []any {
	var orgs, sources, generations []string
	first := b.months[0].Day
	last := b.months[0].Day
	for i, m := range b.months {
		orgs, generations = append(orgs, m.Org), append(generations, b.generations[i].String())
		for _, s := range m.Days {
			first = min(first, s.Day)
			sources = append(sources, s.Generation.String())
		}
	}
	return []any{
		clickhouse.Named("orgs", orgs), clickhouse.Named("sources", sources),
		clickhouse.Named("generations", generations),
		clickhouse.Named("first", first.String()), clickhouse.Named("last", last.String()),
	}
}

// countMonths counts the rows that meet the condition (which), and the events that these rows are
// made of, for each of the attempt's months.
func (r *Rollup) countMonths(ctx context.Context, which string, b *monthAttempt) ([]written, error) {
	index := map[string]int{}
	counts := make([]written, len(b.months))
	for i, m := range b.months {
		index[m.Org] = i
	}
	for t, d := range tables.Dailies() {
		var rows []struct {
			Org    string `ch:"org_id"`
			Rows   uint64 `ch:"rows"`
			Events uint64 `ch:"events"`
		}
		query := fmt.Sprintf("SELECT org_id, count() AS rows, sum(%s) AS events FROM %s WHERE %s GROUP BY org_id",
			d.Counts(), d.Table, which)
		if err := r.conn.Select(ctx, &rows, query, b.args()...); err != nil {
			return nil, fmt.Errorf("count the rows of a month of %d orgs in %s: %w", len(b.months), d.Table, err)
		}
		for _, row := range rows {
			w := &counts[index[row.Org]]
			w.rows[t] = row.Rows
			w.events[t] = row.Events
		}
	}
	return counts, nil
}

// insertMonths takes one row per month: these columns, then the row count of each rollup table.
var insertMonths = "INSERT INTO months (org_id, day, generation, revision, versions, " + tables.RowCounts() + ")"

// writeMonths commits those of the attempt's months for which whole is true, in one insert.
func (r *Rollup) writeMonths(ctx context.Context, b *monthAttempt, whole func(i int) bool) (n int, err error) {
	insert, err := r.conn.PrepareBatch(ctx, insertMonths)
	if err != nil {
		return 0, fmt.Errorf("write the manifests of a month: %w", err)
	}
	defer insert.Close()
	for i, m := range b.months {
		if !whole(i) {
			continue
		}
		n++
		row := []any{m.Org, m.Day.Time(), b.generations[i], uint32(tables.Revision), m.Sources}
		if err := insert.Append(appendEach(row, b.written[i].rows)...); err != nil {
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
