package tables

import (
	"cmp"
	"context"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"rollcall/schema"
)

// A Slice is one org and UTC day: the unit that is marked, recomputed and read.
type Slice struct {
	Org string
	Day schema.Day
}

// A Filter selects slices; its zero value selects all.
type Filter struct {
	Org            string     // "": all
	FromOrg, ToOrg string     // inclusive, in the order of bytes; "": no limit
	From, To       schema.Day // inclusive; 0: no limit
	Slices         []Slice    // at most these; nil: no limit
}

// AfterOrg is the first text behind an org's id in the order of bytes: the FromOrg of the orgs that
// follow.
func AfterOrg(org string) string { return org + "\x00" }

// A SliceState says from where a slice is read: from one generation of the rollups, or from the
// log.
type SliceState struct {
	Slice
	// a manifest of this Revision covers every mark, and the TTL of the rollup rows is not over
	Clean bool
	// the TTL of the rollup rows is not over; later the slice is read from the log and not
	// recomputed any more
	Alive      bool
	Generation uuid.UUID     // if Clean: of the covering manifest with the highest version
	Version    big.Int       // if Clean: the version in that manifest
	Rows       []uint64      // if Clean: rows of this generation per rollup table, in the order of Dailies
	Settled    time.Duration // time since the newest mark, by the engine's clock
	// if not Clean: time since the oldest mark that is not covered by the best manifest, which is
	// the one for which this time is shortest
	Dirty      time.Duration
	Newest     uuid.UUID     // the generation that was committed last, whether it covers the marks or not, or zero
	Recomputed time.Duration // time since that commit, by the engine's clock; decades if there is none
}

// SliceStates reads the state of every slice that has marks and meets the filter, by org and day.
// With dirtyOnly, it reads only the slices to recompute. now is used as in ReadPlan.
func SliceStates(ctx context.Context, conn driver.Conn, f Filter, dirtyOnly bool, now time.Time) ([]SliceState, error) {
	where, args := f.Where()
	having := ""
	if dirtyOnly {
		having = "WHERE alive AND NOT clean"
	}
	var rows []struct {
		Org        string    `ch:"org_id"`
		Day        time.Time `ch:"day"`
		Clean      bool      `ch:"clean"`
		Alive      bool      `ch:"alive"`
		Generation uuid.UUID `ch:"generation"`
		Version    big.Int   `ch:"version"`
		Rows       []uint64  `ch:"rows"`
		Settled    int64     `ch:"settled_ms"`
		Dirty      int64     `ch:"dirty_ms"`
		Newest     uuid.UUID `ch:"newest_generation"`
		Recomputed int64     `ch:"recomputed_ms"`
	}
	query := fmt.Sprintf(`SELECT org_id, day, clean, alive, best.1 AS generation, best.2 AS version, best.3 AS rows, newest_generation,
	dateDiff('millisecond', newest_manifest, now64(3)) AS recomputed_ms,
	dateDiff('millisecond', newest_mark, now64(3)) AS settled_ms, dateDiff('millisecond', oldest_uncovered, now64(3)) AS dirty_ms
FROM %s %s ORDER BY org_id, day`, states(where), having)
	if err := conn.Select(ctx, &rows, query, append(args, AliveAt(now))...); err != nil {
		return nil, fmt.Errorf("read the slices' states: %w", err)
	}
	all := make([]SliceState, len(rows))
	for i, r := range rows {
		all[i] = SliceState{
			Slice: Slice{r.Org, schema.DayOf(r.Day)}, Clean: r.Clean, Alive: r.Alive, Generation: r.Generation,
			Version: r.Version, Rows: r.Rows,
			Newest: r.Newest, Recomputed: time.Duration(r.Recomputed) * time.Millisecond,
			Settled: time.Duration(r.Settled) * time.Millisecond, Dirty: time.Duration(r.Dirty) * time.Millisecond,
		}
	}
	return all, nil
}

