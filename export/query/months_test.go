package query

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"rollcall/rollup"
	"rollcall/schema/tables"
)

// usage is n random events from August to October 2026, many of them at the ends of months, of few ids, so that days share all that a month adds up.
func usage(r *rand.Rand, n int) (events []fields) {
	pick := func(texts ...string) string { return texts[r.IntN(len(texts))] }
	for range n {
		moment := time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(r.IntN(92*86_400)) * time.Second)
		if r.IntN(4) == 0 {
			moment = time.Date(2026, time.Month(8+r.IntN(4)), 1, 0, 0, r.IntN(3)-2, 0, time.UTC).Add(time.Duration(r.IntN(12)-6) * time.Hour * time.Duration(r.IntN(2)))
		}
		if moment.Month() < 8 || moment.Month() > 10 {
			continue
		}
		at := moment.Format("2006-01-02T15:04:05")
		more := []string{"user_id", pick("u1", "u2", "u3"), "model", pick("", "m1", "m2"), "client", pick("web", "api"), "assistant_id", pick("", "a1", "a2"), "project_id", pick("", "p1"), "api_key_id", pick("", "k1", "k2")}
		switch r.IntN(4) {
		case 0:
			events = append(events, message("", at, append(more, "channel", pick("chat", "assistant", "project"), "conversation_id", fmt.Sprint("c", r.IntN(40)))...))
		case 1:
			events = append(events, with(fields{"type": "action", "time": at, "action": pick("canvas", "search")}, more))
		case 2:
			e := token("", at, append(more, "provider", pick("", "azure"), "deployment", pick("", "d1"), "cost_usd", fmt.Sprintf("%d.%09d", r.IntN(3), r.IntN(1e9)))...)
			e["prompt_tokens"], e["completion_tokens"], e["cached_prompt_tokens"] = r.IntN(1000), r.IntN(1000), r.IntN(1000)
			events = append(events, e)
		case 3:
			events = append(events, run(pick("w1", "w2"), at, r.IntN(100_000), "user_id", pick("", "u1", "u2"), "status", pick("succeeded", "failed", "cancelled"), "trigger", pick("", "api")))
		}
	}
	return events
}

// monthsPeriods are periods of whole months, and ones that end within a month, a day or a millisecond of one.
func monthsPeriods(t *testing.T) map[string]Period {
	clock := func(from, fromZone, to, toZone string) Period {
		p, err := WallClockPeriod(WallClock{from, fromZone}, WallClock{to, toZone}, now)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	return map[string]Period{
		"all three months":        mustPeriod("2026-08-01", "2026-10-31", ""),
		"one of them":             mustPeriod("2026-09-01", "2026-09-30", ""),
		"more than they":          mustPeriod("2026-07-15", "2026-11-20", ""),
		"less a day at each end":  mustPeriod("2026-08-02", "2026-10-30", ""),
		"ahead of UTC":            mustPeriod("2026-08-01", "2026-10-31", "Asia/Kolkata"),
		"behind UTC":              mustPeriod("2026-08-01", "2026-10-31", "America/New_York"),
		"less a millisecond each": clock("2026-08-01T00:00:00.001", "UTC", "2026-10-31T23:59:59.998", "UTC"),
	}
}

// Exports are the same by months as from the log, in every zone, with late events and without. The first of some periods is asked for in all groupings.
func TestExportsAreTheSameByMonthsAsFromTheLog(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	early, late := usage(r, 1500), usage(r, 6)
	b, truth := newBed(t, early...), newBed(t, append(early, late...)...)
	worker, err := rollup.New(rollup.Config{}, b.options, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	defer worker.Close()
	rollUp := func() {
		if _, err := worker.Once(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	periods := monthsPeriods(t)
	answers := map[string]string{} // of the log
	compare := func(what string, names ...string) {
		t.Helper()
		for i, name := range names {
			period := periods[name]
			plan, err := tables.ReadPlan(context.Background(), b.conn, period.Span(org), now)
			if err != nil {
				t.Fatal(err)
			}
			for _, dataType := range Types() {
				groups := []string{""}
				if i == 0 {
					groups = append(groups, dataType.GroupBys()...)
				}
				for _, group := range groups {
					req := request(dataType)
					req.Period, req.GroupBy, req.Settings.BYOK = period, group, true
					question := fmt.Sprintf("%s: %s by %q", name, dataType, group)
					if answers[question] == "" {
						answers[question] = truth.export(req)
					}
					if got, err := b.run(req, plan); err != nil || got != answers[question] {
						t.Fatalf("%s, %s: %v, got\n%.2000s\nwant\n%.2000s", what, question, err, got, answers[question])
					}
				}
			}
		}
	}
	generations := func(what, name string, want int) {
		t.Helper()
		plan, err := tables.ReadPlan(context.Background(), b.conn, periods[name].Span(org), now)
		if err != nil || len(plan.Generations) != want {
			t.Errorf("%s, %s: %d generations are read, want %d (%v)", what, name, len(plan.Generations), want, err)
		}
	}
	rollUp()
	generations("rolled up", "all three months", 3)
	b.add(late...)
	compare("late events", "ahead of UTC")
	rollUp()
	for name, want := range map[string]int{"all three months": 3, "one of them": 1, "more than they": 3, "less a day at each end": 30 + 1 + 30, "ahead of UTC": 2 + 31, "behind UTC": 31 + 2} {
		generations("all rolled up", name, want)
	}
	compare("all rolled up", "all three months", "one of them", "ahead of UTC", "behind UTC", "less a millisecond each")
}
