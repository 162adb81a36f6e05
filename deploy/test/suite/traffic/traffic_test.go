package traffic

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"rollcall/deploy/test/suite/oracle"
)

func TestTrafficHasEverythingItPromises(t *testing.T) {
	now := time.Date(2026, 10, 14, 15, 0, 0, 0, time.UTC)
	c := Config{Seed: 1, Now: now, Events: 5000, Topics: []string{"a", "b"}}
	records := Make(c)
	if !reflect.DeepEqual(records, Make(c)) {
		t.Error("the same seed makes other records")
	}
	o := oracle.New()
	accepted := 0
	for _, r := range records {
		in := oracle.Record{Value: r.Value}
		for _, h := range r.Headers {
			in.Headers = append(in.Headers, oracle.Header(h))
		}
		if o.Add(in, now) == "" {
			accepted++
		}
	}
	t.Logf("%d records, %d accepted, %d events, %d repeated, %d conflicts, rejected: %v", len(records), accepted, o.Len(),
		o.Repeated, len(o.Conflicts()), o.Rejected)
	if o.Len() < 4500 || o.Repeated < 500 || len(o.Conflicts()) < 200 {
		t.Error("too few events, repetitions or conflicts")
	}
	for _, reason := range []string{
		"malformed_json", "not_cloudevent", "unknown_type", "missing_field", "invalid_value", "too_old", "in_future",
	} {
		if o.Rejected[reason] == 0 {
			t.Errorf("nothing is rejected as %s", reason)
		}
	}
	checkMoves(t, o)
	if broken := len(records) - accepted; broken > c.Events/20 {
		t.Errorf("%d records were rejected: valid ones must be among them: %v", broken, o.Rejected)
	}
}

// checkMoves looks for what makes it hard to say what a user belongs to.
func checkMoves(t *testing.T, o *oracle.Oracle) {
	t.Helper()
	type userDay struct{ org, user, day string }
	described := map[userDay]map[string]bool{} // what the descriptions of a day say, each once
	deleted := map[userDay]bool{}
	active := map[userDay]bool{}
	groups := map[string]map[string]bool{} // names
	longest, ahead, gone := 0, 0, 0
	for id, e := range o.Events() {
		on := userDay{id.Org, e.User, id.Day}
		switch {
		case e.Kind == "user":
			on.user = e.Entity
			if e.Deleted {
				deleted[on] = true
				continue
			}
			if described[on] == nil {
				described[on] = map[string]bool{}
			}
			described[on][e.Department+e.GroupIDs] = true
			longest = max(longest, strings.Count(e.GroupIDs, `"`)/2)
			if id.Day > "2026-10-14" {
				ahead++
			}
		case e.Kind == "group" && e.Deleted:
			gone++
		case e.Kind == "group":
			of := id.Org + e.Entity
			if groups[of] == nil {
				groups[of] = map[string]bool{}
			}
			groups[of][e.Name] = true
		default:
			active[on] = true
		}
	}
	moved, movedAndDeleted, movedAndActive, renamed := 0, 0, 0, 0
	for on, said := range described {
		if len(said) < 2 {
			continue
		}
		moved++
		if deleted[on] {
			movedAndDeleted++
		}
		if active[on] {
			movedAndActive++
		}
	}
	for _, names := range groups {
		if len(names) > 1 {
			renamed++
		}
	}
	t.Logf("%d moves with two or more places in a day, %d of them with a deletion, %d with usage; "+
		"%d descriptions ahead; %d groups renamed, %d deleted; at most %d groups",
		moved, movedAndDeleted, movedAndActive, ahead, renamed, gone, longest)
	if moved < 50 || movedAndDeleted < 10 || movedAndActive < 50 || ahead < 5 || renamed < 10 || gone < 10 {
		t.Error("too little of something")
	}
	if longest != 64 {
		t.Errorf("nobody is in as many groups as there may be, but in %d", longest)
	}
}
