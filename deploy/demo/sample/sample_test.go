package sample

import (
	"encoding/json"
	"reflect"
	"slices"
	"testing"
	"time"
)

var now = time.Date(2026, 10, 14, 15, 4, 5, 0, time.UTC)

func TestSmallHasAbout20000EventsOver60Days(t *testing.T) {
	workspaces, err := Small.Workspaces(now)
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	bytes := 0
	first := now
	perType := map[string]int{}
	for _, c := range workspaces {
		for r := range Events(c) {
			total++
			perType[r.Topic]++
			bytes += len(r.Value)
			for _, h := range r.Headers {
				bytes += len(h.Key) + len(h.Value)
			}
			if r.Topic != entities && r.Time.Before(first) {
				first = r.Time
			}
		}
	}
	t.Logf("%d events of %d bytes, %v, from %v", total, bytes/total, perType, first)
	if total < 17_000 || total > 23_000 {
		t.Errorf("%d events", total)
	}
	if days := int(now.Sub(first)/day) + 1; days != 60 {
		t.Errorf("the first event is %d days old", days)
	}
	for _, topic := range Topics() {
		if perType[topic] == 0 {
			t.Errorf("nothing on %s", topic)
		}
	}
}

func TestEventsAreWellFormedUniqueAndNotInTheFuture(t *testing.T) {
	seen := map[string]bool{}
	for r := range Events(Config{Org: "acme", Users: 40, Days: 20, Seed: 7, Now: now}) {
		if r.Time.After(now) {
			t.Fatalf("an event of %v, after %v", r.Time, now)
		}
		id := ""
		if len(r.Headers) > 0 {
			for _, h := range r.Headers {
				if h.Key == "ce_id" || h.Key == "ce_type" {
					id += string(h.Value) + " "
				}
			}
		} else {
			var e struct{ ID, Type, Time string }
			if err := json.Unmarshal(r.Value, &e); err != nil {
				t.Fatal(err)
			}
			at, err := time.Parse(time.RFC3339, e.Time)
			if err != nil || !at.Equal(r.Time) {
				t.Fatalf("time %q of an event of %v: %v", e.Time, r.Time, err)
			}
			id = e.ID + " " + e.Type + " "
		}
		if seen[id] {
			t.Fatalf("%s comes twice", id)
		}
		seen[id] = true
	}
}

func TestTheSameSettingsMakeTheSameBytes(t *testing.T) {
	c := Config{Org: "acme", Users: 30, Days: 10, Seed: 7, Now: now}
	if !reflect.DeepEqual(slices.Collect(Events(c)), slices.Collect(Events(c))) {
		t.Fatal("two histories of one workspace differ")
	}
}

func TestALaterHistoryRepeatsTheDaysItShares(t *testing.T) {
	c := Config{Org: "acme", Users: 30, Days: 10, Seed: 7, Now: now}
	values := map[string]bool{}
	for r := range Events(c) {
		values[string(r.Value)] = true
	}
	c.Now = now.Add(day)
	shared := 0
	for r := range Events(c) {
		if r.Topic == messages && r.Time.Before(now) && r.Time.After(now.Add(-8*day)) {
			if !values[string(r.Value)] {
				shared--
			} else {
				shared++
			}
		}
	}
	if shared < 300 {
		t.Fatalf("the histories of two days share %d messages more than they do not", shared)
	}
}

func TestBurstMakesWhatIsOwed(t *testing.T) {
	w := newWorkspace(Config{Org: "acme", Users: 30, Days: 10, Seed: 7, Now: now})
	for _, owed := range []int{0, 1, 100} {
		if got := len(w.burst(now, owed)); got < owed || got > owed+2 {
			t.Errorf("%d events for %d", got, owed)
		}
	}
}

func TestCheckRefuses(t *testing.T) {
	for name, c := range map[string]Config{
		"no workspace":    {},
		"too many days":   {Org: "acme", Days: 367},
		"negative users":  {Org: "acme", Users: -1},
		"a negative rate": {Org: "acme", Rate: -1},
	} {
		if c.Check() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func BenchmarkYear(b *testing.B) {
	for b.Loop() {
		total := 0
		workspaces, _ := Year.Workspaces(now)
		for _, c := range workspaces {
			for range Events(c) {
				total++
			}
		}
		b.ReportMetric(float64(total), "events")
	}
}

// People belong to departments and groups, and some of them move, a few twice in a day. Every group
// that somebody belongs to is described.
func TestTeams(t *testing.T) {
	c := Config{Org: "acme", Users: 60, Days: 60, Seed: 7, Now: now}
	type stay struct{ person, day string }
	places := map[string]map[string]bool{}
	moves := map[stay]int{}
	groups := map[string]bool{}
	named := map[string]bool{}
	statuses := map[string]int{}
	for r := range Events(c) {
		if r.Topic != entities {
			continue
		}
		var e struct{ Data entity }
		if err := json.Unmarshal(r.Value, &e); err != nil {
			t.Fatal(err)
		}
		switch d := e.Data; {
		case d.Kind == "group":
			groups[d.ID] = true
		case d.Kind == "user" && !d.Deleted:
			if d.Department == "" || d.Company == "" || d.License == "" {
				t.Errorf("%s lacks something", r.Value)
			}
			if !slices.IsSorted(d.GroupIDs) || len(slices.Compact(slices.Clone(d.GroupIDs))) != len(d.GroupIDs) {
				t.Errorf("%s: the groups are no set", r.Value)
			}
			if places[d.ID] == nil {
				places[d.ID] = map[string]bool{}
			}
			places[d.ID][d.Department] = true
			moves[stay{d.ID, r.Time.Format(time.DateOnly)}]++
			statuses[d.Status]++
			for _, id := range d.GroupIDs {
				named[id] = true
			}
		}
	}
	moved, twice := 0, 0
	for _, departments := range places {
		if len(departments) > 1 {
			moved++
		}
	}
	for _, n := range moves {
		if n > 1 {
			twice++
		}
	}
	t.Logf("%d people, %d changed departments, %d days with two moves, %d groups, statuses %v",
		len(places), moved, twice, len(groups), statuses)
	if moved < 5 || twice < 2 || len(groups) < 5 || len(named) < 5 || statuses["invited"]*statuses["suspended"] == 0 {
		t.Error("too little of something")
	}
	for id := range named {
		if !groups[id] {
			t.Errorf("group %s has no description", id)
		}
	}
}
