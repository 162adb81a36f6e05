package traffic

import (
	"strings"
	"time"
)

// settings are the first events of the workspaces. Some settings are changed later; one changes in
// the future and must not count yet.
func (m *maker) settings() (records []Record) {
	say := func(id, org string, at time.Time, settings string) {
		e := event{id: id, source: "/admin", kind: "usage.entity.v1", at: at.UnixMilli()}
		e.add("org_id", org)
		e.add("kind", "workspace")
		e.add("id", org)
		e.add("name", "Workspace "+org)
		if settings != "" {
			e.raw("settings", settings)
		}
		records = append(records, m.encode(e))
	}
	start := time.Date(2020, 2, 29, 0, 0, 0, 0, time.UTC)
	say("w1", Full, start, `{"byok":true,"workflows":true}`)
	say("w1", Private, start, `{"byok":true,"workflows":true,"pseudonymize":true}`)
	say("w2", Private, start.Add(time.Hour), `{"user_level_data":false,"pseudonymize":null,"of the future":1}`)
	say("w3", Private, start.Add(2*time.Hour), "")
	say("w1", Pseudonym, start, `{"pseudonymize":false}`)
	// Both events are at the same time, so the greater id counts.
	say("w2", Pseudonym, start, `{"pseudonymize":true,"workflows":true,"byok":true}`)
	say("w3", Pseudonym, m.Now.Add(20*time.Hour), `{}`)
	return records
}

// entity describes or deletes an entity, at any time from 1970 on.
func (m *maker) entity(e *event) {
	e.kind = "usage.entity.v1"
	e.at = m.entityTime()
	kind := pick(m, []string{
		"user", "user", "user", "user", "group", "group", "assistant", "project", "workflow", "api_key",
	})
	e.add("kind", kind)
	e.add("id", pick(m,
		map[string][]string{"user": append(users[:len(users):len(users)], "silent1", "silent2", "=silent", "silent3"),
			"assistant": append(assistants, "asst-unused"), "project": append(projects, "proj-unused"),
			"workflow": append(flows, "flow-unused"), "api_key": append(apiKeys, "key-unused"),
			"group": append(groups, "grp-unused")}[kind]))
	if m.IntN(4) == 0 {
		e.raw("deleted", "true")
		if m.IntN(2) == 0 {
			e.add("name", "ignored")
		}
		return
	}
	e.add("name", pick(m, awkward)+" "+e.id)
	e.add("description", m.maybe(awkward))
	e.add("url", m.maybe([]string{"https://example.org/a?b=1&c=2", "=HYPERLINK(1)"}))
	e.add("owner_id", m.maybe(users))
	e.add("department", m.maybe([]string{"Sales"}))
	switch {
	case kind == "user":
		m.person(e)
		m.teams(e)
	case m.IntN(6) == 0:
		m.teams(e) // means nothing for this kind, and is stored
	}
	if m.IntN(6) == 0 {
		e.raw("deleted", "false")
	}
	if m.IntN(6) == 0 {
		e.raw("settings", `{"byok":7}`) // means nothing for this kind
	}
}

func (m *maker) person(e *event) {
	e.add("email", m.maybe([]string{"a@example.org", "+b@example.org", strings.ToUpper(e.id) + "@example.org"}))
	e.add("role", m.maybe(roles))
	if m.IntN(2) == 0 {
		e.add("joined_at", m.first.AddDate(0, 0, m.IntN(800)-300).Format(time.DateOnly))
	}
}
