package oracle

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestBelongingWorkedOutByHand(t *testing.T) {
	o := New()
	for i, line := range []string{ // in the order of arrival
		`2026-03-10T08:00:00Z {"id":"ada","department":"D3","group_ids":["g3","g1","g3"]}`,
		`2026-03-01T12:00:00Z {"id":"ada","department":"D1","group_ids":["g1"]}`,          // late
		`2026-03-05T23:59:59.999Z {"id":"ada","department":"D2","group_ids":["g2","g1"]}`, // the last moment of its day
		`2026-03-10T20:00:00Z {"id":"ada","department":"D4","group_ids":[]}`,              // a second time that day
		`2026-03-10T12:00:00Z {"id":"ada","deleted":true,"department":"ignored","group_ids":["ignored"]}`,
		`2026-03-15T00:00:00Z {"id":"ada","name":"moved out"}`, // the first moment of its day
		`2026-03-20T10:00:00Z {"id":"ada","deleted":true}`,
		`2027-02-01T10:00:00Z {"id":"ada","department":"D5"}`, // ahead
		`2026-03-01T00:00:00Z {"id":"bob","deleted":true}`,
		`2026-03-03T09:00:00Z {"id":"bob","department":"B","group_ids":["g2"]}`,
		`2026-03-04T09:00:00+14:00 {"id":"bob","department":"C"}`, // 19:00 of the third
		`2026-03-05T00:00:00-05:00 {"id":"bob","deleted":true}`,
		`2026-03-01T00:00:00Z {"id":"gone","deleted":true}`,
		`2026-03-01T09:00:00Z {"id":"tie","department":"first"}`,
		`2026-03-01T09:00:00Z {"id":"tie","department":"second"}`, // the greater id
		`2026-03-01T09:00:00Z {"id":"g1","kind":"group","name":"G","deleted":true}`,
		`2026-03-01T09:00:00Z {"id":"ada","kind":"assistant","department":"no user"}`,
	} {
		at, data, _ := strings.Cut(line, " ")
		if !strings.Contains(data, `"kind"`) {
			data = strings.TrimSuffix(data, "}") + `,"kind":"user"}`
		}
		data = strings.TrimSuffix(data, "}") + `,"org_id":"o"}`
		if reason := o.Add(structured(fmt.Sprint("i", 100+i), entityType, at, data), now); reason != "" {
			t.Fatalf("%s: %s", line, reason)
		}
	}
	for _, c := range []struct{ user, at, want string }{
		{"ada", "2020-01-01T00:00:00Z", "D1 [g1]"}, // before the first description
		{"ada", "2026-03-01T11:00:00Z", "D1 [g1]"}, {"ada", "2026-03-04T23:59:59.999Z", "D1 [g1]"},
		{"ada", "2026-03-05T00:00:00Z", "D2 [g1 g2]"}, {"ada", "2026-03-09T23:59:59.999Z", "D2 [g1 g2]"},
		{"ada", "2026-03-10T00:00:00Z", "D4 []"}, {"ada", "2026-03-10T09:00:00Z", "D4 []"},
		{"ada", "2026-03-14T23:59:59.999Z", "D4 []"}, {"ada", "2026-03-15T00:00:00Z", " []"},
		{"ada", "2026-03-20T23:00:00Z", " []"}, {"ada", "2027-01-31T23:00:00Z", " []"},
		{"ada", "2027-02-01T00:00:00Z", "D5 []"},  // whenever that is
		{"bob", "2026-03-02T23:00:00Z", "B [g2]"}, // the first description, not the one that stands at the end of its day
		{"bob", "2026-03-03T00:00:00Z", "C []"}, {"bob", "2026-03-06T00:00:00Z", "C []"},
		{"gone", "2026-03-06T00:00:00Z", " []"}, {"nobody", "2026-03-06T00:00:00Z", " []"},
		{"tie", "2026-03-01T00:00:00Z", "second []"}, {"tie", "2026-02-01T00:00:00Z", "second []"},
	} {
		at, err := time.Parse(time.RFC3339, c.at)
		if err != nil {
			t.Fatal(err)
		}
		got := o.Belongs("o", c.user, at)
		if text := fmt.Sprintf("%s %v", got.Department, got.GroupIDs); text != c.want {
			t.Errorf("%s on %s: %s, want %s", c.user, c.at, text, c.want)
		}
	}
	if got := o.Belongs("another", "ada", now); got.Department != "" || got.GroupIDs != nil {
		t.Errorf("in another workspace: %+v", got)
	}
}
