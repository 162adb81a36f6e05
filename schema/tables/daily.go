package tables

import "fmt"

// Revision numbers the rollups' logic: what Daily.FromLog makes of a slice. Raise it with every change of their result; every slice is then dirty until
// it is recomputed, and exports read the log meanwhile.
const Revision = 1

// A Daily is one rollup table: the columns that tell its rows apart, the measures it keeps, and so the query that makes its rows from the log.
type Daily struct {
	Table    string // message_daily, …
	RowCount string // the manifest's column (table slices) with the number of rows of this table
	Type     string // the type of event it is made of, as the log's Enum spells it
	Keys     string // comma-separated columns of the log, after org_id and day
	Measures string // comma-separated aggregates, each named as its column; the log's columns are qualified with e.
	Names    string // comma-separated names of the measures
	Counts   string // the measure that says of how many events a row is made: one at least
	States   string // the measures among them that are sets (states of uniqExact), if any
	Merges   string // comma-separated aggregates over rows of this table, each named as its column: what Measures would give over all their events
}

// The rollup tables, in the order in which a recompute writes them.
var (
	Messages = Daily{
		Table: "message_daily", RowCount: "message_rows", Type: "message",
		Keys:     "user_id, channel, model, assistant_id, project_id, workflow_id, api_key_id",
		Measures: "count() AS messages, uniqExactStateIf(e.conversation_id, e.conversation_id != '') AS conversations",
		Names:    "messages, conversations",
		Counts:   "messages",
		States:   "conversations",
		Merges:   "sum(d.messages) AS messages, uniqExactMergeState(d.conversations) AS conversations",
	}
	Actions = Daily{
		Table: "action_daily", RowCount: "action_rows", Type: "action",
		Keys:     "user_id, action, model, assistant_id, project_id, workflow_id",
		Measures: "count() AS messages",
		Names:    "messages",
		Counts:   "messages",
		Merges:   "sum(d.messages) AS messages",
	}
	Tokens = Daily{
		Table: "token_daily", RowCount: "token_rows", Type: "token",
		Keys: "user_id, api_key_id, model, provider, deployment, byok, client, assistant_id, project_id, workflow_id",
		Measures: `count() AS requests,
			sum(toUInt64(e.prompt_tokens)) AS prompt_tokens, sum(toUInt64(e.completion_tokens)) AS completion_tokens,
			sum(toUInt64(e.cached_prompt_tokens)) AS cached_prompt_tokens, sum(toUInt64(e.cache_creation_tokens)) AS cache_creation_tokens,
			sum(e.cost_usd) AS cost_usd,
			min(e.prompt_tokens) AS prompt_tokens_min, max(e.prompt_tokens) AS prompt_tokens_max,
			min(e.completion_tokens) AS completion_tokens_min, max(e.completion_tokens) AS completion_tokens_max`,
		Names: `requests, prompt_tokens, completion_tokens, cached_prompt_tokens, cache_creation_tokens, cost_usd,
			prompt_tokens_min, prompt_tokens_max, completion_tokens_min, completion_tokens_max`,
		Counts: "requests",
		Merges: `sum(d.requests) AS requests,
			sum(d.prompt_tokens) AS prompt_tokens, sum(d.completion_tokens) AS completion_tokens,
			sum(d.cached_prompt_tokens) AS cached_prompt_tokens, sum(d.cache_creation_tokens) AS cache_creation_tokens,
			sum(d.cost_usd) AS cost_usd,
			min(d.prompt_tokens_min) AS prompt_tokens_min, max(d.prompt_tokens_max) AS prompt_tokens_max,
			min(d.completion_tokens_min) AS completion_tokens_min, max(d.completion_tokens_max) AS completion_tokens_max`,
	}
	Workflows = Daily{
		Table: "workflow_daily", RowCount: "workflow_rows", Type: "workflow_run",
		Keys:     "workflow_id, user_id, status, error_type, trigger, " + durationBucket,
		Measures: "count() AS runs, sum(toUInt64(e.duration_ms)) AS duration_ms_sum, max(e.duration_ms) AS duration_ms_max",
		Names:    "runs, duration_ms_sum, duration_ms_max",
		Counts:   "runs",
		Merges:   "sum(d.runs) AS runs, sum(d.duration_ms_sum) AS duration_ms_sum, max(d.duration_ms_max) AS duration_ms_max",
	}
)

