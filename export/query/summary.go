package query

import (
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2"

	"rollcall/schema/tables"
)

// Totals are the sums of a period's usage. The columns and rows of its exports (without inactive
// ones) add up to the same.
type Totals struct {
	Messages    uint64 `ch:"messages"`     // users.messages_total
	ActiveUsers uint64 `ch:"active_users"` // rows of users
	Assistants  uint64 `ch:"assistants"`   // rows of assistants
	Projects    uint64 `ch:"projects"`     // rows of projects
	Actions     uint64 `ch:"actions"`      // users.action_messages
	Tokens      uint64 `ch:"tokens"`       // models.sum_prompt_tokens + sum_completion_tokens
	Cost        string `ch:"cost"`         // models.total_cost_usd, plain decimal
}

// AddUp makes the statement for the request's Totals: one row. It reads the same usage as exports,
// in the same way, but does not make their rows: the engine takes longer to analyse the SQL of four
// exports than to add up. The request's type does not matter.
func AddUp(r Request, plan tables.Plan) Statement {
	d := draft{Request: r, shape: shape{reads: tables.Dailies()}, reading: newReading(r, plan)}
	_, settings := r.engineFormat()
	const usage = `SELECT user_id AS person, assistant_id AS assistant, project_id AS project, messages AS m, 0 AS a, 0 AS t, toDecimal128(0, 9) AS c FROM messages
UNION ALL
SELECT user_id, assistant_id, project_id, 0, messages, 0, toDecimal128(0, 9) FROM actions
UNION ALL
SELECT user_id, assistant_id, project_id, 0, 0, prompt_tokens + completion_tokens, cost_usd FROM tokens
UNION ALL
SELECT user_id, '', '', 0, 0, 0, toDecimal128(0, 9) FROM workflow_runs`
	return Statement{
		SQL: fmt.Sprintf(`SELECT sum(m) AS messages, uniqExactIf(person, person != '') AS active_users, uniqExactIf(assistant, assistant != '') AS assistants,
	uniqExactIf(project, project != '') AS projects, sum(a) AS actions, sum(t) AS tokens, toString(sum(c)) AS cost
FROM (
WITH %s
%s
)
WHERE %s`, d.sources(d.reads, usage), usage, d.guards()),
		Params: d.params(), Settings: settings,
	}
}

// A Top lists the entities of an export that have the highest counts.
type Top struct {
	IDs    []string `ch:"ids"`
	Names  []string `ch:"names"` // "" if the workspace shows no names
	Counts []uint64 `ch:"counts"`
}

// topBy has the count by which the top list of a type is made.
var topBy = map[Type]struct{ id, name, count string }{
	Users:      {"user_id", "name", "messages_total"},
	Assistants: {"assistant_id", "assistant_name", "messages"},
	Projects:   {"project_id", "project_name", "messages"},
	Models:     {"name", "", "requests"},
}

// TopList makes the statement for the request's Top: one row. It takes the first rows of Build (at
// most most), by count and then by id. Workflows and API keys have no top list. The ranks in an
// export are made by its SQL (users.sql).
func TopList(r Request, plan tables.Plan, most int) (Statement, error) {
	by, known := topBy[r.Type]
	if !known {
		return Statement{}, bad("type", "The export %s has no top list.", r.Type)
	}
	r.Format = NDJSON // values of their own types, not as CSV shows them
	r.Limit = 0
	rows, err := Build(r, plan)
	if err != nil {
		return Statement{}, err
	}
	columns, err := Columns(r)
	if err != nil {
		return Statement{}, err
	}
	name := "''" // if the export does not have the column
	for _, c := range columns {
		if c.Name == by.name {
			name = by.name
		}
	}
	rows.SQL = fmt.Sprintf(`WITH groupArraySorted(%d)((-toInt64(n), shown_id, shown_name)) AS first_ones
SELECT first_ones.2 AS ids, first_ones.3 AS names, arrayMap(x -> toUInt64(-x), first_ones.1) AS counts
FROM (
	SELECT %s AS shown_id, %s AS shown_name, sum(%s) AS n
	FROM (
%s
	)
	GROUP BY shown_id, shown_name
)`, most, by.id, name, by.count, rows.SQL)
	rows.Format = ""
	return rows, nil
}

// MessagesPerDay makes the statement for the messages of each UTC day of the plan, which must be
// without months. Its rows are (day, messages); days without messages have no row.
func MessagesPerDay(plan tables.Plan) Statement {
	return Statement{
		SQL: fmt.Sprintf(`SELECT day, sum(messages) AS messages FROM (
SELECT day, messages FROM (%s)
UNION ALL
SELECT day, messages FROM (%s)
) WHERE (SELECT %s) = 0 GROUP BY day ORDER BY day`, tables.Messages.Rolled(tables.RolledWhere),
			tables.Messages.FromLog(tables.LiveWhere), tables.Messages.Guard()),
		Params:   plan.Params(),
		Settings: clickhouse.Settings{},
	}
}
