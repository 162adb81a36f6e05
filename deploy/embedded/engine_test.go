package embedded_test

import (
	"context"
	"testing"

	"rollcall/deploy/embedded/enginetest"
	"rollcall/schema/tables"
)

func TestMigratedDatabase(t *testing.T) {
	o := enginetest.Database(t)
	conn, err := tables.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := tables.Check(context.Background(), conn); err != nil {
		t.Fatal(err)
	}
}
