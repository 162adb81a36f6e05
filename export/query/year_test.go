package query

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"rollcall/schema"
	"rollcall/schema/tables"
)

// Every export of a year passes a proxy that takes request lines of 8 KiB, as the engine of the
// tests does, even if all days are read one by one: every second day from a generation of its own,
// and the others from the log.
func TestAYearOfDaysIsOneStatement(t *testing.T) {
	const zone = "Europe/Berlin"
	berlin, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	year, month, day := now.In(berlin).Date() // at 23:00 UTC, Berlin has another date
	today := schema.DayOf(time.Date(year, month, day, 0, 0, 0, 0, time.UTC))
	first := schema.Earliest(today)
	days := int(today-first) + 1
	b := newBed(t)
	for _, statement := range []string{
		`INSERT INTO events (org_id, day, type, event_id, version, time, user_id, assistant_id, model, workflow_id, run_id, project_id, api_key_id)
			SELECT '%[1]s', toDate('%[2]s') + 100 * intDiv(number, 3) AS d, ['message', 'token', 'workflow_run'][number %% 3 + 1], leftPad(toString(number), 16, '0'), 2, d, 'u', 'a', 'm', 'w', 'r', 'p', 'k'
			FROM numbers(12)`,
		`INSERT INTO marks (org_id, day, writer, seq)
			SELECT '%[1]s', toDate('%[2]s') + number, toUUID('00000000-0000-4000-8000-000000000000'), 1 FROM numbers(%[3]d)`,
		// the days with events are not rolled up
		`INSERT INTO slices (org_id, day, generation, revision, covered, version)
			SELECT '%[1]s', toDate('%[2]s') + 2 * number + 1, generateUUIDv7(), %[4]d, map(toUUID('00000000-0000-4000-8000-000000000000'), 1), 0 FROM numbers(intDiv(%[3]d, 2))`,
	} {
		if err := b.conn.Exec(t.Context(), fmt.Sprintf(statement, org, first, days, tables.Revision)); err != nil {
			t.Fatal(err)
		}
	}
	period, err := ParsePeriod(PeriodRequest{From: first.String(), To: today.String(), Timezone: zone}, now)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := tables.ReadPlan(t.Context(), b.conn, period.Span(org).Counting(), now)
	if err != nil || len(plan.Generations) < days/2-2 || len(plan.Live) < days/2-2 {
		t.Fatalf("%d generations and %d days of the log: %v", len(plan.Generations), len(plan.Live), err)
	}
	for _, dataType := range Types() {
		r := request(dataType)
		r.AsOf = now
		r.Period = period.of(dataType)
		want := max(1, len(r.Period.Buckets))
		r.Settings.BYOK = true
		r.Settings.Pseudonymize = true
		r.Format = NDJSON
		plan := plan
		if dataType == Focus { // of UTC days, with a row for each that has requests
			want = 4
			if r.Period, err = ParsePeriod(PeriodRequest{From: first.String(), To: today.String()}, now); err != nil {
				t.Fatal(err)
			}
			plan, err = tables.ReadPlan(t.Context(), b.conn, r.Span(), now)
			if err != nil || len(plan.Generations) < days/2-2 || len(plan.Live) < days/2-2 {
				t.Fatalf("%d generations and %d days of the log: %v", len(plan.Generations), len(plan.Live), err)
			}
		}
		text, err := b.run(r, plan)
		if rows := strings.Count(text, "\n"); err != nil || rows != want {
			t.Errorf("%s: %d rows, want %d: %v", dataType, rows, want, err)
		}
		count, err := Count(r, plan)
		if err != nil {
			t.Fatal(err)
		}
		var n uint64
		if err := b.conn.QueryRow(count.Context(t.Context()), count.SQL).Scan(&n); err != nil || n != uint64(want) {
			t.Errorf("%s: counted %d rows, want %d: %v", dataType, n, want, err)
		}
	}
}
