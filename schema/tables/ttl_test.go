package tables_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"rollcall/schema"
	"rollcall/schema/tables"
)

// Rows expire when SPEC.md §2.1 says so, by the engine's clock: those of the rollups 12 months and
// a day after their day, those of the log a month later. If midnight passes during the check, its
// result belongs to neither day, and the test checks again.
func TestRowsLeaveWhenTheirTimeIsOver(t *testing.T) {
	db := newDatabase(t)
	for {
		today := db.engineDay()
		wrong := db.rowsAtTheirEnd(today)
		if db.engineDay() != today {
			continue
		}
		for _, w := range wrong {
			t.Error(w)
		}
		return
	}
}

// engineDay is the engine's UTC day.
func (db *database) engineDay() schema.Day {
	t, err := time.Parse(time.DateOnly, db.text("SELECT toDate(now('UTC'))"))
	if err != nil {
		db.Fatal(err)
	}
	return schema.DayOf(t)
}

// rowsAtTheirEnd stores rows around the last day that has expired and has the engine merge. It
// returns which rows are there that should not be, and which are missing.
func (db *database) rowsAtTheirEnd(today schema.Day) (wrong []string) {
	rolled := db.lastEnded(today, 12)
	logged := db.lastEnded(today, 13)
	earliest := schema.Earliest(today)
	if leapDay := today.Time().Month() == time.February && today.Time().Day() == 29; earliest <= rolled && !leapDay {
		wrong = append(wrong, fmt.Sprintf("the rollups end with %s, and %s can be exported", rolled, earliest))
	}
	if earliest <= logged {
		wrong = append(wrong, fmt.Sprintf("the log ends with %s, and %s can be exported", logged, earliest))
	}
	ended := map[string]schema.Day{"events": logged, "marks": logged, "slices": logged, "months": logged}
	for _, d := range tables.Dailies() {
		ended[d.Table] = rolled
	}
	db.exec("SYSTEM STOP MERGES") // so that nothing expires before all rows are stored
	for table, last := range ended {
		db.exec("TRUNCATE TABLE " + table)
		for _, day := range []schema.Day{last - 1, last, last + 1, earliest, today} {
			db.exec(fmt.Sprintf("INSERT INTO %s (org_id, day) SELECT 'acme', '%s' SETTINGS optimize_on_insert = 0", table, day))
		}
	}
	db.exec("SYSTEM START MERGES")
	for table, last := range ended {
		days := slices.Compact([]schema.Day{last + 1, earliest, today})
		// on 29 February the earliest day that can be exported has left the rollups
		days = slices.DeleteFunc(days, func(day schema.Day) bool { return day <= last })
		want := fmt.Sprint(days)
		for deadline := time.Now().Add(30 * time.Second); ; {
			db.exec("OPTIMIZE TABLE " + table + " FINAL")
			got := db.text("SELECT concat('[', arrayStringConcat(arraySort(groupUniqArray(day)), ' '), ']') FROM " + table)
			if got == want {
				break
			}
			if time.Now().After(deadline) {
				wrong = append(wrong, fmt.Sprintf("%s has %s, want %s", table, got, want))
				break
			}
		}
	}
	return wrong
}

// lastEnded returns the last day that has expired: day + months + 1 day <= today.
func (db *database) lastEnded(today schema.Day, months int) schema.Day {
	for day := schema.DayOf(today.Time().AddDate(0, -months, 3)); ; day-- {
		if db.text(fmt.Sprintf("SELECT toDate('%s') + INTERVAL %d MONTH + INTERVAL 1 DAY <= toDate('%s')", day, months,
			today)) == "1" {
			return day
		}
	}
}
