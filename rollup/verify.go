package rollup

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"

	"rollcall/schema"
	"rollcall/schema/tables"
)

// Filter selects the slices that a command works on; its zero value selects all.
type Filter = tables.Filter

// A Difference is one rollup row that is not what the log says. A side that has no such row is "".
type Difference struct {
	Org    string
	Day    schema.Day
	Table  string // message_daily, …; slices if only the manifest's version differs
	Key    string // the row's keys, as column=value
	Rolled string // the measures in the rollup, as column=value
	Log    string // the same, computed from the log
}

// verifyAttempts is how often a slice that differs is looked at before it is reported: live traffic and other workers change slices under way.
const verifyAttempts = 4

// Verify computes the rollups of every clean slice again from the log and reports each difference. It writes nothing and may run beside everything else: a slice
// that changed meanwhile is looked at again, and one that is not clean is read from the log by exports too, so there is nothing to compare. It returns how many
// slices it compared.
func (r *Rollup) Verify(ctx context.Context, f Filter, report func(Difference), progress func(done, total int)) (compared int, err error) {
	states, err := tables.SliceStates(ctx, r.conn, f, false, r.now())
	if err != nil {
		return 0, err
	}
	for i, s := range states {
		if s.Clean {
			compared++
			if err := r.verifySlice(ctx, s, report); err != nil {
				return compared, err
			}
		}
		if progress != nil {
			progress(i+1, len(states))
		}
	}
	return compared, nil
}

// verifySlice reports the slice's differences once they are sure not to be those of a slice that moves.
func (r *Rollup) verifySlice(ctx context.Context, s tables.SliceState, report func(Difference)) error {
	var found []Difference
	for attempt := range verifyAttempts {
		var err error
		if found, err = r.differences(ctx, s); err != nil || len(found) == 0 {
			return err
		}
		now, err := tables.SliceStates(ctx, r.conn, Filter{Org: s.Org, From: s.Day, To: s.Day}, false, r.now())
		if err != nil {
			return err
		}
		if len(now) == 0 || !now[0].Clean {
			return nil // marked meanwhile: exports read the log
		}
		s = now[0]
		if attempt == verifyAttempts-1 {
			break
		}
		// Log rows come before their mark, by one answer of the engine.
		select {
		case <-time.After(time.Duration(attempt+1) * 500 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for _, d := range found {
		report(d)
	}
	return nil
}

// differences compares one generation with the log, table by table, and its manifest's version with the log's.
func (r *Rollup) differences(ctx context.Context, s tables.SliceState) (found []Difference, err error) {
	args := []any{clickhouse.Named("org", s.Org), clickhouse.Named("day", s.Day.String()), clickhouse.Named("generation", s.Generation.String())}
	for _, d := range tables.Dailies() {
		var rows []struct {
			Key    string `ch:"row_key"`
			Rolled string `ch:"rolled"`
			Log    string `ch:"log"`
		}
		if err := r.conn.Select(ctx, &rows, comparison(d), args...); err != nil {
			return nil, fmt.Errorf("verify %s of %s %s: %w", d.Table, s.Org, s.Day, err)
		}
		for _, row := range rows {
			found = append(found, Difference{s.Org, s.Day, d.Table, row.Key, row.Rolled, row.Log})
		}
	}
	if len(found) > 0 {
		return found, nil
	}
	b := &attempt{slices: []tables.Slice{s.Slice}, generations: []uuid.UUID{s.Generation}}
	log, err := r.readVersions(ctx, b)
	if err != nil {
		return nil, err
	}
	if log[0].version.Cmp(&s.Version) != 0 {
		return []Difference{{s.Org, s.Day, "slices", "version", s.Version.String(), log[0].version.String()}}, nil
	}
	return nil, nil
}

// comparison is the query for the rows in which a generation of one slice and the log differ. Sets are compared by their sizes and their union's.
func comparison(d tables.Daily) string {
	const slice = "org_id = {org:String} AND day = {day:Date}"
	var measures, shown, same []string
	for _, m := range strings.Split(d.Names, ",") {
		m = strings.TrimSpace(m)
		if m == d.States {
			side := func(n int) string { return fmt.Sprintf("uniqExactMergeIf(%s, side = %d)", m, n) }
			shown = append(shown, fmt.Sprintf("concat('%s=', toString(%%s))", m))
			measures = append(measures, side(0), side(1))
			same = append(same, fmt.Sprintf("%s = uniqExactMerge(%s)", side(0), m), fmt.Sprintf("%s = uniqExactMerge(%s)", side(1), m))
			continue
		}
		side := func(n int) string { return fmt.Sprintf("sumIf(%s, side = %d)", m, n) }
		shown = append(shown, fmt.Sprintf("concat('%s=', toString(%%s))", m))
		measures = append(measures, side(0), side(1))
		same = append(same, side(0)+" = "+side(1))
	}
	var rolled, log []string
	for i, format := range shown {
		rolled, log = append(rolled, fmt.Sprintf(format, measures[2*i])), append(log, fmt.Sprintf(format, measures[2*i+1]))
	}
	var keys []string
	for _, k := range strings.Split(d.KeyNames(), ",") {
		k = strings.TrimSpace(k)
		keys = append(keys, fmt.Sprintf("concat('%s=', toString(%s))", k, k))
	}
	return fmt.Sprintf(`SELECT arrayStringConcat([%s], ' ') AS row_key,
	if(countIf(side = 0) = 0, '', arrayStringConcat([%s], ' ')) AS rolled, if(countIf(side = 1) = 0, '', arrayStringConcat([%s], ' ')) AS log
FROM (SELECT 0 AS side, * FROM (%s) UNION ALL SELECT 1 AS side, * FROM (%s))
GROUP BY %s
HAVING NOT (countIf(side = 0) = 1 AND countIf(side = 1) = 1 AND %s)
ORDER BY row_key`, strings.Join(keys, ", "), strings.Join(rolled, ", "), strings.Join(log, ", "),
		d.Rolled(slice+" AND generation = {generation:UUID}"), d.FromLog(slice), d.KeyNames(), strings.Join(same, " AND "))
}
