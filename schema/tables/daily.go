package tables

import (
	"fmt"
	"slices"
	"strings"

	"rollcall/schema"
)

// Revision is the number of the rollups' logic: of what Daily.FromLog makes of a slice. Raise it
// with every change of that result. Every slice is then dirty until it is recomputed, and exports
// read the log meanwhile.
const Revision = 1

// The rollup tables. Their columns are in migrations/0003_rollups.sql.
var (
	Messages = Daily{
		Table: "message_daily",
		Type:  schema.Message,
		Keys: columns("user_id", "channel", "model", "assistant_id", "project_id", "workflow_id",
			"api_key_id"),
		Measures: []Measure{
			{"messages", "count()", Sum},
			{"conversations", "uniqExactStateIf(e.conversation_id, e.conversation_id != '')", Set},
		},
	}
	Actions = Daily{
		Table: "action_daily",
		Type:  schema.Action,
		Keys:  columns("user_id", "action", "model", "assistant_id", "project_id", "workflow_id"),
		Measures: []Measure{
			{"messages", "count()", Sum},
		},
	}
	Tokens = Daily{
		Table: "token_daily",
		Type:  schema.Token,
		Keys: columns("user_id", "api_key_id", "model", "provider", "deployment", "byok", "client",
			"assistant_id", "project_id", "workflow_id"),
		Measures: []Measure{
			{"requests", "count()", Sum},
			{"prompt_tokens", "sum(toUInt64(e.prompt_tokens))", Sum},
			{"completion_tokens", "sum(toUInt64(e.completion_tokens))", Sum},
			{"cached_prompt_tokens", "sum(toUInt64(e.cached_prompt_tokens))", Sum},
			{"cache_creation_tokens", "sum(toUInt64(e.cache_creation_tokens))", Sum},
			{"cost_usd", "sum(e.cost_usd)", SumUSD},
			{"prompt_tokens_min", "min(e.prompt_tokens)", Min},
			{"prompt_tokens_max", "max(e.prompt_tokens)", Max},
			{"completion_tokens_min", "min(e.completion_tokens)", Min},
			{"completion_tokens_max", "max(e.completion_tokens)", Max},
		},
	}
	Workflows = Daily{
		Table: "workflow_daily",
		Type:  schema.WorkflowRun,
		Keys: append(columns("workflow_id", "user_id", "status", "error_type", "trigger"),
			Key{"duration_bucket", durationBucket}),
		Measures: []Measure{
			{"runs", "count()", Sum},
			{"duration_ms_sum", "sum(toUInt64(e.duration_ms))", Sum},
			{"duration_ms_max", "max(e.duration_ms)", Max},
		},
	}
)

// durationBucket has one bucket per ms up to 100 ms; above, the ends of buckets are 1 % apart.
const durationBucket = "toUInt16(if(duration_ms <= 100, duration_ms, 100 + ceil(log(duration_ms / 100) / log(1.01))))"

var dailies = [...]Daily{Messages, Actions, Tokens, Workflows}

// Dailies lists the rollup tables, in the order in which a recompute writes them.
func Dailies() []Daily { return dailies[:] }

// PerDaily has one number for each rollup table, in the order of Dailies.
type PerDaily [len(dailies)]uint64

// A Daily describes one rollup table: its key columns and its measures. From these it makes the
// statements that compute the rows from the log and merge them to months.
type Daily struct {
	Table    string      // message_daily, …
	Type     schema.Type // the type of the events that it is made of
	Keys     []Key
	Measures []Measure // the first is the number of events that a row is made of, at least 1
}

// A Key is one of the columns that tell a rollup's rows apart, besides org_id and day.
type Key struct {
	Name string
	Log  string // an expression over one event's columns
}

// columns makes keys of columns of the log.
func columns(names ...string) []Key {
	keys := make([]Key, len(names))
	for i, name := range names {
		keys[i] = Key{name, name}
	}
	return keys
}

// A Measure is a column that is an aggregate over all events of a rollup's row.
type Measure struct {
	Name string
	Log  string // an aggregate over the events e
	Kind Kind
}

// A Kind says how the measures of several rows are merged to that of all their events.
type Kind uint8

const (
	Sum    Kind = iota // an integer
	SumUSD             // a Decimal(38, 9)
	Min
	Max
	Set // a state of uniqExact over texts
)

// kinds has for each Kind the aggregate that merges such a column, and the value of such a column
// in a row whose events the measure does not apply to.
var kinds = [...]struct{ merge, zero string }{
	Sum:    {"sum(%s)", "0"},
	SumUSD: {"sum(%s)", "toDecimal128(0, 9)"},
	Min:    {"min(%s)", "0"},
	Max:    {"max(%s)", "0"},
	Set:    {"uniqExactMergeState(%s)", "arrayReduce('uniqExactState', CAST([], 'Array(String)'))"},
}

// FromLog is the query that makes this rollup's rows (org_id, day, keys, measures) from the events
// of the log that meet where. It alone defines what a rollup is: a recompute inserts its result, an
// export reads it for the slices that are not clean, and verify compares with it.
//
// where is SQL written by the caller, never a user's text; values come as query parameters. It may
// only restrict the key columns (org_id, day) and time. A copy that lost a conflict must be dropped
// before any other column is compared. FINAL ensures that only if no such condition is moved to
// PREWHERE. The type stands there all the same: it is a key column, so all copies of an event have
// it, and FINAL need not merge the events of the other types.
func (d Daily) FromLog(where string) string {
	return fmt.Sprintf(`SELECT org_id, day, %s, %s
FROM events AS e FINAL
PREWHERE type = '%s'
WHERE bitAnd(version, 1) = 0 AND (%s)
GROUP BY org_id, day, %s
SETTINGS optimize_move_to_prewhere_if_final = 0`,
		list(d.Keys, Key.fromLog), list(d.Measures, Measure.fromLog), d.Type, where, d.KeyNames())
}

