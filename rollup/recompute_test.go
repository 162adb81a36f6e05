package rollup

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"rollcall/schema"
	"rollcall/schema/tables"
)

func TestOnceRollsUpWhatIsDirty(t *testing.T) {
	db := newDatabase(t)
	day := db.today - 3
	var events []event
	for i := range 10 {
		for _, typ := range []string{"message", "action", "token", "workflow_run"} {
			events = append(events, event{org: "acme", day: day, typ: typ, id: i},
				event{org: "globex", day: day - 40, typ: typ, id: i})
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
		if plan.Rows[d.Table] == 0 ||
			plan.Rows[d.Table] != db.count("SELECT count() FROM "+d.Table+" WHERE org_id = 'acme'") {
			t.Errorf("the plan counts on %d rows of %s", plan.Rows[d.Table], d.Table)
		}
	}
	if err := db.Sweep(db.ctx); err != nil {
		t.Error(err)
	}
}

// A slice that cannot be written does not stop the others, however many are in its batch. A failure
// that every slice has is not tried slice by slice.
func TestASliceThatFailsIsLeftAlone(t *testing.T) {
	db := newDatabase(t)
	var events []event
	for i := range 40 {
		events = append(events, event{org: fmt.Sprintf("org-%02d", i), day: db.today - 3, id: 1})
	}
	db.exec("ALTER TABLE message_daily ADD CONSTRAINT odd CHECK throwIf(org_id = 'org-17') = 0")
	db.ingest(events...)
	n, err := db.recomputeAll(db.ctx, db.dirty())
	if n != 39 || err == nil || strings.Count(err.Error(), "\n") > 0 ||
		!strings.Contains(err.Error(), "org-17 "+(db.today-3).String()) {
		t.Errorf("%d of 40 slices were recomputed: %v", n, err)
	}

	db.exec("ALTER TABLE message_daily DROP CONSTRAINT odd, ADD CONSTRAINT all CHECK throwIf(1) = 0")
	if dirty := db.dirty(); len(dirty) != 1 {
		t.Fatalf("%d slices are dirty, not the one that failed", len(dirty))
	}
	for i := range events {
		events[i].id = 2
	}
	db.ingest(events...)
	before := value(db.metrics.slices.WithLabelValues(failed))
	if n, err := db.recomputeAll(db.ctx, db.dirty()); n != 0 || err == nil {
		t.Errorf("%d slices were recomputed, %v", n, err)
	}
	if tried := value(db.metrics.slices.WithLabelValues(failed)) - before; tried > 40*8 {
		t.Errorf("slices were tried %v times", tried)
	}
}

// The condition for a batch selects its slices and no others, whether all of its orgs have all of
// its days or not.
func TestABatchsConditionSelectsItsSlices(t *testing.T) {
	db := newDatabase(t)
	first := tables.MonthEnd(db.today-62) - 9
	var events []event
	for i := range 6 {
		events = append(events, event{org: fmt.Sprintf("o%d", i%2), day: first + schema.Day(i/2), id: i})
	}
	db.store(events...)
	for chosen := 1; chosen < 1<<len(events); chosen++ {
		b := &attempt{}
		var want []string
		for i, e := range events {
			if chosen&(1<<i) != 0 {
				b.slices = append(b.slices, tables.Slice{Org: e.org, Day: e.day})
				b.generations = append(b.generations, uuid.New())
				want = append(want, fmt.Sprint(e.org, " ", e.day))
			}
		}
		var got []string
		query := "SELECT groupArray(concat(org_id, ' ', toString(day))) FROM (SELECT * FROM events WHERE " + b.where() +
			" ORDER BY day, org_id)"
		if err := db.conn.QueryRow(db.ctx, query, b.args()...).Scan(&got); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("the condition for %v selects %v", want, got)
		}
	}
}
