package traffic

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// teams adds what a user, or a group, belongs to.
func (m *maker) teams(e *event) {
	if department := m.maybe(departments); department != "" {
		e.set("department", quoted(department))
	}
	if m.IntN(3) > 0 {
		e.set("group_ids", m.groupIDs())
	}
	e.add("company_name", m.maybe(companies))
	e.add("license_type", m.maybe(licenses))
	if m.IntN(3) == 0 {
		e.raw("status", pick(m, []string{`"active"`, `"invited"`, `"suspended"`, "null", `""`}))
	}
}

// groupIDs is a list of ids, in any order and with repetitions, or a way to write that there is
// none. Sometimes it is as long as it may be.
func (m *maker) groupIDs() string {
	switch m.IntN(12) {
	case 0:
		return pick(m, []string{"null", `""`, "[]", " [ ] "})
	case 1:
		return listed(append(numbered("grp-x", 63), pick(m, groups), "grp-x7"))
	}
	var ids []string
	for range 1 + m.IntN(4) {
		ids = append(ids, pick(m, groups))
	}
	return listed(ids)
}

func listed(ids []string) string {
	var all []string
	for _, id := range ids {
		all = append(all, quoted(id))
	}
	return "[" + strings.Join(all, ", ") + "]"
}

// listedAgain is the same set of ids, written in another way. Text that is no list stays as it is.
func listedAgain(list string) string {
	var ids []string
	if json.Unmarshal([]byte(list), &ids) != nil || len(ids) == 0 {
		return list
	}
	slices.Reverse(ids)
	return listed(append(ids, ids[0]))
}

// moves are the events of one user around one day. The user changes department and groups several
// times in it, also in its first and its last millisecond, and may be deleted between two of the
// changes. The user is active on that day, and on the days before and after it.
func (m *maker) moves(n int) (all []event) {
	org := Orgs()[m.IntN(4)]
	user := pick(m, users[:12])
	day := m.anyDay()
	of := func(what string, i int) event {
		id := fmt.Sprintf("move%d-%s%d", n, what, i)
		return event{id: id, source: pick(m, sources), fields: []field{{"org_id", quoted(org)}}}
	}
	for i := range 2 + m.IntN(3) {
		e := of("d", i)
		e.kind = "usage.entity.v1"
		e.at = m.settled(day + pick(m, []int64{0, dayMS - 1, m.Int64N(dayMS), m.Int64N(dayMS)}))
		e.add("kind", "user")
		e.add("id", user)
		if m.IntN(5) == 0 {
			e.raw("deleted", "true")
			e.raw("group_ids", `["grp-ignored"]`)
		} else {
			e.add("name", "Moved "+e.id)
			m.person(&e)
			m.teams(&e)
		}
		all = append(all, e)
	}
	for i := range 3 + m.IntN(3) {
		e := of("u", i)
		m.usage(&e, m.IntN(87))
		e.set("user_id", quoted(user))
		at := day + pick(m, []int64{-1, 0, dayMS - 1, dayMS, m.Int64N(dayMS), m.Int64N(3*dayMS) - dayMS})
		e.at = max(m.first.UnixMilli(), min(at, m.Now.UnixMilli()+20*hourMS))
		all = append(all, e)
	}
	return all
}

// anyDay is the start of a UTC day of the exportable year. Often it is one of the last days.
func (m *maker) anyDay() int64 {
	first := m.first.UnixMilli()
	today := m.Now.UTC().Truncate(24 * time.Hour).UnixMilli()
	if m.IntN(3) == 0 {
		return today - dayMS*m.Int64N(3)
	}
	return first + dayMS*m.Int64N((today-first)/dayMS)
}

// settled is a time for an entity event. Like entityTime it avoids the next hours: such a time
// would pass while a test runs.
func (m *maker) settled(at int64) int64 {
	now := m.Now.UnixMilli()
	if at <= now || at > now+5*hourMS {
		return at
	}
	return now - m.Int64N(hourMS)
}
