package rollup

import (
	"testing"

	"github.com/google/uuid"

	"rollcall/schema"
	"rollcall/schema/tables"
)

// Hosts whose clocks are far ahead made damaged generations of days and of their month. A rebuild
// on a host whose clock is right replaces them. Earlier it did not (case "rebuild-behind"): of two
// generations of one version the newer was read, by the clock of the host that made it.
func TestRebuildRepairsWhateverTheClocksSay(t *testing.T) {
	db := newDatabase(t)
	_, end := db.closedMonths()
	days := []schema.Day{end - 4, end - 2, end}
	for _, day := range days {
		db.ingest(oneOfEach("acme", day, 1, 2, 3)...)
	}
	db.once()
	ahead := func(n byte) string {
		g := uuid.MustParse("f0000000-0000-7000-8000-000000000000") // of the year 10,377
		g[15] = n
		return g.String()
	}
	// Give the generations other numbers, in their rows and in their manifests.
	copied := []string{"slices"}
	for _, d := range tables.Dailies() {
		copied = append(copied, d.Table)
	}
	for _, table := range copied {
		for n, day := range days {
			which := " WHERE day = '" + day.String() + "' AND generation NOT IN (SELECT generation FROM months)"
			db.exec("INSERT INTO " + table + " SELECT * REPLACE (toUUID('" + ahead(byte(n)) +
				"') AS generation) FROM (SELECT * FROM " + table + which + ")")
		}
	}
	db.exec("ALTER TABLE message_daily UPDATE messages = 77 WHERE toString(generation) LIKE 'f%' SETTINGS mutations_sync = 2")
	if err := db.rollMonths(db.ctx, Filter{}); err != nil {
		t.Fatal(err)
	}
	if n, plan := db.messages("acme", end-40, end); n != 77*9 || len(plan.Generations) != 1 {
		t.Fatalf("%d messages by %+v: nothing is damaged", n, plan)
	}
	done, err := db.Rebuild(db.ctx, Filter{}, nil)
	if err != nil || done != (Rebuilt{Slices: 3}) {
		t.Errorf("%+v, %v", done, err)
	}
	db.judge("rebuilt", "acme", end-40, end)
	if n, plan := db.messages("acme", end-40, end); n != 9 || len(plan.Generations) != 1 {
		t.Errorf("%d messages by %+v, want 9 by the month", n, plan)
	}
	if _, err := db.Verify(db.ctx, Filter{}, func(d Difference) { t.Errorf("%+v", d) }, nil); err != nil {
		t.Error(err)
	}
}

// Rebuild reports what it reads back: a slice that keeps changing is read from the log.
func TestRebuildReadsBack(t *testing.T) {
	db := newDatabase(t)
	worker, conn := db.stepped()
	day := db.today - 3
	db.ingest(oneOfEach("moving", day, 1)...)
	db.ingest(oneOfEach("still", day, 1)...)
	db.once()
	moves := 1
	conn.before = func(_ int, text string) {
		if len(text) > 11 && text[:11] == "INSERT INTO" { // each of them is between two looks at the version
			moves++
			db.store(event{org: "moving", day: day, id: moves})
		}
	}
	done, err := worker.Rebuild(db.ctx, Filter{}, nil)
	if err != nil || done != (Rebuilt{Slices: 1, Live: 1}) {
		t.Errorf("%+v, %v", done, err)
	}
	db.judge("still moving", "moving", day, day)
	conn.before = nil
	db.mark(tables.Slice{Org: "moving", Day: day})
	if done, err := worker.Rebuild(db.ctx, Filter{Org: "moving"}, nil); err != nil || done != (Rebuilt{Slices: 1}) {
		t.Errorf("at rest: %+v, %v", done, err)
	}
}
