package schema

import (
	"bytes"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// A sample is one JSON value of a field, with the verdicts of the decoder and of the JSON Schema.
// They differ only where JSON Schema cannot express the rule.
type sample struct {
	json    string
	decoder bool
	schema  bool
}

func valid(values ...string) []sample   { return samples(values, true, true) }
func invalid(values ...string) []sample { return samples(values, false, false) }

// beyond are values that only the decoder refuses.
func beyond(values ...string) []sample { return samples(values, false, true) }

func samples(values []string, decoder, schema bool) (all []sample) {
	for _, v := range values {
		all = append(all, sample{v, decoder, schema})
	}
	return all
}

func textsUpTo(limit int) []sample {
	return slices.Concat(valid(`"x"`, `"ä€😀"`, text256(limit)), invalid(text256(limit+1), `7`, `true`, `[]`, `{}`),
		beyond(`"`+strings.Repeat("ä", limit/2+1)+`"`))
}

func oneOf(values ...string) (all []sample) {
	for _, v := range values {
		all = append(all, valid(`"`+v+`"`)...)
	}
	return append(all, invalid(`"`+strings.ToUpper(values[0])+`"`, `"nothing"`, `1`, `true`, `[]`)...)
}

var (
	anID   = textsUpTo(maxID)
	aText  = textsUpTo(maxText)
	aCount = slices.Concat(valid(`0`, `1`, `4294967295`), invalid(`4294967296`, `-1`, `1.5`, `"5"`, `true`, `{}`),
		beyond(`1.0`, `1e3`))
	aBool = slices.Concat(valid(`true`, `false`), invalid(`1`, `"true"`, `[]`))
	aCost = slices.Concat(valid(`0`, `0.1`, `1.5e-9`, `1e9`, `"0"`, `"12.123456789"`, `"1000000000"`,
		`"3.5E-7"`, `"1e9"`, `"1E+2"`, `"-0"`, `"0e999999999"`, `"1234567890e-9"`),
		beyond(`"1.0E-9"`, `"1e10"`, `"-1e0"`),
		invalid(`-1`, `1000000001`, `"-1"`, `"+1"`, `"1e"`, `"1e+"`, `".5e1"`, `"e5"`, `"1e1.5"`, `".5"`,
			`"5."`, `"0.1234567890"`, `"1000000000.1"`, `true`, `[]`))
	aDate = slices.Concat(valid(`"2024-02-29"`, `"1900-01-01"`, `"2299-12-31"`), invalid(`"1899-12-31"`, `"2300-01-01"`,
		`"2026-1-01"`, `"2026-01-32"`, `"2026-13-01"`, `20260101`, `true`), beyond(`"2026-02-30"`, `"2023-02-29"`))
	settings = slices.Concat(valid(`{}`, `{"byok":true,"workflows":false,"user_level_data":null,"pseudonymize":"","x":1}`),
		invalid(`{"byok":1}`, `{"workflows":"true"}`, `{"user_level_data":[]}`, `{"pseudonymize":0}`, `true`, `"x"`, `[]`))
)

var groupLists = slices.Concat(
	valid(`[]`, `["g"]`, `["b","a","b"]`, `["ä\u00e4","\ud83d"]`, "["+text256(maxID)+"]", ids(64, ""),
		ids(64, `,"g0","g63"`)),
	invalid(`"g"`, `7`, `true`, `{}`, `{"g":true}`, `[null]`, `[""]`, `["g",7]`, `[true,"g"]`, `[["g"]]`, `[{}]`,
		"["+text256(maxID+1)+"]"),
	beyond(ids(65, ""), `["`+strings.Repeat("ä", maxID/2+1)+`"]`))

// ids is a list of n different ids, and more.
func ids(n int, more string) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(`"g%d"`, i))
	}
	return "[" + strings.Join(all, ",") + more + "]"
}

// A member is a field of data: samples of its values, and whether it is required.
type member struct {
	values   []sample
	required bool
}

func required(values []sample) member { return member{values, true} }
func optional(values []sample) member { return member{values, false} }

// An eventRule is what SPEC.md §1 says of one event type, with one valid event.
type eventRule struct {
	members map[string]member
	example map[string]string
}

var usageContext = map[string]member{
	"conversation_id": optional(anID), "assistant_id": optional(anID), "project_id": optional(anID),
	"workflow_id": optional(anID), "model": optional(aText), "client": optional(aText),
}