// Rolled is the query that reads the rows of this rollup that meet where, in the shape of FromLog.
func (d Daily) Rolled(where string) string {
	return fmt.Sprintf("SELECT org_id, day, %s, %s\nFROM %s\nWHERE %s", d.KeyNames(), d.Names(), d.Table, where)
}

// Insert is the statement that writes a generation of this rollup for each of the slices that meet
// where. The parameters {orgs:Array(String)}, {days:Array(Date)} and {generations:Array(UUID)} have
// their orgs, days and generations; each slice has a generation of its own.
func (d Daily) Insert(where string) string {
	const slice = "concat(toString(day), ' ', org_id)"
	return d.insert(d.FromLog(where), slice,
		"arrayMap((day, org_id) -> "+slice+", {days:Array(Date)}, {orgs:Array(String)})")
}

// insert is the statement that writes the result of a query in the shape of FromLog. of is an
// expression over a row that says to which of the texts in the array list it belongs. The row gets
// the generation at the same place of {generations:Array(UUID)}. A join would copy every row.
func (d Daily) insert(query, of, list string) string {
	return fmt.Sprintf(`INSERT INTO %s (org_id, day, %[2]s, %[3]s, generation)
SELECT org_id, day, %[2]s, %[3]s, ({generations:Array(UUID)})[transform(%[4]s, %[5]s AS listed, arrayEnumerate(listed), 0)]
FROM (%[6]s)`, d.Table, d.KeyNames(), d.Names(), of, list, query)
}

// Merged is the query that merges the rows of this rollup that meet where into one month's rows, in
// the same shape. The day of these rows is the month's last day, {last:Date}. From generations that
// FromLog made of a month's slices, it makes what FromLog would make of one slice with all their
// events.
func (d Daily) Merged(where string) string {
	return fmt.Sprintf(`SELECT org_id, {last:Date} AS day, %[1]s, %[2]s
FROM (SELECT * EXCEPT day FROM %[3]s WHERE %[4]s) AS d
GROUP BY org_id, %[1]s`, d.KeyNames(), d.Merges(), d.Table, where)
}

// InsertMonth is the statement that writes the result of Merged, as a generation of its own for
// each org. The parameters {orgs:Array(String)} and {generations:Array(UUID)} have orgs and
// generations. It may group on disk, because a month of a large org may not fit into memory.
func (d Daily) InsertMonth(where string) string {
	return d.insert(d.Merged(where), "toString(org_id)", "{orgs:Array(String)}") +
		"\nSETTINGS max_bytes_before_external_group_by = 1000000000"
}

// Only is the rollup with those of its keys and measures that are in names, and the first measure.
// If the rows of FromLog or of the table are merged by these keys, they have the same measures as
// the rows of the whole rollup.
func (d Daily) Only(names map[string]bool) Daily {
	d.Keys = slices.DeleteFunc(slices.Clone(d.Keys), func(k Key) bool { return !names[k.Name] })
	first := d.Counts()
	return d.with(func(m Measure) bool { return names[m.Name] || m.Name == first })
}

// Sums is the rollup with those of its measures that are sums.
func (d Daily) Sums() Daily {
	return d.with(func(m Measure) bool { return m.Kind == Sum || m.Kind == SumUSD })
}

func (d Daily) with(measure func(Measure) bool) Daily {
	d.Measures = slices.DeleteFunc(slices.Clone(d.Measures), func(m Measure) bool { return !measure(m) })
	return d
}

// Amounts is the rollup with its sums but for the number of events.
func (d Daily) Amounts() Daily {
	d.Measures = d.Sums().Measures[1:]
	return d
}

// KeyNames are the names of the keys, and Names those of the measures, both comma-separated.
func (d Daily) KeyNames() string { return list(d.Keys, func(k Key) string { return k.Name }) }

func (d Daily) Names() string { return list(d.Measures, func(m Measure) string { return m.Name }) }

// Merges are the aggregates that merge the measures of several rows. Zeros are the values that a
// row of other usage has in place of the measures. Both are comma-separated and have the measures'
// names.
func (d Daily) Merges() string { return list(d.Measures, Measure.merged) }

func (d Daily) Zeros() string {
	return list(d.Measures, func(m Measure) string { return kinds[m.Kind].zero + " AS " + m.Name })
}

// Counts is the name of the measure that is the number of events in a row.
func (d Daily) Counts() string { return d.Measures[0].Name }

// RowCount is the manifests' column (tables slices and months) with the number of rows that a
// generation has in this table.
func (d Daily) RowCount() string { return strings.TrimSuffix(d.Table, "_daily") + "_rows" }

// RowCounts are the RowCount columns of all rollup tables, comma-separated, in the order of
// Dailies.
func RowCounts() string { return list(Dailies(), Daily.RowCount) }

func (k Key) fromLog() string {
	if k.Log == k.Name {
		return k.Name
	}
	return k.Log + " AS " + k.Name
}

func (m Measure) fromLog() string { return m.Log + " AS " + m.Name }

func (m Measure) merged() string {
	return fmt.Sprintf(kinds[m.Kind].merge, "d."+m.Name) + " AS " + m.Name
}

// list joins what sql returns for each element, with commas.
func list[T any](all []T, sql func(T) string) string {
	texts := make([]string, len(all))
	for i, x := range all {
		texts[i] = sql(x)
	}
	return strings.Join(texts, ", ")
}

// SliceVersion is the aggregate over a slice's events FINAL that gives the slice's version. It
// grows strictly while the set of events grows.
const SliceVersion = "sum(toUInt256(version) + 1)"