// Where returns the filter as a condition over org_id and day, with its parameters.
func (f Filter) Where() (sql string, args []any) {
	sql = "1"
	if f.Org != "" {
		sql, args = sql+" AND org_id = {org:String}", append(args, clickhouse.Named("org", f.Org))
	}
	if f.FromOrg != "" {
		sql, args = sql+" AND org_id >= {from_org:String}", append(args, clickhouse.Named("from_org", f.FromOrg))
	}
	if f.ToOrg != "" {
		sql, args = sql+" AND org_id <= {to_org:String}", append(args, clickhouse.Named("to_org", f.ToOrg))
	}
	if f.Slices != nil {
		f = f.within()
		orgs := make([]string, len(f.Slices))
		days := make([]string, len(f.Slices))
		for i, s := range f.Slices {
			orgs[i] = s.Org
			days[i] = s.Day.String()
		}
		sql += " AND (org_id, day) IN (SELECT arrayJoin(arrayZip({slice_orgs:Array(String)}, {slice_days:Array(Date)})))"
		args = append(args, clickhouse.Named("slice_orgs", orgs), clickhouse.Named("slice_days", days))
	}
	if f.From != 0 {
		sql, args = sql+" AND day >= {from:Date}", append(args, clickhouse.Named("from", f.From.String()))
	}
	if f.To != 0 {
		sql, args = sql+" AND day <= {to:Date}", append(args, clickhouse.Named("to", f.To.String()))
	}
	return sql, args
}

// within narrows From and To to the days of Slices. The range lets the engine skip partitions
// before it looks at the list.
func (f Filter) within() Filter {
	byDay := func(a, b Slice) int { return cmp.Compare(a.Day, b.Day) }
	if len(f.Slices) == 0 {
		return f
	}
	f.From = max(f.From, slices.MinFunc(f.Slices, byDay).Day)
	if last := slices.MaxFunc(f.Slices, byDay).Day; f.To == 0 || last < f.To {
		f.To = last
	}
	return f
}

// states is a table expression with the state of each slice that has marks and meets where (over
// org_id and day). It takes the parameter {alive_at:DateTime}.
//
// A manifest covers a mark if it has the mark's writer with the mark's seq or a higher one. Marks
// and manifests may be read at two different moments. A manifest that covers the marks of an
// earlier or later moment was made from a log that had their rows; a manifest that is missed only
// costs a read of the log.
//
// The time for this comparison must grow with the number of writers, not with its square: a crash
// loop of ingest makes thousands of writers. So no entry of one map is looked up in the other.
// Instead, a mark becomes the number (seq, time of the mark), and an entry of the manifest the
// number (seq, end of time). The greater of the two, per writer, says whether the mark is covered,
// and if not, since when.
func states(where string) string {
	return fmt.Sprintf(`(
	WITH bitShiftLeft(1::UInt128, 64) AS seq_unit, seq_unit - 1 AS end_of_time,
		mapApply((writer, seq) -> (writer, seq * seq_unit + end_of_time), s.covered) AS covered,
		arrayMin(v -> bitAnd(v, end_of_time), mapValues(arrayReduce('maxMap', [m.marks, covered]))) AS uncovered_since,
		m.alive AND s.revision != 0 AND uncovered_since = end_of_time AS covers
	SELECT m.org_id AS org_id, m.day AS day, any(m.alive) AS alive, countIf(covers) > 0 AS clean,
		argMaxIf((s.generation, s.version, s.row_counts), (s.version, toUInt128(s.generation)), covers) AS best,
		any(m.newest) AS newest_mark, fromUnixTimestamp64Milli(toInt64(max(uncovered_since))) AS oldest_uncovered,
		argMax(s.generation, (s.written_at, toUInt128(s.generation))) AS newest_generation, max(s.written_at) AS newest_manifest
	FROM (
		SELECT org_id, day, mapFromArrays(groupArray(writer), groupArray(seq * seq_unit + toUInt64(toUnixTimestamp64Milli(marked_at)))) AS marks, max(marked_at) AS newest,
			%s AS alive
		FROM marks FINAL WHERE %s GROUP BY org_id, day
	) AS m
	LEFT JOIN (SELECT *, [%s] AS row_counts FROM slices FINAL WHERE revision = %d AND dead = 0 AND (%s)) AS s ON s.org_id = m.org_id AND s.day = m.day
	GROUP BY m.org_id, m.day)`, Alive, where, RowCounts(), Revision, where)
}