var eventRules = map[string]eventRule{
	message: {
		with(usageContext, map[string]member{
			"org_id": required(anID), "user_id": required(anID), "api_key_id": optional(anID),
			"channel": required(oneOf("chat", "api")),
		}),
		map[string]string{"org_id": `"o"`, "user_id": `"u"`, "channel": `"chat"`},
	},
	"usage.action.v1": {
		with(usageContext, map[string]member{"org_id": required(anID), "user_id": required(anID), "action": required(aText)}),
		map[string]string{"org_id": `"o"`, "user_id": `"u"`, "action": `"canvas"`},
	},
	token: {
		map[string]member{
			"org_id": required(anID), "model": required(aText), "prompt_tokens": required(aCount),
			"completion_tokens": required(aCount), "user_id": required(anID), "api_key_id": optional(anID),
			"provider": optional(aText), "deployment": optional(aText), "byok": optional(aBool),
			"cached_prompt_tokens": optional(aCount), "cache_creation_tokens": optional(aCount),
			"cost_usd": optional(aCost), "assistant_id": optional(anID), "project_id": optional(anID),
			"workflow_id": optional(anID), "client": optional(aText),
		},
		map[string]string{"org_id": `"o"`, "user_id": `"u"`, "model": `"m"`, "prompt_tokens": `1`, "completion_tokens": `2`},
	},
	workflow: {
		map[string]member{
			"org_id": required(anID), "workflow_id": required(anID), "run_id": required(anID),
			"status": required(oneOf("succeeded", "failed", "cancelled")), "duration_ms": required(aCount),
			"error_type": optional(aText), "trigger": optional(aText), "user_id": optional(anID),
		},
		map[string]string{"org_id": `"o"`, "workflow_id": `"w"`, "run_id": `"r"`, "status": `"failed"`, "duration_ms": `0`},
	},
	entity: {
		map[string]member{
			"org_id": required(anID), "kind": required(oneOf("user", "assistant", "workflow", "project", "api_key",
				"group")),
			"id": required(anID), "deleted": optional(aBool),
			"name": optional(textsUpTo(maxName)), "email": optional(aText), "role": optional(oneOf("member", "editor", "admin")),
			"joined_at": optional(aDate), "department": optional(aText),
			"company_name": optional(aText), "license_type": optional(aText),
			"status": optional(oneOf("active", "invited", "suspended")), "group_ids": optional(groupLists),
			"description": optional(textsUpTo(maxName)), "url": optional(textsUpTo(maxURL)), "owner_id": optional(anID),
		},
		map[string]string{"org_id": `"o"`, "kind": `"user"`, "id": `"u"`},
	},
}

func with(a, b map[string]member) map[string]member {
	a = maps.Clone(a)
	maps.Copy(a, b)
	return a
}

// json is the example with one member changed, or without that member if value is empty.
func (e eventRule) json(name, value string) string {
	members := maps.Clone(e.example)
	members[name] = value
	var list []string
	for _, k := range slices.Sorted(maps.Keys(members)) {
		if members[k] != "" {
			list = append(list, fmt.Sprintf("%q:%s", k, members[k]))
		}
	}
	return "{" + strings.Join(list, ",") + "}"
}

// For every field of every event type, the decoder, the JSON Schema and the table above agree on
// each sample, on null, on "" and on the field's absence.
func TestJSONSchemasSayWhatTheDecoderSays(t *testing.T) {
	for typ, rule := range eventRules {
		both := newBoth(t, typ)
		for name, m := range rule.members {
			for _, s := range slices.Concat(m.values, samples([]string{`null`, `""`, ``}, !m.required, !m.required)) {
				both.judge(t, fmt.Sprintf("%s %.40s", name, s.json), structured(typ, rule.json(name, s.json)), s)
			}
		}
	}
}

