package query

import (
	"context"

	"github.com/ClickHouse/clickhouse-go/v2"

	"rollcall/schema/tables"
)

// A Statement is one query for the engine.
type Statement struct {
	SQL string // without a FORMAT clause
	// the engine's name of the format: CustomSeparatedWithNames, JSONEachRow, JSONCompactEachRow,
	// Parquet; "" if the rows are scanned
	Format   string
	Params   clickhouse.Parameters // every value, by name
	Settings clickhouse.Settings   // in addition to those of tables.Open
}

// Context returns a context with which the driver uses the statement's parameters and settings.
func (s Statement) Context(ctx context.Context) context.Context {
	return clickhouse.Context(ctx, clickhouse.WithParameters(s.Params), clickhouse.WithSettings(s.Settings))
}

// Build makes the statement that answers the request by the plan. The plan must be for Period.Span.
// Errors are *BadRequest, ErrWorkflowsOff or ErrBYOKOff.
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

// Count makes the statement that counts the rows of Build's statement: one row, one UInt64.
func Count(r Request, plan tables.Plan) (Statement, error) {
	if err := r.check(); err != nil {
		return Statement{}, err
	}
	r.Format = NDJSON // without the cells of CSV, which nobody counts
	d, err := newDraft(r, plan)
	if err != nil {
		return Statement{}, err
	}
	_, settings := r.engineFormat()
	return Statement{SQL: "SELECT count()\n" + d.from(), Params: d.params(), Settings: settings}, nil
}
