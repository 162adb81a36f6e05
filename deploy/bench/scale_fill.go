package bench

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"rollcall/schema"
	"rollcall/schema/tables"
)

// What a slice has, by doc.go. The numbers are small, so that 100,000 workspaces fit on one disk.
const (
	// sliceNumbers has one row for each slice of a chunk: w is the number of the workspace.
	sliceNumbers = `SELECT {workspace:UInt64} + intDiv(number, {days:UInt64}) AS w, concat('org-', leftPad(toString(w), 6, '0')) AS org_id,
	addDays({first:Date}, number % {days:UInt64}) AS day FROM numbers({slices:UInt64})`

	// fillEvents writes two messages and the tokens of a request a day, and once a week an action and
	// a workflow run. Ten people of the workspace sent them. A conversation lasts three days.
	fillEvents = `INSERT INTO events (org_id, day, type, event_id, version, time, source, id, user_id, channel, action, assistant_id, project_id, workflow_id, conversation_id,
	api_key_id, model, client, provider, byok, prompt_tokens, completion_tokens, cost_usd, run_id, status, trigger, duration_ms)
WITH salt -> sipHash64(w, day, k, salt) AS dice
SELECT org_id, day, ['message', 'message', 'token', 'action', 'workflow_run'][k + 1] AS type,
	reinterpretAsFixedString(sipHash128(w, day, k)) AS event_id, bitAnd(dice(1), 18446744073709551614) AS version,
	least(toDateTime64(day, 3, 'UTC') + toIntervalSecond(dice(2) % 86400), ` + filledAt + `) AS time,
	'/bench', concat(toString(w), '-', toString(day), '-', toString(k)) AS id, concat('user-', toString(dice(3) % 10)) AS user_id,
	['chat', ['assistant', 'project'][dice(4) % 2 + 1], '', '', ''][k + 1] AS channel, if(type = 'action', concat('action-', toString(dice(4) % 5)), '') AS action,
	if(channel = 'assistant', concat('asst-', toString(dice(5) % 5)), '') AS assistant_id, if(channel = 'project', concat('proj-', toString(dice(5) % 5)), '') AS project_id,
	if(type = 'workflow_run', 'flow-1', '') AS workflow_id,
	if(type = 'message', concat('conversation-', toString(w), '-', toString(intDiv(toUInt16(day), 3)), '-', toString(k)), '') AS conversation_id,
	if(type = 'token' AND dice(4) % 2 = 0, 'key-1', ''), if(type = 'workflow_run', '', concat('model-', toString(dice(6) % 3))) AS model, 'web', if(type = 'token', 'azure', ''), type = 'token',
	if(type = 'token', dice(7) % 3000, 0), if(type = 'token', dice(8) % 900, 0), if(type = 'token', dice(9) % 977, 0) / 100000,
	if(type = 'workflow_run', id, ''), if(type = 'workflow_run', ['succeeded', 'failed'][1 + (dice(10) % 9 = 0)], ''),
	if(type = 'workflow_run', 'schedule', ''), if(type = 'workflow_run', dice(11) % 60000, 0)
FROM (SELECT *, arrayJoin(range(if(toUInt16(day) % 7 = 0, 5, 3))) AS k FROM (` + sliceNumbers + `))`

	// fillMarks writes the marks that two processes of ingest leave, if they are restarted each month.
	// Every eighth slice has marks of both. Each mark of a process has a number of its own.
	fillMarks = `INSERT INTO marks (org_id, day, writer, seq, marked_at)
SELECT org_id, day, reinterpretAsUUID(sipHash128(toYYYYMM(day), (w + second) % 2)), toUInt64(toUInt16(day)) * {all:UInt64} + w,
	least(toDateTime64(day, 3, 'UTC') + INTERVAL 1 DAY, ` + filledAt + `)
FROM (SELECT *, arrayJoin(range(if((w + toUInt16(day)) % 8 = 0, 2, 1))) AS second FROM (` + sliceNumbers + `))`

	// fillEntities describes the workspaces and their ten people. The workspaces' settings switch
	// every column on.
	fillEntities = `INSERT INTO entities (org_id, day, event_id, version, kind, entity_id, time, source, id, name, email, department, group_ids, has_settings, user_level_data, byok, workflows)
SELECT concat('org-', leftPad(toString(1 + intDiv(number, 11)), 6, '0')) AS org_id, {first:Date} AS day, reinterpretAsFixedString(sipHash128('entity', number)),
	bitAnd(sipHash64(number), 18446744073709551614), if(number % 11 = 0, 'workspace', 'user') AS kind, if(kind = 'user', concat('user-', toString(number % 11 - 1)), org_id) AS entity_id,
	{first:Date}, '/bench', toString(number), concat('Name of ', entity_id), if(kind = 'user', concat(entity_id, '@example.com'), ''),
	if(kind = 'user', concat('Department ', toString(number % 3)), ''), if(kind = 'user', [concat('grp-', toString(number % 2)), 'grp-all'], []), kind = 'workspace', kind = 'workspace', kind = 'workspace', kind = 'workspace'
FROM numbers({entities:UInt64})`

	filledAt = "fromUnixTimestamp64Milli({now:Int64}, 'UTC')"
)

