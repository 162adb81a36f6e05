package enginetest

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"rollcall/schema/tables"
)

// Database makes a database with Rollcall's tables on the shared engine. It is dropped at the test's end.
func Database(t testing.TB) tables.Options {
	t.Helper()
	name := "test_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	o := tables.Options{URL: strings.Replace(Shared(t).URL, "http://", "http://default@", 1) + "/" + name}
	if _, err := tables.Migrate(context.Background(), o); err != nil {
		t.Fatalf("migrate a test database: %v", err)
	}
	t.Cleanup(func() { drop(t, o, name) })
	return o
}

// Insert stores rows, each of which encoding/json makes an object of columns; columns that a row does not have get their defaults.
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

func drop(t testing.TB, o tables.Options, name string) {
	o.URL = strings.TrimSuffix(o.URL, name) + "default"
	conn, err := tables.Open(o)
	if err == nil {
		defer conn.Close()
		err = conn.Exec(context.Background(), "DROP DATABASE {name:Identifier} SYNC", clickhouse.Named("name", name))
	}
	if err != nil {
		t.Errorf("drop the test database: %v", err)
	}
}