// Rules about more than one field, and rules about the envelope.
func TestJSONSchemasOnWholeEvents(t *testing.T) {
	example := func(typ string) string { return eventRules[typ].json("", "") }
	workspace := func(more string) string { return `{"org_id":"o","kind":"workspace","id":"o"` + more + `}` }
	for _, c := range []struct {
		name    string
		typ     string
		samples []sample
	}{
		{"message of a channel that needs an id", message, slices.Concat(
			valid(`{"org_id":"o","user_id":"u","channel":"assistant","assistant_id":"a"}`,
				`{"org_id":"o","user_id":"u","channel":"project","project_id":"p"}`,
				`{"org_id":"o","user_id":"u","channel":"workflow","workflow_id":"w"}`),
			invalid(`{"org_id":"o","user_id":"u","channel":"assistant","project_id":"a"}`,
				`{"org_id":"o","user_id":"u","channel":"project","project_id":""}`,
				`{"org_id":"o","user_id":"u","channel":"workflow","workflow_id":null}`))},
		{"token of whom", token, slices.Concat(
			valid(`{"org_id":"o","api_key_id":"k","user_id":"","model":"m","prompt_tokens":1,"completion_tokens":2}`),
			invalid(`{"org_id":"o","model":"m","prompt_tokens":1,"completion_tokens":2}`,
				`{"org_id":"o","api_key_id":null,"user_id":"","model":"m","prompt_tokens":1,"completion_tokens":2}`,
				`{"org_id":"o","api_key_id":"k","user_id":7,"model":"m","prompt_tokens":1,"completion_tokens":2}`))},
		{"workspace", entity, slices.Concat(valid(workspace("")), beyond(`{"org_id":"o","kind":"workspace","id":"p"}`))},
		{"settings elsewhere", entity, valid(user(`,"settings":7`))},
		{"deleted", entity, slices.Concat(valid(user(`,"deleted":true,"role":"x","name":7`),
			workspace(`,"deleted":true,"settings":7`)), invalid(user(`,"deleted":false,"name":7`), user(`,"deleted":"true"`)))},
	} {
		both := newBoth(t, c.typ)
		for _, s := range c.samples {
			both.judge(t, c.name, structured(c.typ, s.json), s)
		}
	}
	both := newBoth(t, entity)
	for _, s := range slices.Concat(settings, valid(`null`, `""`)) {
		both.judge(t, "settings", structured(entity, workspace(`,"settings":`+s.json)), s)
	}
	for typ := range eventRules {
		both := newBoth(t, typ)
		for name, values := range map[string][]sample{
			"specversion": slices.Concat(valid(`"1.0"`), invalid(`"1"`, `1.0`, `null`, ``)),
			"id": slices.Concat(valid(`"x"`, text256(128)), invalid(text256(129), `""`, `null`, `7`, ``),
				beyond(`"`+strings.Repeat("ä", 65)+`"`)),
			"source": slices.Concat(valid(`"x"`, text256(256)), invalid(text256(257), `""`, `null`, `7`, ``)),
			"time": slices.Concat(valid(`"2026-10-31T08:15:30.123456789+05:30"`, `"2026-10-31t08:15:30z"`,
				`"2026-10-30T23:59:60.5-01:00"`), beyond(`"2026-02-30T08:15:30Z"`),
				invalid(`"2026-10-31 08:15:30Z"`, `"2026-10-31T08:15:30"`, `"2026-10-31T08:15:61Z"`, `"2026-10-31T24:15:00Z"`,
					`"2026-10-31T08:15:30.Z"`, `""`, `null`, `7`, ``)),
			"type":        invalid(`"usage.other.v1"`, `""`, `7`, ``),
			"data":        invalid(`null`, `[]`, `"x"`, ``),
			"data_base64": slices.Concat(valid(`null`, `""`), invalid(`"e30="`, `{}`, `7`)),
		} {
			for _, s := range values {
				both.judge(t, name+" "+s.json, structured(typ, example(typ), name, s.json), s)
			}
		}
	}
}

// The table has exactly the members that the JSON Schemas describe, and the decoder knows these and
// no others.
func TestJSONSchemasKnowTheDecodersKeys(t *testing.T) {
	known := map[key]bool{}
	for typ, rule := range eventRules {
		described := describedMembers(newBoth(t, typ).schema)
		delete(described, "settings") // an object of its own
		if listed := slices.Sorted(maps.Keys(rule.members)); !slices.Equal(listed, slices.Sorted(maps.Keys(described))) {
			t.Errorf("%s: the table has %v, the JSON Schema %v", typ, listed, slices.Sorted(maps.Keys(described)))
		}
		for name := range rule.members {
			k := dataKey([]byte(name))
			if known[k] = true; k == noKey || keyNames[k] != "data."+name {
				t.Errorf("%s: the decoder does not know %s, or names it %q", typ, name, keyNames[k])
			}
		}
	}
	for k := orgID; k < userLevelData; k++ {
		if !known[k] {
			t.Errorf("no event type has %s", keyNames[k])
		}
	}
}

// describedMembers are the members of data that a JSON Schema describes, at any depth of the
// schema.
func describedMembers(s *jsonschema.Schema) map[string]bool {
	found := map[string]bool{}
	var walk func(s *jsonschema.Schema)
	walk = func(s *jsonschema.Schema) {
		if s == nil {
			return
		}
		for name := range s.Properties {
			found[name] = true
		}
		walk(s.Ref)
		walk(s.Then)
		walk(s.Else)
	}
	walk(s.Properties["data"])
	return found
}

// both are the decoder and the JSON Schema of one event type.
type both struct {
	typ    string
	schema *jsonschema.Schema
}

func newBoth(t *testing.T, typ string) both {
	t.Helper()
	s, err := jsonschema.NewCompiler().Compile(filepath.Join("jsonschema", typ+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return both{typ, s}
}

func (b both) judge(t *testing.T, what string, value []byte, want sample) {
	t.Helper()
	if _, rej := decodeBoth(t, &Record{Value: value}, benchNow); (rej == nil) != want.decoder {
		t.Errorf("%s, %s: the decoder says %+v", b.typ, what, rej)
	}
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(value))
	if err != nil {
		t.Fatalf("%s, %s: %v in %s", b.typ, what, err, value)
	}
	if err := b.schema.Validate(instance); (err == nil) != want.schema {
		t.Errorf("%s, %s: the JSON Schema says %v", b.typ, what, err)
	}
}