// chunkWorkspaces is how many workspaces one statement fills, for a month. With more the engine
// would need more memory.
const chunkWorkspaces = 10_000

// workspace is the name of the n-th workspace, counted from 1.
func workspace(n int) string { return fmt.Sprintf("org-%06d", n) }

// last and first are the first and the last day that have slices.
func (r *scaleRun) last() schema.Day  { return schema.DayOf(r.now.UTC()) }
func (r *scaleRun) first() schema.Day { return r.last() - schema.Day(r.Days) + 1 }

// fillOnce fills the database, and says whether it did. If an earlier run has filled it, the days
// end with that run's.
func (r *scaleRun) fillOnce(ctx context.Context) (filled bool, err error) {
	if err := r.exec(ctx, "CREATE TABLE IF NOT EXISTS filled (last Date) ENGINE = MergeTree ORDER BY last"); err != nil {
		return false, err
	}
	var fills, marks uint64
	var last time.Time
	if err := r.conn.QueryRow(ctx, "SELECT count(), max(last), (SELECT count() FROM marks) FROM filled").
		Scan(&fills, &last, &marks); err != nil {
		return false, err
	}
	switch {
	case fills > 0:
		r.now = last
		fmt.Fprintf(r.Progress, "filled up to %s by an earlier run\n", r.last())
		return false, nil
	case marks > 0:
		return false, errors.New("an earlier run was stopped while it filled the engine; remove its directory")
	}
	if err := r.fill(ctx); err != nil {
		return false, err
	}
	return true, r.exec(ctx, "INSERT INTO filled SELECT {last:Date}", clickhouse.Named("last", r.last().String()))
}

// fill leaves the database as ingest and a worker would have: a log, its marks, and what the worker
// makes of them. The statements that define the rollups are the worker's own (tables.Daily).
func (r *scaleRun) fill(ctx context.Context) error {
	started := time.Now()
	if err := r.exec(ctx, fillEntities, clickhouse.Named("first", r.first().String()),
		clickhouse.Named("entities", 11*r.Workspaces)); err != nil {
		return fmt.Errorf("fill the entities: %w", err)
	}
	for first := r.first(); first <= r.last(); first = tables.MonthEnd(first) + 1 {
		month := chunk{first: first, last: min(tables.MonthEnd(first), r.last()), today: r.last()}
		for w := 1; w <= r.Workspaces; w += chunkWorkspaces {
			c := month
			c.from = w
			c.to = min(w+chunkWorkspaces-1, r.Workspaces)
			if err := r.fillChunk(ctx, c); err != nil {
				return fmt.Errorf("fill %s to %s, workspaces %d to %d: %w", c.first, c.last, c.from, c.to, err)
			}
		}
		if err := r.mergeParts(ctx, month); err != nil {
			return err
		}
		fmt.Fprintf(r.Progress, "%d workspaces filled up to %s after %s\n", r.Workspaces, month.last,
			time.Since(started).Round(time.Second))
	}
	for _, table := range []string{"months", "entities"} { // they have no partitions
		if err := r.exec(ctx, "OPTIMIZE TABLE "+table+" FINAL"); err != nil {
			return fmt.Errorf("merge the parts of %s: %w", table, err)
		}
	}
	return nil
}

