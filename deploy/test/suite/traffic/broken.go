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
	switch m.IntN(9) {
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
	}
}
