package tables_test

import (
	"fmt"
	"testing"
	"time"

	"rollcall/schema"
	"rollcall/schema/tables"
)

// Rows go when SPEC §2.1 says so, by the engine's clock: those of the rollups 12 months and a day after their day, those of the log a month later.
func TestRowsLeaveWhenTheirTimeIsOver(t *testing.T) {
	db := newDatabase(t)
	db.exec("SYSTEM STOP MERGES") // nothing goes before the test looks
	today := db.today.Time()
	ends := func(months int) schema.Day { // the last day that has ended its time: day + months + 1 day <= today
		for day := schema.DayOf(today.AddDate(0, -months, 3)); ; day-- {
			if db.text(fmt.Sprintf("SELECT toDate('%s') + INTERVAL %d MONTH + INTERVAL 1 DAY <= today()", day, months)) == "1" {
				return day
			}
		}
	}
	rolled, logged := ends(12), ends(13)
	if schema.Earliest(db.today) <= rolled && !(today.Month() == time.February && today.Day() == 29) {
		t.Errorf("the rollups end with %s, and %s can be exported", rolled, schema.Earliest(db.today))
	}
	if schema.Earliest(db.today) <= logged {
		t.Errorf("the log ends with %s, and %s can be exported", logged, schema.Earliest(db.today))
	}
	kept := map[string]schema.Day{"events": logged, "marks": logged, "slices": logged}
	for _, d := range tables.Dailies() {
		kept[d.Table] = rolled
	}
	for table, last := range kept {
		for _, day := range []schema.Day{last - 1, last, last + 1, schema.Earliest(db.today), db.today} {
			db.exec(fmt.Sprintf("INSERT INTO %s (org_id, day) SELECT 'acme', '%s' SETTINGS optimize_on_insert = 0", table, day))
		}
	}
	db.exec("SYSTEM START MERGES")
	for table, last := range kept {
		db.exec("OPTIMIZE TABLE " + table + " FINAL")
		want := fmt.Sprintf("['%s','%s','%s']", last+1, schema.Earliest(db.today), db.today)
		if last+1 == schema.Earliest(db.today) {
			want = fmt.Sprintf("['%s','%s']", last+1, db.today)
		}
		deadline := time.Now().Add(30 * time.Second)
		for {
			got := db.text("SELECT toString(arraySort(groupUniqArray(day))) FROM " + table)
			if got == want {
				break
			}
			if time.Now().After(deadline) {
				t.Errorf("%s has %s, want %s", table, got, want)
				break
			}
			db.exec("OPTIMIZE TABLE " + table + " FINAL")
		}
	}
}
