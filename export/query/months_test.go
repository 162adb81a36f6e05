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

// The tests use the last three months that are over, because a worker merges no others.
func monthStart(i int) time.Time {
	today := time.Now().UTC()
	return time.Date(today.Year(), today.Month()-3+time.Month(i), 1, 0, 0, 0, 0, time.UTC)
}

// daysOf returns how many days a month has.
func daysOf(i int) int { return monthStart(i+1).AddDate(0, 0, -1).Day() }

// usage returns n random events of the three months, many of them at the ends of months. They have
// few ids, so that days share everything that a month adds up.
func usage(r *rand.Rand, n int) (events []fields) {
	pick := func(texts ...string) string { return texts[r.IntN(len(texts))] }
	begin := monthStart(0)
	end := monthStart(3)
	for range n {
		moment := begin.Add(time.Duration(r.IntN(int(end.Sub(begin).Seconds()))) * time.Second)
		if r.IntN(4) == 0 {
			moment = monthStart(r.IntN(4)).Add(time.Duration(r.IntN(3)-2) * time.Second)
			moment = moment.Add(time.Duration(r.IntN(12)-6) * time.Hour * time.Duration(r.IntN(2)))
		}
		if moment.Before(begin) || !moment.Before(end) {
			continue
		}
		at := moment.Format("2006-01-02T15:04:05")
		more := []string{
			"user_id", pick("u1", "u2", "u3"), "model", pick("", "m1", "m2"), "client", pick("web", "api"), "assistant_id",
			pick("", "a1", "a2"), "project_id", pick("", "p1"), "api_key_id", pick("", "k1", "k2"),
		}
		switch r.IntN(4) {
		case 0:
			events = append(events, message("", at,
				append(more, "channel", pick("chat", "assistant", "project"), "conversation_id", fmt.Sprint("c", r.IntN(40)))...))
		case 1:
			events = append(events, with(fields{"type": "action", "time": at, "action": pick("canvas", "search")}, more))
		case 2:
			e := token("", at, append(more, "provider", pick("", "azure"), "deployment", pick("", "d1"), "cost_usd",
				fmt.Sprintf("%d.%09d", r.IntN(3), r.IntN(1e9)))...)
			e["prompt_tokens"], e["completion_tokens"], e["cached_prompt_tokens"] = r.IntN(1000), r.IntN(1000), r.IntN(1000)
			events = append(events, e)
		case 3:
			events = append(events, run(pick("w1", "w2"), at, r.IntN(100_000), "user_id", pick("", "u1", "u2"), "status",
				pick("succeeded", "failed", "cancelled"), "trigger", pick("", "api")))
		}
	}
	return events
}

// monthsPeriods are periods of whole months, and periods that start or end inside a month, by days
// or by a millisecond.
func monthsPeriods(t *testing.T) map[string]Period {
	must := func(p Period, err error) Period {
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	days := func(from, to time.Time, zone string) Period {
		first := from.Format(time.DateOnly)
		last := to.Format(time.DateOnly)
		return must(ParsePeriod(PeriodRequest{From: first, To: last, Timezone: zone}, time.Now()))
	}
	clock := func(from, to time.Time) Period {
		const layout = "2006-01-02T15:04:05.000"
		return must(WallClockPeriod(WallClock{from.Format(layout), "UTC"}, WallClock{to.Format(layout), "UTC"}, time.Now()))
	}
	first := monthStart(0)
	last := monthStart(3).AddDate(0, 0, -1)
	return map[string]Period{
		"all three months":       days(first, last, ""),
		"one of them":            days(monthStart(1), monthStart(2).AddDate(0, 0, -1), ""),
		"more than they":         days(first.AddDate(0, 0, -17), last.AddDate(0, 0, 20), ""),
		"less a day at each end": days(first.AddDate(0, 0, 1), last.AddDate(0, 0, -1), ""),
		"ahead of UTC":           days(first, last, "Asia/Kolkata"),
		"behind UTC":             days(first, last, "America/New_York"),
		"less a millisecond each": clock(
			first.Add(time.Millisecond), monthStart(3).Add(-2*time.Millisecond)),
	}
}

// Exports from months equal exports from the log, in every zone, with late events and without. The
// first of some periods is tried with all groupings.
func TestExportsAreTheSameByMonthsAsFromTheLog(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	early := usage(r, 1500)
	late := usage(r, 6)
	b := newBed(t, early...)
	truth := newBed(t, append(early, late...)...)
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
	answers := map[string]string{} // the answers from the log
	compare := func(what string, names ...string) {
		t.Helper()
		for i, name := range names {
			period := periods[name]
			plan, err := tables.ReadPlan(context.Background(), b.conn, period.Span(org), time.Now())
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
					req.AsOf = time.Now()
					req.Period = period.of(dataType)
					req.GroupBy = group
					req.Settings.BYOK = true
					plan := plan
					if _, err := Columns(req); err != nil { // focus has whole UTC days alone
						continue
					}
					if dataType == Focus || dataType == Adoption { // which tell days apart, so they read no months
						if plan, err = tables.ReadPlan(context.Background(), b.conn, req.Span(), time.Now()); err != nil {
							t.Fatal(err)
						}
					}
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
		plan, err := tables.ReadPlan(context.Background(), b.conn, periods[name].Span(org), time.Now())
		if err != nil || len(plan.Generations) != want {
			t.Errorf("%s, %s: %d generations are read, want %d (%v)", what, name, len(plan.Generations), want, err)
		}
	}
	rollUp()
	generations("rolled up", "all three months", 3)
	b.add(late...)
	compare("late events", "ahead of UTC")
	rollUp()
	for name, want := range map[string]int{
		"all three months": 3, "one of them": 1, "more than they": 3,
		"less a day at each end": daysOf(0) - 1 + 1 + daysOf(2) - 1,
		"ahead of UTC":           2 + daysOf(2), "behind UTC": daysOf(0) + 2,
	} {
		generations("all rolled up", name, want)
	}
	compare("all rolled up", "all three months", "one of them", "ahead of UTC", "behind UTC", "less a millisecond each")
}
