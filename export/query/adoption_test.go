package query

import (
	"fmt"
	"strings"
	"testing"
)

func TestAdoption(t *testing.T) {
	b := newBed(t,
		entity("user", "ada", "2026-01-01T00:00:00", "joined_at", "2026-10-02"),
		entity("user", "bob", "2026-10-03T09:00:00"), // without joined_at: new when first described
		entity("user", "cy", "2026-01-01T00:00:00", "department", "Sales"),
		deleted("user", "cy", "2026-10-02T12:00:00"), // a member of that day, and of none after it
		message("cy", "2026-09-02T23:59:59"),         // within 30 days of 1 October, and not of the next
		message("ada", "2026-09-25T00:00:00"), message("ada", "2026-10-01T00:00:00"),
		message("ada", "2026-10-01T01:00:00"), message("bob", "2026-10-03T08:00:00"),
		message("unknown", "2026-09-25T00:00:00"), // within 7 days of 1 October
		run("w", "2026-10-02T00:00:00", 1, "user_id", "unknown"),
		token("m", "2026-10-02T00:00:00"), token("m", "2026-10-04T00:00:00", "user_id", "ada"),
	)
	sales := []Filter{{"department", []string{"Sales"}}}
	for _, c := range []struct {
		granularity Granularity
		filters     []Filter
		want        string // dates, members (new), active in the bucket / 7 days / 30 days, rate, messages, requests
	}{
		{Daily, nil, `
01…01 2 (0) 1/2/3 1.5 2 0
02…02 3 (1) 1/2/2 0.6667 0 1
03…03 2 (1) 1/3/3 1.5 1 0
04…04 2 (0) 1/3/3 1.5 0 1`},
		{Monthly, nil, `
01…04 4 (2) 3/3/3 0.75 3 2`},
		{Daily, sales, `
01…01 1 (0) 0/0/1 1 0 0
02…02 1 (0) 0/0/0 0 0 0
03…03 0 (0) 0/0/0 0 0 0
04…04 0 (0) 0/0/0 0 0 0`},
	} {
		for _, rolled := range []string{"", "2026-09-02 2026-09-25 2026-10-01 2026-10-02 2026-10-04"} {
			b.rollUp(strings.Fields(rolled)...)
			r := request(Adoption)
			period, err := ParsePeriod(PeriodRequest{
				From: dated("2026-10-01"), To: dated("2026-10-04"), Granularity: string(c.granularity),
			}, now)
			if err != nil {
				t.Fatal(err)
			}
			r.Period, r.Filters = period, c.filters
			var got strings.Builder
			for _, row := range b.columns(r, "period_start", "period_end", "members", "new_members", "active_users",
				"active_users_7d", "active_users_30d", "adoption_rate_30d", "messages", "requests") {
				f := strings.Split(row, "|")
				fmt.Fprintf(&got, "\n%s…%s %s (%s) %s %s", f[0][8:], f[1][8:], f[2], f[3], strings.Join(f[4:7], "/"),
					strings.Join(f[7:], " "))
			}
			if got.String() != c.want {
				t.Errorf("by %s of %v, rolled up %q:%s\nwant%s", c.granularity, c.filters, rolled, got.String(), c.want)
			}
		}
	}
}

// A window that begins before the earliest exportable date has no figures; the first that can have
// them has.
func TestAdoptionBeforeTheEarliestDate(t *testing.T) {
	b := newBed(t)
	r := request(Adoption)
	earliest := r.earliest()
	period, err := ParsePeriod(PeriodRequest{
		From: earliest.String(), To: (earliest + 31).String(), Granularity: string(Daily),
	}, now)
	if err != nil {
		t.Fatal(err)
	}
	r.Period = period
	missing := map[string]int{}
	for _, row := range b.columns(r, "active_users", "active_users_7d", "active_users_30d", "adoption_rate_30d") {
		missing[row]++
	}
	if missing["0|null|null|null"] != 6 || missing["0|0|null|null"] != 23 || missing["0|0|0|0"] != 3 {
		t.Errorf("days without windows, with one, with both: %v", missing)
	}
}
