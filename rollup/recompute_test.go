package rollup

import (
	"testing"

	"rollcall/schema/tables"
)

func TestOnceRollsUpWhatIsDirty(t *testing.T) {
	db := newDatabase(t)
	day := db.today - 3
	var events []event
	for i := range 10 {
		for _, typ := range []string{"message", "action", "token", "workflow_run"} {
			events = append(events, event{org: "acme", day: day, typ: typ, id: i}, event{org: "globex", day: day - 40, typ: typ, id: i})
		}
	}
	db.ingest(events...)
	db.ingest(events...) // redelivered
	if n, plan := db.messages("acme", day-1, db.today); n != 10 || len(plan.Live) != 1 || len(plan.Generations) != 0 {
		t.Fatalf("before: %d messages by %+v, want 10, live", n, plan)
	}
	if n := db.once(); n != 2 {
		t.Errorf("recomputed %d slices, want 2", n)
	}
	n, plan := db.messages("acme", day-1, db.today)
	if n != 10 || len(plan.Live) != 0 || len(plan.Generations) != 1 {
		t.Errorf("after: %d messages by %+v, want 10 from one generation", n, plan)
	}
	if n := db.once(); n != 0 {
		t.Errorf("recomputed %d clean slices", n)
	}
	for _, d := range tables.Dailies() {
		if plan.Rows[d.Table] == 0 || plan.Rows[d.Table] != db.count("SELECT count() FROM "+d.Table+" WHERE org_id = 'acme'") {
			t.Errorf("the plan counts on %d rows of %s", plan.Rows[d.Table], d.Table)
		}
	}
	if err := db.Clean(db.ctx); err != nil {
		t.Error(err)
	}
}