// durationBucket: exact up to 100 ms, then buckets whose ends are 1 % apart.
const durationBucket = `toUInt16(if(duration_ms <= 100, duration_ms, 100 + ceil(log(duration_ms / 100) / log(1.01)))) AS duration_bucket`

// Dailies lists the rollup tables.
func Dailies() []Daily { return []Daily{Messages, Actions, Tokens, Workflows} }

// FromLog is the query that makes this rollup's rows (org_id, day, keys, measures) from the log, for the events that meet where. It is the only place that
// says what a rollup is: a recompute inserts its result, an export reads it for the slices that are not clean, and verify compares with it.
//
// where is SQL written by the caller, never a user's text; values come as query parameters. It may only restrict key columns (org_id, day) and time:
// a conflicting copy that lost must lose before any other column is looked at, and FINAL settles that only if nothing else is moved to PREWHERE.
func (d Daily) FromLog(where string) string {
	return fmt.Sprintf(`SELECT org_id, day, %s, %s
FROM events AS e FINAL
WHERE type = '%s' AND bitAnd(version, 1) = 0 AND (%s)
GROUP BY org_id, day, %s
SETTINGS optimize_move_to_prewhere_if_final = 0`, d.Keys, d.Measures, d.Type, where, d.KeyNames())
}

// Rolled is the query that reads this rollup's rows in the same shape as FromLog, for the rows that meet where.
func (d Daily) Rolled(where string) string {
	return fmt.Sprintf("SELECT org_id, day, %s, %s\nFROM %s\nWHERE %s", d.KeyNames(), d.Names, d.Table, where)
}

// Insert is the statement that writes a generation of this rollup for each of the slices that meet where, which takes them from the parameters {orgs:Array(String)}
// and {days:Array(Date)}; their generations are in {generations:Array(UUID)}, one of its own for each slice.
func (d Daily) Insert(where string) string {
	return fmt.Sprintf(`INSERT INTO %s (org_id, day, %[2]s, %[3]s, generation)
SELECT r.org_id, r.day, %[2]s, %[3]s, g.generation FROM (%[4]s) AS r
INNER JOIN (SELECT s.1 AS org_id, s.2 AS day, s.3 AS generation FROM (SELECT arrayJoin(arrayZip({orgs:Array(String)}, {days:Array(Date)}, {generations:Array(UUID)})) AS s)) AS g
ON g.org_id = r.org_id AND g.day = r.day`, d.Table, d.KeyNames(), d.Names, d.FromLog(where))
}

// Merged is the query that makes one month's rows of this rollup out of those that meet where, in the same shape; they lie under the month's last day, {last:Date}.
// Of generations that FromLog made of a month's slices it makes what FromLog would make of one slice with all their events.
func (d Daily) Merged(where string) string {
	return fmt.Sprintf(`SELECT org_id, {last:Date} AS day, %[1]s, %[2]s
FROM (SELECT * EXCEPT day FROM %[3]s WHERE %[4]s) AS d
GROUP BY org_id, %[1]s`, d.KeyNames(), d.Merges, d.Table, where)
}

// InsertMonth is the statement that writes what Merged makes, as a generation of its own for each of {orgs:Array(String)}, from {generations:Array(UUID)}. A month of one
// large org may be more than memory holds.
func (d Daily) InsertMonth(where string) string {
	return fmt.Sprintf(`INSERT INTO %s (org_id, day, %[2]s, %[3]s, generation)
SELECT r.org_id, r.day, %[2]s, %[3]s, g.generation FROM (%[4]s) AS r
INNER JOIN (SELECT s.1 AS org_id, s.2 AS generation FROM (SELECT arrayJoin(arrayZip({orgs:Array(String)}, {generations:Array(UUID)})) AS s)) AS g
ON g.org_id = r.org_id
SETTINGS max_bytes_before_external_group_by = 1000000000`, d.Table, d.KeyNames(), d.Names, d.Merged(where))
}

// KeyNames are the names of the columns that Keys makes.
func (d Daily) KeyNames() string {
	if d.Table == Workflows.Table {
		return "workflow_id, user_id, status, error_type, trigger, duration_bucket"
	}
	return d.Keys
}

// SliceVersion is the aggregate over a slice's events FINAL that grows strictly while the set of events grows.
const SliceVersion = "sum(toUInt256(version) + 1)"
