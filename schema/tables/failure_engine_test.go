package tables_test

import (
	"context"
	"io"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/prometheus/client_golang/prometheus"

	"rollcall/deploy/demo/embedded/enginetest"
	"rollcall/schema/tables"
)

// The names in the classes are those that the engine uses.
func TestNamesOfFailures(t *testing.T) {
	db := newDatabase(t)
	for code, name := range tables.FailureCodes() {
		var is string
		if err := db.QueryRow(db.ctx, "SELECT toString(errorCodeToName({code:UInt32}))",
			clickhouse.Named("code", code)).Scan(&is); err != nil || is != name {
			t.Errorf("%d is %s, not %s (%v)", code, is, name, err)
		}
	}
}

// The errors of the real engine, for every kind of statement, are classified and counted.
func TestFailuresOfTheEngine(t *testing.T) {
	o := enginetest.Database(t)
	reg := prometheus.NewRegistry()
	o.Failures = tables.NewFailures(reg, "test")
	conn, err := tables.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx := context.Background()
	for _, c := range []struct {
		name, query string
		class       tables.Class
	}{
		{"UNKNOWN_TABLE", "SELECT * FROM nothing", tables.Lasting},
		{"UNKNOWN_DATABASE", "SELECT * FROM nowhere.nothing", tables.Lasting},
		{"UNKNOWN_IDENTIFIER", "SELECT nothing FROM events", tables.Lasting},
		{"NO_SUCH_COLUMN_IN_TABLE", "INSERT INTO marks (nothing) SELECT 1", tables.Lasting},
		{"SYNTAX_ERROR", "SELECT FROM WHERE", tables.Defect},
		{"UNKNOWN_FUNCTION", "SELECT no_such_function(1)", tables.Lasting},
		{"READONLY", "INSERT INTO marks (org_id) SETTINGS readonly = 1 SELECT 'a'", tables.Lasting},
		{"UNKNOWN_SETTING", "SELECT 1 SETTINGS nothing = 1", tables.Lasting},
		{"MEMORY_LIMIT_EXCEEDED", "SELECT groupArray(number) FROM numbers(10000000) SETTINGS max_memory_usage = 1000000",
			tables.Passing},
		{"TIMEOUT_EXCEEDED",
			"SELECT count() FROM numbers(100000000000) WHERE NOT ignore(sipHash64(number)) SETTINGS max_execution_time = 0.1",
			tables.Passing},
		{"FUNCTION_THROW_IF_VALUE_IS_NON_ZERO", "SELECT throwIf(1)", tables.Unknown},
		{"TOO_MANY_ROWS", "SELECT count() FROM numbers(1000) WHERE NOT ignore(number) SETTINGS max_rows_to_read = 10",
			tables.Unknown},
	} {
		err := conn.Exec(ctx, c.query)
		if class, name := tables.Classify(err); class != c.class || name != c.name {
			t.Errorf("%s: %s %s, not %s %s: %v", c.query, class, name, c.class, c.name, err)
		}
	}

	counted := func() (n int) {
		families, _ := reg.Gather()
		for _, f := range families {
			for _, m := range f.GetMetric() {
				n += int(m.GetCounter().GetValue())
			}
		}
		return n
	}
	const wrong = "SELECT throwIf(number = 100000) AS x FROM numbers(200000) SETTINGS max_block_size = 1000, wait_end_of_query = 0"
	for name, fails := range map[string]func() error{
		"exec":   func() error { return conn.Exec(ctx, "SELECT throwIf(1)") },
		"select": func() error { var rows []struct{ X uint8 }; return conn.Select(ctx, &rows, "SELECT throwIf(1) AS X") },
		"row":    func() error { var x uint8; return conn.QueryRow(ctx, "SELECT throwIf(1)").Scan(&x) },
		"query":  func() error { _, err := conn.Query(ctx, "SELECT throwIf(1)"); return err },
		"insert": func() error { return conn.InsertFormat(ctx, "CSV", "INSERT INTO nothing (a)", nil) },
		"stream": func() error {
			rows, err := conn.QueryFormat(ctx, "CSV", wrong)
			if err != nil {
				return err
			}
			defer rows.Close()
			_, err = io.Copy(io.Discard, rows)
			return err
		},
	} {
		before := counted()
		if err := fails(); err == nil || counted() != before+1 {
			t.Errorf("%s: %v; counted %d times", name, err, counted()-before)
		}
	}
}
