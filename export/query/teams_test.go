package query

import (
	"encoding/json"
	"strings"
	"testing"
)

// teamEvents are of people who move between departments and groups.
func teamEvents() []fields {
	user := func(id, time, department string, groups ...string) fields {
		return fields{"kind": "user", "entity_id": id, "time": time, "department": department, "group_ids": groups}
	}
	message := func(id, time string) fields {
		return fields{"type": "message", "user_id": id, "time": time, "channel": "chat"}
	}
	return []fields{
		{"kind": "group", "entity_id": "red", "time": "2026-01-01T00:00:00", "name": "Reds"},
		{"kind": "group", "entity_id": "idle", "time": "2026-01-01T00:00:00", "name": "Nobody's"},
		user("ada", "2026-01-01T00:00:00", "Sales", "red", "blue"),
		user("ada", "2026-10-10T23:59:59", "R&D", "red"), // counts for the whole of 10 October
		user("bob", "2026-11-20T00:00:00", "Sales"),      // described late
		user("cy", "2026-11-02T08:00:00", "Legal"),       // the first, so it holds for October
		user("cy", "2026-11-02T09:00:00", "Sales"),
		message("cy", "2026-10-01T00:00:00"),
		message("ada", "2026-10-09T23:59:59"), message("ada", "2026-10-10T00:00:00"), message("ada", "2026-10-11T00:00:00"),
		message("bob", "2026-10-01T00:00:00"), message("unknown", "2026-10-01T00:00:00"),
		{"type": "token", "api_key_id": "k", "model": "m", "time": "2026-10-01T00:00:00", "prompt_tokens": 1},
	}
}

func TestDepartmentsAndGroups(t *testing.T) {
	b := newBed(t, teamEvents()...)
	for _, rolled := range [][]string{nil, {"2026-10-01", "2026-10-09", "2026-10-10"}} {
		b.rollUp(rolled...)
		for _, c := range []struct {
			dataType Type
			columns  string
			filters  []Filter
			want     string
		}{
			{Departments, "department members active_users messages requests", nil,
				"R&D|1|1|2|0 Sales|1|2|2|0 |1|1|1|1 Legal|1|1|1|0"},
			{Groups, "group_id group_name members active_users messages", nil,
				"|-|3|3|3 red|Reds|1|1|3 blue|-|0|1|1 idle|Nobody's|0|0|0"},
			{Departments, "department members messages", []Filter{{"department", []string{"Sales", ""}}}, "Sales|1|2 |1|1"},
			{Departments, "department members messages", []Filter{{"group_id", []string{"red"}}}, "R&D|1|2 Sales|0|1"},
			{Groups, "group_id members messages", []Filter{{"group_id", []string{"red"}}}, "red|1|3"},
			{Departments, "department members messages", []Filter{{"user_id", []string{"bob"}}}, "Sales|1|1"},
		} {
			r := request(c.dataType)
			r.Filters = c.filters
			r.WithoutInactive = c.filters != nil
			got := strings.Join(b.columns(r, strings.Fields(c.columns)...), " ")
			if got != strings.ReplaceAll(c.want, "-", "") {
				t.Errorf("%s by %v: %s, want %s", c.dataType, c.filters, got, c.want)
			}
		}
	}
}

// Whatever text a filter names is found, and nothing else.
func TestFiltersTakeAnyText(t *testing.T) {
	odd := []string{`'`, `\`, `\'`, "a\tb", "a\nb\r", "\x00", "['x']", "NULL", "{x}", "日本", " ", "%", "a,b"}
	var events []fields
	for _, id := range odd {
		events = append(events, fields{"type": "message", "user_id": id, "time": "2026-10-01T00:00:00", "channel": "chat"})
	}
	b := newBed(t, events...)
	for _, id := range odd {
		r := request(Users)
		r.Filters = []Filter{{"user_id", []string{id}}}
		r.WithoutInactive = true
		r.Format = NDJSON
		r.Names = []string{"user_id", "messages_total"}
		var row struct {
			ID string `json:"user_id"`
		}
		if got := b.export(r); json.Unmarshal([]byte(got), &row) != nil || row.ID != id {
			t.Errorf("%q: %s", id, got)
		}
	}
}