// A chunk is some workspaces in one month.
type chunk struct {
	from, to    int        // workspaces, inclusive
	first, last schema.Day // inclusive
	today       schema.Day
}

// days is how many slices each workspace has in the chunk.
func (c chunk) days() int { return int(c.last-c.first) + 1 }

// merged says whether a worker would have merged the month: it is over, and has several slices.
func (c chunk) merged() bool { return c.last < c.today && c.days() > 1 }

func (r *scaleRun) fillChunk(ctx context.Context, c chunk) error {
	statements := []string{fillEvents, fillMarks}
	for _, d := range tables.Dailies() {
		statements = append(statements, fillDaily(d, d.FromLog(inChunk), "slice"))
	}
	statements = append(statements, fillSlices())
	if c.merged() {
		for _, d := range tables.Dailies() {
			sources := inChunk + " AND generation IN (SELECT generation FROM slices WHERE " + inChunk + ")"
			statements = append(statements, fillDaily(d, d.Merged(sources), "month"))
		}
		statements = append(statements, fillMonths())
	}
	args := []any{
		clickhouse.Named("workspace", c.from), clickhouse.Named("days", c.days()),
		clickhouse.Named("slices", (c.to-c.from+1)*c.days()), clickhouse.Named("all", r.Workspaces),
		clickhouse.Named("first_org", workspace(c.from)), clickhouse.Named("last_org", workspace(c.to)),
		clickhouse.Named("first", c.first.String()), clickhouse.Named("last", c.last.String()),
		clickhouse.Named("now", r.now.UnixMilli()),
	}
	for _, statement := range statements {
		if err := r.exec(ctx, statement, args...); err != nil {
			return err
		}
	}
	return nil
}

// exec runs a statement. The engine ignores parameters that it does not name.
func (r *scaleRun) exec(ctx context.Context, statement string, args ...any) error {
	return r.conn.Exec(ctx, statement, args...)
}

const inChunk = "org_id BETWEEN {first_org:String} AND {last_org:String} AND day BETWEEN {first:Date} AND {last:Date}"

// written is when the worker wrote a generation of a day: a minute after the day's end.
func written(day string) string {
	return fmt.Sprintf("least(toDateTime64(%s, 3, 'UTC') + INTERVAL 1 DAY + INTERVAL 1 MINUTE, %s)", day, filledAt)
}

// generation is the UUIDv7 of a slice's or a month's generation. A hash is in place of its random
// bits, so that several statements have the same one.
func generation(kind, org, day string) string {
	hash := fmt.Sprintf("hex(sipHash128('%s', %s, %s))", kind, org, day)
	millis := fmt.Sprintf("hex(toUnixTimestamp64Milli(%s))", written(day))
	return fmt.Sprintf("toUUID(concat(substring(%[1]s, 1, 8), '-', substring(%[1]s, 9, 4), '-7', substring(%[2]s, 1, 3), "+
		"'-8', substring(%[2]s, 4, 3), '-', substring(%[2]s, 7, 12)))", millis, hash)
}

