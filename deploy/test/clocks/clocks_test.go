package main

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"rollcall/deploy/demo/embedded/enginetest"
	"rollcall/schema/tables"
)

// Under every clock, this process, the engine and other programs see the same time.
func TestAllHaveTheSameClock(t *testing.T) {
	conn, err := tables.Open(enginetest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	before := time.Now().UTC().Truncate(time.Second)
	var engine, day, other time.Time
	row := conn.QueryRow(t.Context(), "SELECT now64(3, 'UTC'), toDateTime(today(), 'UTC')")
	if err := row.Scan(&engine, &day); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("date", "-u", "+%FT%TZ").Output()
	if err != nil {
		t.Fatal(err)
	}
	if other, err = time.Parse(time.RFC3339, strings.TrimSpace(string(out))); err != nil {
		t.Fatal(err)
	}
	after := time.Now().UTC()
	if engine.Before(before) || other.Before(before) || engine.After(after) || other.After(after) || day.After(after) ||
		day.Before(before.Add(-24*time.Hour)) {
		t.Errorf("between %s and %s, the engine said %s (of %s) and another program %s", before, after, engine,
			day.Format(time.DateOnly), other)
	}
}

// Each clock is what its name says, whatever today's date is, and is later than now.
func TestClocksAreWhatTheyAreCalled(t *testing.T) {
	for now := time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC); now.Year() < 2033; now = now.Add(23 * time.Hour) {
		for _, name := range clockNames() {
			at, err := clock(name, now)
			if err != nil {
				t.Fatal(err)
			}
			is := map[string]bool{
				"sunday": at.Weekday() == time.Sunday, "monday": at.Weekday() == time.Monday, "first-of-month": at.Day() == 1,
				"last-of-month": at.AddDate(0, 0, 1).Day() == 1, "leap-day": at.Format("01-02") == "02-29",
				"new-years-eve":   at.Format("01-02") == "12-31",
				"before-midnight": at.Format("15:04") == "23:55", "midnight": at.Format("15:04:05") == "23:59:55",
			}[name]
			if !is || !at.After(now) {
				t.Fatalf("on %s, %s is %s", now, name, at)
			}
		}
	}
	if _, err := clock("tuesday", time.Now()); err == nil || !strings.Contains(err.Error(), "sunday") {
		t.Errorf("an unknown clock: %v", err)
	}
}
