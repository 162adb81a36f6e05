package query

import (
	"strings"
	"testing"
)

func TestColumnsOnRequest(t *testing.T) {
	user := func(id, status string, more fields) fields {
		e := fields{"kind": "user", "entity_id": id, "time": "2026-01-01T00:00:00", "status": status}
		for name, value := range more {
			e[name] = value
		}
		return e
	}
	message := func(id, time string) fields {
		return fields{
			"type": "message", "user_id": id, "time": time, "channel": "assistant", "assistant_id": "a", "model": id,
		}
	}
	b := newBed(t,
		user("ada", "active", fields{"department": "R&D", "license_type": "pro", "group_ids": []string{"a", `\u2028"`}}),
		message("ada", "2026-10-01T21:59:59"), message("ada", "2026-10-01T22:00:00"),
		message("ada", "2026-10-31T22:59:59"),
		user("bob", "suspended", nil), user("cy", "active", nil),
		user("dan", "invited", nil), message("dan", "2026-10-05T00:00:00"),
		user("eve", "active", nil),
		fields{"kind": "user", "entity_id": "eve", "time": "2026-10-09T00:00:00", "deleted": true},
	)
	for _, rolled := range [][]string{nil, {"2026-10-01", "2026-10-05"}} {
		b.rollUp(rolled...)
		r := request(Users)
		r.Period = mustPeriod("2026-10-01", "2026-10-31", "Europe/Berlin")
		r.Names = []string{
			"user_id", "status", "active_days", "first_active_date", "last_active_date", "department", "license_type",
			"group_ids",
		}
		got := b.columns(r, r.Names...)
		want := []string{
			`ada|active|3|2026-10-01|2026-10-31|R&D|pro|["a","\\u2028\""]`, "dan|active|1|2026-10-05|2026-10-05|||[]",
			"bob|suspended|0|null|null|||[]", "cy|inactive|0|null|null|||[]", "eve|removed|0|null|null|||[]",
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if csv := b.export(r); !strings.Contains(csv, `"R&D","pro","[""a"",""\\u2028\""""]"`) {
			t.Errorf("in csv: %s", csv)
		}
		r.Type = Assistants
		r.GroupBy = "department" // whose column has the name of one on request of users
		r.Names = []string{"department", "active_days"}
		if got := strings.Join(b.columns(r, r.Names...), " "); got != "R&D|3 |1" {
			t.Errorf("assistants by department: %s", got)
		}
		r.GroupBy = "model"
		r.Names = []string{"model", "active_days", "last_active_date"}
		if got := strings.Join(b.columns(r, r.Names...), " "); got != "ada|3|2026-10-31 dan|1|2026-10-05" {
			t.Errorf("assistants: %s", got)
		}
	}
}
