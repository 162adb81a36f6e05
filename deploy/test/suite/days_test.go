package suite

import (
	"encoding/json"
	"net/http"
	"time"

	"rollcall/deploy/test/suite/oracle"
)

// A daySeen is a day as the feed had it, and as the oracle had it then.
type daySeen struct {
	version string
	oracle  oracle.Day
}

// compareDays holds the days feed of every workspace against the oracle: the same days with the
// same numbers of events, and a version that is equal to an earlier one exactly if the events are.
func (b *bed) compareDays() {
	b.t.Helper()
	from := time.Now().UTC().AddDate(0, -11, 0).Format(time.DateOnly) // midnight may pass
	for _, org := range workspaces() {
		status, body := b.call(org, http.MethodGet, "/v1/days?from="+from, nil)
		var feed struct {
			Days []struct {
				Date, Version string
				Events        int
			}
		}
		if err := json.Unmarshal(body, &feed); err != nil || status != http.StatusOK {
			b.t.Fatalf("the days of %s: %d %s", org, status, body)
		}
		want := b.oracle.Days(org)
		for _, d := range feed.Days {
			if d.Events != want[d.Date].Events {
				b.t.Errorf("%s has %d events on %s, want %d", org, d.Events, d.Date, want[d.Date].Events)
			}
			day := org + " " + d.Date
			now := daySeen{d.Version, want[d.Date]}
			if before, seen := b.days[day]; seen && (before.version == now.version) != (before.oracle == now.oracle) {
				b.t.Errorf("seed %d: %s had the version %s with %d events, now %s with %d", *seed, day, before.version,
					before.oracle.Events, now.version, now.oracle.Events)
			}
			b.days[day] = now
			delete(want, d.Date)
		}
		for date := range want {
			if date >= from {
				b.t.Errorf("%s has %d events on %s, and the feed lacks the day", org, want[date].Events, date)
			}
		}
	}
}
