package traffic

import (
	"slices"
	"time"
)

// broken turns a valid event into a record that is not one, with an id of its own.
func (m *maker) broken(e event) Record {
	e.id = "broken-" + e.id
	e.fields = slices.Clone(e.fields)
	m.spoil(&e)
	r := m.encode(e)
	if m.IntN(6) == 0 {
		r.Value = r.Value[:m.IntN(len(r.Value))]
	}
	return r
}

func (m *maker) spoil(e *event) {
	switch m.IntN(10) {
	case 0:
		e.kind = "usage.message.v9"
	case 1:
		e.id = ""
	case 2:
		e.set("org_id", `""`)
	case 3:
		e.set("org_id", "17")
	case 4:
		e.set("user_id", `["u"]`)
		e.set("id", `["u"]`)
	case 5:
		// An entity event may be that old, and is then valid.
		e.at = m.first.Add(-time.Millisecond).UnixMilli()
	case 6:
		e.at = m.Now.Add(48 * time.Hour).UnixMilli()
	case 7:
		e.set("channel", `"CHAT"`)
		e.set("prompt_tokens", "1.5")
		e.set("action", "{}")
		e.set("duration_ms", `"7"`)
		e.set("kind", `"robot"`)
	case 8:
		e.source = string(slices.Repeat([]byte("s"), 257))
	case 9:
		// What is no list of ids, or no status of an entity, means nothing for usage, and is then valid.
		e.set("group_ids", pick(m, []string{
			`"grp-0"`, "{}", "7", `["grp-0",null]`, `[""]`, `["grp-0",["grp-1"]]`, listed(numbered("grp-", 65)),
		}))
		if m.IntN(3) == 0 {
			e.set("status", `"gone"`)
		}
	}
}
