package rollup

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"rollcall/schema"
	"rollcall/schema/tables"
)

// Filter selects the slices that a command works on; its zero value selects all.
type Filter = tables.Filter

// A Difference is one rollup row that differs from the log. A side that has no such row is "".
type Difference struct {
	Org    string
	Day    schema.Day
	Table  string // message_daily, …; "slices" if only the manifest's version differs
	Month  bool   // the row is of the month that ends with Day; Log is then the sum of the days' rollups
	Key    string // the row's keys, as column=value
	Rolled string // the measures in the rollup, as column=value
	Log    string // the same, computed from the log
}

// verifyAttempts is how often a slice that differs is compared before it is reported: live traffic
// and other workers change slices meanwhile.
const verifyAttempts = 4

// Verify computes the rollups of every clean slice again from the log, reports each difference, and
// returns how many slices it compared. It writes nothing and may run beside everything else. A
// slice that changed meanwhile is compared again. A slice that is not clean is left out: exports
// read it from the log, so there is nothing to compare. Months that exports read as one generation
// are compared with their days, unless one of these days differs.
func (r *Rollup) Verify(
	ctx context.Context, f Filter, report func(Difference), progress func(done, total int),
) (compared int, err error) {
	total, err := r.countSlices(ctx, f)
	if err != nil {
		return 0, err
	}
	left := 0 // slices that are not clean
	err = r.eachPage(ctx, f, func(page Filter) error {
		states, err := r.states(ctx, page)
		if err != nil {
			return err
		}
		differ := map[tables.Slice]bool{} // months that have a differing day: org and last day
		clean := slices.DeleteFunc(slices.Clone(states), func(s tables.SliceState) bool { return !s.Clean })
		left += len(states) - len(clean)
		for batch := range slices.Chunk(clean, r.cfg.BatchSlices) {
			err := r.verifyBatch(ctx, batch, func(d Difference) {
				differ[tables.Slice{Org: d.Org, Day: tables.MonthEnd(d.Day)}] = true
				report(d)
			})
			if err != nil {
				return err
			}
			if compared += len(batch); progress != nil {
				progress(compared, max(total-left, compared))
			}
		}
		whole, err := tables.MonthStates(ctx, r.conn, page, states)
		if err != nil {
			return err
		}
		whole = slices.DeleteFunc(whole, func(m tables.MonthState) bool { return differ[m.Slice] })
		return r.verifyMonths(ctx, whole, report)
	})
	return compared, err
}

