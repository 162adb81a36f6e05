package suite

import (
	"net/http"
	"testing"
	"time"

	"rollcall/deploy/test/suite/oracle"
	"rollcall/deploy/test/suite/traffic"
)

// SPEC.md §2.1: a date that can be exported has its rows, even after the engine has removed all
// expired rows. The day before it cannot be exported, and older rows are removed.
func TestTheEarliestDayHasItsRowsAndOlderOnesGo(t *testing.T) {
	b := newBed(t)
	b.now = awayFromMidnight(b)
	b.send(traffic.Make(traffic.Config{Seed: *seed, Now: b.now, Events: 1500, Topics: topics}))
	b.ingest(nil)
	_, err := b.roll().Once(t.Context())
	b.must(err)

	today := b.now.UTC().Truncate(24 * time.Hour)
	first := today.AddDate(-1, 0, 0)
	if first.Day() != today.Day() { // a year before 29 February
		first = first.AddDate(0, 0, -1)
	}
	gone := map[string]string{
		"message_daily":  first.AddDate(0, 0, -2).Format(time.DateOnly),
		"action_daily":   first.AddDate(0, 0, -2).Format(time.DateOnly),
		"token_daily":    first.AddDate(0, 0, -2).Format(time.DateOnly),
		"workflow_daily": first.AddDate(0, 0, -2).Format(time.DateOnly),
		"events":         first.AddDate(0, 0, -33).Format(time.DateOnly), // two days more than the longest month
	}
	for table, day := range gone {
		b.must(b.conn.Exec(t.Context(), "INSERT INTO "+table+" (org_id, day) VALUES ('old', {day:Date})", named("day", day)))
		b.must(b.conn.Exec(t.Context(), "OPTIMIZE TABLE "+table+" FINAL"))
		if n := b.count("SELECT count() FROM " + table + " WHERE org_id = 'old'"); n != 0 {
			t.Errorf("%s still has the row of %s", table, day)
		}
	}
	for _, org := range workspaces() {
		for _, dataType := range dataTypes {
			a := ask{
				Query: oracle.Query{Org: org, Type: dataType, From: first.Format(time.DateOnly), To: first.Format(time.DateOnly)},
			}
			if err := b.check(a); err != nil {
				t.Errorf("%s: %v", a, err)
			}
			a.From = first.AddDate(0, 0, -1).Format(time.DateOnly)
			status, body := b.answer(a)
			withheld := (dataType == "workflows" || dataType == "focus") && status == http.StatusForbidden
			if status != http.StatusBadRequest && !withheld {
				t.Errorf("%s: status %d: %.200s", a, status, body)
			}
		}
	}
	if used, err := b.oracle.Usage(oracle.Query{
		Org: traffic.Full, From: first.Format(time.DateOnly), To: first.Format(time.DateOnly),
	}); err != nil || len(used) == 0 {
		t.Errorf("the earliest day had %d events: this test says nothing (%v)", len(used), err)
	}
}
