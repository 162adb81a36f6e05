package traffic

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// An event has its attributes, its time, and the fields of its data as JSON text.
type event struct {
	id, source, kind string
	at               int64 // milliseconds since 1970
	fields           []field
	mixed            bool // fields may be written in another order, with unknown and repeated ones between them
}

type field struct{ name, json string }

func quoted(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic(err) // a string can always be encoded
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// add sets a text field, if the text is not empty.
func (e *event) add(name, value string) {
	if value != "" {
		e.fields = append(e.fields, field{name, quoted(value)})
	}
}

func (e *event) raw(name, json string) { e.fields = append(e.fields, field{name, json}) }

// set replaces a field, or adds it.
func (e *event) set(name, json string) {
	e.fields = slices.Clone(e.fields)
	for i := range e.fields {
		if e.fields[i].name == name {
			e.fields[i].json = json
			return
		}
	}
	e.raw(name, json)
}

func (e *event) has(name string) bool {
	return slices.ContainsFunc(e.fields, func(f field) bool { return f.name == name })
}

func (m *maker) message(e *event) {
	e.kind = "usage.message.v1"
	e.at = m.usageTime()
	channel := pick(m, []string{"chat", "chat", "assistant", "assistant", "project", "workflow", "api"})
	e.add("user_id", pick(m, users))
	e.add("channel", channel)
	m.belongs(e, channel)
	e.add("conversation_id", m.maybe(conversations))
	if channel == "api" || m.IntN(8) == 0 {
		e.add("api_key_id", m.maybe(apiKeys))
	}
}

// belongs adds the ids of things that an event may name. It always adds the one that the event's
// channel demands.
func (m *maker) belongs(e *event, channel string) {
	for _, of := range []struct {
		channel string
		ids     []string
	}{{"assistant", assistants}, {"project", projects}, {"workflow", flows}} {
		if channel == of.channel || m.IntN(5) == 0 {
			e.add(of.channel+"_id", pick(m, of.ids))
		}
	}
	e.add("client", m.maybe(clients))
	if e.kind != "usage.token.v1" {
		e.add("model", m.maybe(models))
	}
}

func (m *maker) action(e *event) {
	e.kind = "usage.action.v1"
	e.at = m.usageTime()
	e.add("user_id", pick(m, users))
	e.add("action", pick(m, actions))
	m.belongs(e, "")
	e.add("conversation_id", m.maybe(conversations))
}

func (m *maker) token(e *event) {
	e.kind = "usage.token.v1"
	e.at = m.usageTime()
	user := pick(m, users)
	key := pick(m, apiKeys)
	switch m.IntN(4) {
	case 0:
		user = ""
	case 1, 2:
		key = ""
	}
	e.add("user_id", user)
	e.add("api_key_id", key)
	e.add("model", pick(m, models))
	m.belongs(e, "")
	e.add("provider", m.maybe(providers))
	e.add("deployment", m.maybe(deployments))
	for _, name := range []string{"prompt_tokens", "completion_tokens"} {
		e.raw(name, m.count())
	}
	for _, name := range []string{"cached_prompt_tokens", "cache_creation_tokens"} {
		if m.IntN(3) > 0 {
			e.raw(name, m.count())
		}
	}
	if m.IntN(3) > 0 {
		e.raw("byok", pick(m, []string{"true", "false", "null"}))
	}
	if m.IntN(5) > 0 {
		e.raw("cost_usd", m.cost())
	}
}

func (m *maker) count() string {
	switch m.IntN(12) {
	case 0:
		return "0"
	case 1:
		return "4294967295"
	}
	return strconv.Itoa(m.IntN(3000))
}

func (m *maker) cost() string {
	switch m.IntN(10) {
	case 0:
		return pick(m, []string{"0", "1000000000", `"1000000000"`, "1e9", "0.0000000005", "0.0000000015", "0.00000000149",
			"3E-9",
			`"3.5E-7"`, `"1E+2"`, `"1e9"`, `"-0"`, `"0e999999999"`, `"0.000000001"`, "1e-40", "null", `""`,
			"123456789.987654321"})
	case 1:
		return strconv.Quote(strconv.FormatFloat(m.Float64(), 'f', 9, 64))
	case 2:
		return strconv.FormatFloat(m.Float64()/1000, 'e', 12, 64)
	}
	return strconv.FormatFloat(m.Float64()*3, 'f', 1+m.IntN(12), 64)
}

func (m *maker) workflowRun(e *event) {
	e.kind = "usage.workflow_run.v1"
	e.at = m.usageTime()
	e.add("workflow_id", pick(m, flows))
	e.add("run_id", e.id)
	status := pick(m, []string{"succeeded", "succeeded", "succeeded", "failed", "cancelled"})
	e.add("status", status)
	e.raw("duration_ms", pick(m, []string{strconv.Itoa(m.IntN(150)), strconv.Itoa(m.IntN(100_000)), "0", "4294967295"}))
	if status == "failed" {
		e.add("error_type", m.maybe(errorTypes))
	}
	e.add("trigger", m.maybe(triggers))
	e.add("user_id", m.maybe(users))
}