// verifyBatch reports the differences of clean slices of one month. It compares several times, so
// that it does not report a slice that only changed meanwhile.
func (r *Rollup) verifyBatch(ctx context.Context, batch []tables.SliceState, report func(Difference)) error {
	for attempt := 1; len(batch) > 0; attempt++ {
		found, err := r.differences(ctx, batch)
		if err != nil || len(found) == 0 {
			return err
		}
		suspects := map[tables.Slice]bool{}
		for _, d := range found {
			suspects[tables.Slice{Org: d.Org, Day: d.Day}] = true
		}
		if batch, err = r.stillClean(ctx, suspects); err != nil {
			return err
		}
		if attempt == verifyAttempts {
			clean := map[tables.Slice]bool{}
			for _, s := range batch {
				clean[s.Slice] = true
			}
			for _, d := range found {
				if clean[tables.Slice{Org: d.Org, Day: d.Day}] {
					report(d)
				}
			}
			return nil
		}
		// Wait: rows reach the log before their mark does, and the mark may be on its way.
		select {
		case <-time.After(time.Duration(attempt) * 300 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// stillClean reads the suspects' states again and leaves out the slices that were marked meanwhile:
// exports read these from the log.
func (r *Rollup) stillClean(
	ctx context.Context, suspects map[tables.Slice]bool,
) (clean []tables.SliceState, err error) {
	states, err := r.states(ctx, Filter{Slices: slices.Collect(maps.Keys(suspects))})
	for _, s := range states {
		if s.Clean {
			clean = append(clean, s)
		}
	}
	return clean, err
}

// differences compares generations with the log, table by table. For a slice whose rows all agree
// it also compares the version in the manifest with the log's.
func (r *Rollup) differences(ctx context.Context, batch []tables.SliceState) (found []Difference, err error) {
	b := &attempt{}
	for _, s := range batch {
		b.slices, b.generations = append(b.slices, s.Slice), append(b.generations, s.Generation)
	}
	differ := map[tables.Slice]bool{}
	for _, d := range tables.Dailies() {
		rolled := d.Rolled(b.where() + " AND generation IN {generations:Array(UUID)}")
		rows, err := r.compare(ctx, d, rolled, d.FromLog(b.where()), b.args())
		if err != nil {
			return nil, fmt.Errorf("verify %d slices of %s: %w", len(batch), d.Table, err)
		}
		for _, row := range rows {
			differ[tables.Slice{Org: row.Org, Day: row.Day}] = true
		}
		found = append(found, rows...)
	}
	log, err := r.readVersions(ctx, b)
	if err != nil {
		return nil, err
	}
	for i, s := range batch {
		if log[i].version.Cmp(&s.Version) != 0 && !differ[s.Slice] {
			found = append(found, Difference{
				Org:    s.Org,
				Day:    s.Day,
				Table:  "slices",
				Key:    "version",
				Rolled: s.Version.String(),
				Log:    log[i].version.String(),
			})
		}
	}
	return found, nil
}

// compare returns the rows of one rollup table in which two queries of its shape differ.
func (r *Rollup) compare(
	ctx context.Context, d tables.Daily, rolled, truth string, args []any,
) (found []Difference, err error) {
	var rows []struct {
		Org    string    `ch:"org_id"`
		Day    time.Time `ch:"day"`
		Key    string    `ch:"row_key"`
		Rolled string    `ch:"rolled"`
		Truth  string    `ch:"truth"`
	}
	if err := r.conn.Select(ctx, &rows, comparison(d, rolled, truth), args...); err != nil {
		return nil, err
	}
	for _, row := range rows {
		found = append(found, Difference{
			Org: row.Org, Day: schema.DayOf(row.Day), Table: d.Table, Key: row.Key, Rolled: row.Rolled, Log: row.Truth,
		})
	}
	return found, nil
}

// comparison is the query for compare. Two sets are equal if both have the same size and their
// union has it, too.
func comparison(d tables.Daily, rolled, truth string) string {
	var left, right, same, keys []string
	for _, m := range d.Measures {
		sides := [2]string{fmt.Sprintf("sumIf(%s, side = 0)", m.Name), fmt.Sprintf("sumIf(%s, side = 1)", m.Name)}
		if m.Kind == tables.Set {
			sides = [2]string{
				fmt.Sprintf("uniqExactMergeIf(%s, side = 0)", m.Name), fmt.Sprintf("uniqExactMergeIf(%s, side = 1)", m.Name),
			}
			same = append(same, fmt.Sprintf("%s = uniqExactMerge(%s)", sides[0], m.Name))
		}
		same = append(same, sides[0]+" = "+sides[1])
		left = append(left, shown(m.Name, sides[0]))
		right = append(right, shown(m.Name, sides[1]))
	}
	for _, k := range d.Keys {
		keys = append(keys, shown(k.Name, k.Name))
	}
	return fmt.Sprintf(`SELECT org_id, day, arrayStringConcat([%s], ' ') AS row_key,
	if(countIf(side = 0) = 0, '', arrayStringConcat([%s], ' ')) AS rolled, if(countIf(side = 1) = 0, '', arrayStringConcat([%s], ' ')) AS truth
FROM (SELECT 0 AS side, * FROM (%s) UNION ALL SELECT 1 AS side, * FROM (%s))
GROUP BY org_id, day, %s
HAVING NOT (countIf(side = 0) = 1 AND countIf(side = 1) = 1 AND %s)
ORDER BY org_id, day, row_key
SETTINGS max_bytes_before_external_group_by = 1000000000`,
		strings.Join(keys, ", "), strings.Join(left, ", "), strings.Join(right, ", "), rolled, truth, d.KeyNames(),
		strings.Join(same, " AND "))
}

// shown is the SQL text of a column in a Difference: column=value.
func shown(name, value string) string { return fmt.Sprintf("concat('%s=', toString(%s))", name, value) }
