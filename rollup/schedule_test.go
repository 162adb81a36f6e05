package rollup

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"rollcall/schema"
	"rollcall/schema/tables"
)

func TestDueKeepsWhatHasSettled(t *testing.T) {
	now := time.Date(2026, 10, 31, 12, 0, 0, 0, time.UTC)
	today := schema.DayOf(now)
	const never = 100 * 365 * 24 * time.Hour // as the state of a slice without a manifest has it
	for name, c := range map[string]struct {
		state tables.SliceState
		due   bool
	}{
		"a past day that settled": {
			tables.SliceState{Slice: tables.Slice{Day: today - 1}, Settled: 30 * time.Second, Recomputed: never}, true,
		},
		"a past day under way": {
			tables.SliceState{Slice: tables.Slice{Day: today - 1}, Settled: 29 * time.Second, Recomputed: never}, false,
		},
		"a past day again": {
			tables.SliceState{Slice: tables.Slice{Day: today - 1}, Settled: 31 * time.Second, Recomputed: time.Second}, true,
		},
		"today for the first time": {
			tables.SliceState{Slice: tables.Slice{Day: today}, Settled: 31 * time.Second, Recomputed: never}, true,
		},
		"today under way": {
			tables.SliceState{Slice: tables.Slice{Day: today}, Settled: time.Second, Recomputed: never}, false,
		},
		"today, recomputed a minute ago": {
			tables.SliceState{Slice: tables.Slice{Day: today}, Settled: time.Minute, Recomputed: time.Minute}, false,
		},
		"today, recomputed long ago": {
			tables.SliceState{Slice: tables.Slice{Day: today}, Settled: time.Minute, Recomputed: 6 * time.Minute}, true,
		},
		"tomorrow, by a clock ahead, a minute ago": {
			tables.SliceState{Slice: tables.Slice{Day: today + 1}, Settled: time.Minute, Recomputed: time.Minute}, false,
		},
	} {
		c.state.Alive = true
		r := &Rollup{cfg: Config{}.withDefaults(), now: func() time.Time { return now }, memory: newMemory()}
		if due := len(r.consider([]tables.SliceState{c.state})) == 1; due != c.due {
			t.Errorf("%s: due %v, want %v", name, due, c.due)
		}
	}
}

// The gauges show how many slices are dirty, and how long the slice has been dirty that became so
// first.
func TestDirtyAgeIsOfTheOldestMark(t *testing.T) {
	db := newDatabase(t)
	for i, hours := range []int{1, 3, 2} {
		db.exec("INSERT INTO marks (org_id, day, writer, seq, marked_at) SELECT {org:String}, {day:Date}, generateUUIDv4(), 1, now64(3) - toIntervalHour({hours:Int64})",
			named("org", fmt.Sprintf("o%d", i)), named("day", (db.today-3).String()), named("hours", hours))
	}
	if err := db.work(db.ctx); err != nil {
		t.Fatal(err)
	}
	age := time.Duration(value(db.metrics.dirtyAge) * float64(time.Second))
	if n := value(db.metrics.dirtySlices); n != 3 || age < 3*time.Hour || age > 3*time.Hour+30*time.Minute {
		t.Errorf("%v slices, the oldest dirty for %s; want 3, and 3h", n, age)
	}
}

func TestBatchesAreOfOneMonthAndTodayComesLast(t *testing.T) {
	today := schema.DayOf(time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC))
	state := func(org string, day schema.Day, dirty time.Duration) tables.SliceState {
		return tables.SliceState{Slice: tables.Slice{Org: org, Day: day}, Dirty: dirty}
	}
	got := batches([]tables.SliceState{
		state("a", today, 9), state("a", today-1, 1), state("b", today-1, 3), state("a", today-2, 2), state("b", today-2, 4),
		state("c", today-2, 5),
	}, today, 2)
	want := [][]tables.Slice{
		{{Org: "c", Day: today - 2}, {Org: "b", Day: today - 2}}, {{Org: "b", Day: today - 1}, {Org: "a", Day: today - 1}},
		{{Org: "a", Day: today - 2}}, {{Org: "a", Day: today}},
	}
	if !slices.EqualFunc(got, want, slices.Equal[[]tables.Slice]) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestNewRefusesWhatIsNegative(t *testing.T) {
	for _, cfg := range []Config{
		{SettleTime: -1}, {TodayEvery: -1}, {Poll: -1}, {SweepEvery: -1}, {DeadTime: -1}, {VerifyEvery: -1}, {DisksEvery: -1},
		{OrphanTime: -1}, {BatchSlices: -1}, {PageSlices: -1}, {MaxWatched: -1},
	} {
		if _, err := New(cfg, tables.Options{URL: "http://127.0.0.1:1/rollcall"}, slog.New(slog.DiscardHandler),
			prometheus.NewRegistry()); err == nil || !strings.Contains(err.Error(), "negative") {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
}

// A larger batch would not fit into the parameters of one statement.
func TestNewRefusesLargerBatches(t *testing.T) {
	for size, ok := range map[int]bool{maxBatchSlices: true, maxBatchSlices + 1: false} {
		r, err := New(Config{BatchSlices: size}, tables.Options{URL: "http://127.0.0.1:1/rollcall"},
			slog.New(slog.DiscardHandler), prometheus.NewRegistry())
		if (err == nil) != ok {
			t.Errorf("%d slices: %v", size, err)
		}
		if err == nil {
			r.Close()
		}
	}
}