// fillDaily writes the rows that a query makes, each under the generation of its org and day.
func fillDaily(d tables.Daily, rows, kind string) string {
	return fmt.Sprintf("INSERT INTO %s (org_id, day, %[2]s, %[3]s, generation) SELECT r.org_id, r.day, %[2]s, %[3]s, %[4]s FROM (%[5]s) AS r",
		d.Table, d.KeyNames(), d.Names(), generation(kind, "r.org_id", "r.day"), rows)
}

// fillSlices writes the manifests of a chunk's slices.
func fillSlices() string {
	query := fmt.Sprintf(`INSERT INTO slices (org_id, day, generation, revision, covered, version, %s, written_at)
SELECT m.org_id, m.day, %s, %d, m.covered, v.version, %s, %s
FROM (SELECT org_id, day, mapFromArrays(groupArray(writer), groupArray(seq)) AS covered FROM marks FINAL WHERE %s GROUP BY org_id, day) AS m
INNER JOIN (SELECT org_id, day, %s AS version FROM events FINAL WHERE %[6]s GROUP BY org_id, day) AS v ON v.org_id = m.org_id AND v.day = m.day`,
		tables.RowCounts(), generation("slice", "m.org_id", "m.day"), tables.Revision, countsOfRows(), written("m.day"),
		inChunk, tables.SliceVersion)
	return query + joinCounts("m", generation("slice", "org_id", "day"))
}

// fillMonths writes the manifests of a chunk's months. The digest is the one that
// tables.MonthStates makes of a month's slices.
func fillMonths() string {
	query := fmt.Sprintf(`INSERT INTO months (org_id, day, generation, revision, versions, %s, written_at)
SELECT s.org_id, s.day, %s, %d, s.sources, %s, %s
FROM (
	SELECT org_id, {last:Date} AS day, arrayStringConcat(arraySort(groupArray(concat(toString(slices.day), ' ', toString(generation), '\n')))) AS lines,
		lower(hex(substring(SHA256(concat('revision %[3]d\n', lines)), 1, 16))) AS sources
	FROM slices FINAL WHERE org_id BETWEEN {first_org:String} AND {last_org:String} AND slices.day BETWEEN {first:Date} AND {last:Date} GROUP BY org_id
) AS s`, tables.RowCounts(), generation("month", "s.org_id", "s.day"), tables.Revision, countsOfRows(),
		written("s.day"))
	return query + joinCounts("s", generation("month", "org_id", "day"))
}

// countsOfRows are the numbers of rows that joinCounts joins, in the order of tables.RowCounts.
func countsOfRows() string {
	var counts []string
	for _, table := range rollupTables() {
		counts = append(counts, table+".n")
	}
	return strings.Join(counts, ", ")
}

// joinCounts joins the number of rows that each generation has in each rollup table. A generation
// without rows has 0.
func joinCounts(to, generation string) (joins string) {
	for _, table := range rollupTables() {
		joins += fmt.Sprintf("\nLEFT JOIN (SELECT org_id, day, count() AS n FROM %[1]s WHERE %[2]s AND generation = %[3]s GROUP BY org_id, day) AS %[1]s"+
			" ON %[1]s.org_id = %[4]s.org_id AND %[1]s.day = %[4]s.day", table, inChunk, generation, to)
	}
	return joins
}

func rollupTables() (names []string) {
	for _, d := range tables.Dailies() {
		names = append(names, d.Table)
	}
	return names
}

// mergeParts makes one part of each table's month. The merges of a year leave few parts, and their
// number must not depend on how the month was filled.
func (r *scaleRun) mergeParts(ctx context.Context, month chunk) error {
	y, m, _ := month.last.Time().Date()
	for _, table := range append([]string{"events", "marks", "slices"}, rollupTables()...) {
		err := r.exec(ctx, fmt.Sprintf("OPTIMIZE TABLE %s PARTITION %d%02d FINAL", table, y, int(m)))
		if err != nil {
			return fmt.Errorf("merge the parts of %s: %w", table, err)
		}
	}
	return nil
}
