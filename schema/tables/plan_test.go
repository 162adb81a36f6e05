package tables_test

import (
	"context"
	"testing"
	"time"

	"rollcall/deploy/embedded/enginetest"
	"rollcall/schema"
	"rollcall/schema/tables"
)

func TestReadPlanEmpty(t *testing.T) {
	conn, err := tables.Open(enginetest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	now := time.Now()
	p, err := tables.ReadPlan(context.Background(), conn, "acme", schema.DayOf(now)-30, schema.DayOf(now), now)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(p)
}
