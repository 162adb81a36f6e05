package query

import (
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2"

	"rollcall/schema/tables"
)

// A Summary is an export added up: its rows are those of Build, so its sums are those of the file. What a type does not have is 0.
type Summary struct {
	Rows    uint64   `ch:"entities"`
	Counted uint64   `ch:"counted"` // messages; of models: requests
	Actions uint64   `ch:"actions"`
	Tokens  uint64   `ch:"tokens"` // prompt and completion; only with byok
	Cost    string   `ch:"cost"`   // USD, plain decimal; only with byok
	IDs     []string `ch:"ids"`    // those with the most, and their names and counts
	Names   []string `ch:"names"`  // "" where the workspace shows none
	Counts  []uint64 `ch:"counts"`
}

// added says which columns of a type are added up.
var added = map[Type]struct{ id, name, counted, actions string }{
	Users:      {"user_id", "name", "messages_total", "action_messages"},
	Assistants: {"assistant_id", "assistant_name", "messages", ""},
	Projects:   {"project_id", "project_name", "messages", ""},
	Models:     {"name", "", "requests", ""},
}

// Summarize makes the statement for one row, a Summary with at most top ids. Workflows and API keys have none.
func Summarize(r Request, plan tables.Plan, top int) (Statement, error) {
	from, known := added[r.Type]
	if !known {
		return Statement{}, bad("type", "The export %s has no summary.", r.Type)
	}
	r.Format, r.Limit = NDJSON, 0 // values of their own types, not as CSV shows them
	rows, err := Build(r, plan)
	if err != nil {
		return Statement{}, err
	}
	columns, err := Columns(r)
	if err != nil {
		return Statement{}, err
	}
	// one is the column's expression, or what stands for it where this export does not have it.
	one := func(name, missing string) string {
		for _, c := range columns {
			if c.Name == name {
				return name
			}
		}
		return missing
	}
	rows.SQL = fmt.Sprintf(`WITH groupArraySorted(%d)((-toInt64(n), shown_id, shown_name)) AS first_ones
SELECT sum(n_rows) AS entities, sum(n) AS counted, sum(n_actions) AS actions, sum(n_tokens) AS tokens, toString(sum(n_cost)) AS cost,
	first_ones.2 AS ids, first_ones.3 AS names, arrayMap(x -> toUInt64(-x), first_ones.1) AS counts
FROM (
	SELECT %s AS shown_id, %s AS shown_name, count() AS n_rows, sum(%s) AS n, sum(toUInt64(%s)) AS n_actions, sum(%s + %s) AS n_tokens, sum(%s) AS n_cost
	FROM (
%s
	)
	GROUP BY shown_id, shown_name
)`, top, from.id, one(from.name, "''"), from.counted, one(from.actions, "0"), one("sum_prompt_tokens", "toUInt64(0)"), one("sum_completion_tokens", "toUInt64(0)"),
		one("total_cost_usd", "toDecimal128(0, 9)"), rows.SQL)
	rows.Format = ""
	return rows, nil
}

// MessagesPerDay makes the statement for the messages of each UTC day that the plan spans: (day, messages), the days without any left out.
func MessagesPerDay(plan tables.Plan) Statement {
	return Statement{
		SQL: fmt.Sprintf(`SELECT day, sum(messages) AS messages FROM (
SELECT day, messages FROM (%s)
UNION ALL
SELECT day, messages FROM (%s)
) WHERE (SELECT %s) = 0 GROUP BY day ORDER BY day`, tables.Messages.Rolled(tables.RolledWhere), tables.Messages.FromLog(tables.LiveWhere), tables.Messages.Guard()),
		Params:   plan.Params(),
		Settings: clickhouse.Settings{},
	}
}
