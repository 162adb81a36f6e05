package query

import (
	"context"

	"github.com/ClickHouse/clickhouse-go/v2"

	"rollcall/schema/tables"
)

// A Statement is one query for the engine.
type Statement struct {
	SQL string // without a FORMAT clause
	// the engine's name of the format: CustomSeparatedWithNames, JSONEachRow, Parquet; "" where
	// rows are scanned
	Format   string
	Params   clickhouse.Parameters // every value, by name
	Settings clickhouse.Settings   // on top of those of tables.Open
}

// Context carries the statement's parameters and settings to the driver.
func (s Statement) Context(ctx context.Context) context.Context {
	return clickhouse.Context(ctx, clickhouse.WithParameters(s.Params), clickhouse.WithSettings(s.Settings))
}

// Build makes the statement that answers the request by the plan, which must be of Period.Span. It
// fails with *BadRequest or ErrWorkflowsOff.
func Build(r Request, plan tables.Plan) (Statement, error) {
	if err := r.check(); err != nil {
		return Statement{}, err
	}
	d, err := newDraft(r, plan)
	if err != nil {
		return Statement{}, err
	}
	sql, err := d.selected()
	if err != nil {
		return Statement{}, err
	}
	format, settings := r.engineFormat()
	return Statement{SQL: sql, Format: format, Params: d.params(), Settings: settings}, nil
}

// Count makes the statement for the number of rows that Build's has: one row, one UInt64.
func Count(r Request, plan tables.Plan) (Statement, error) {
	if err := r.check(); err != nil {
		return Statement{}, err
	}
	d, err := newDraft(r, plan)
	if err != nil {
		return Statement{}, err
	}
	_, settings := r.engineFormat()
	return Statement{SQL: "SELECT count()\n" + d.from(), Params: d.params(), Settings: settings}, nil
}
