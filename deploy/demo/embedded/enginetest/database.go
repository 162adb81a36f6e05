package enginetest

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"rollcall/schema/tables"
)

// Database makes a database with Rollcall's tables on the shared engine. It is dropped at the
// test's end.
func Database(t testing.TB) tables.Options {
	t.Helper()
	s := Shared(t)
	name := "test_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	if err := s.copyTemplate(name); err != nil {
		t.Fatalf("make a test database: %v", err)
	}
	t.Cleanup(func() {
		if err := s.template.conn.Exec(context.Background(), "DROP DATABASE "+name+" SYNC"); err != nil {
			t.Errorf("drop the test database: %v", err)
		}
	})
	return s.options(name)
}

func (s *Server) options(database string) tables.Options {
	return tables.Options{URL: strings.Replace(s.URL, "http://", "http://default@", 1) + "/" + database}
}

// Insert stores rows. encoding/json makes each row an object of columns. Columns that a row does
// not have get their defaults.
func Insert[Row any](t testing.TB, conn driver.Conn, table string, rows ...Row) {
	t.Helper()
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	for _, r := range rows {
		if err := encoder.Encode(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.InsertFormat(context.Background(), "JSONEachRow", "INSERT INTO "+table, &body); err != nil {
		t.Fatalf("insert into %s: %v", table, err)
	}
}
