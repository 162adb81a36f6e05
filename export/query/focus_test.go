package query

import (
	"errors"
	"strings"
	"testing"
)

func focusRequest() Request {
	r := request(Focus)
	r.Settings.BYOK = true
	return r
}

// focusEvents are of two users and a key, whose names and departments change.
func focusEvents() []fields {
	ada := func(time, project string, tokens int, cost string) fields {
		return fields{
			"type": "token", "model": "gpt", "provider": "openai", "user_id": "ada", "time": time, "project_id": project,
			"prompt_tokens": tokens, "completion_tokens": 1, "cost_usd": cost,
		}
	}
	return []fields{
		entity("workspace", org, "2026-10-02T00:00:00", "name", "Acme"),
		entity("user", "ada", "2026-10-02T23:59:59.999", "name", "Ada", "department", "Sales"),
		entity("user", "ada", "2026-10-03T12:00:00", "name", "Countess", "department", "R&D"),
		deleted("user", "ada", "2026-10-03T13:00:00"),
		entity("user", "bob", "2026-12-01T00:00:00"),
		entity("api_key", "k", "2026-10-31T00:00:00", "name", "=k"),
		ada("2026-10-01T00:00:00", "", 5, "0.1"), ada("2026-10-01T23:59:59.999", "", 6, "0.2"),
		ada("2026-10-02T10:00:00", "p", 1, "2"),
		ada("2026-10-03T00:00:00", "", 1, "0"),
		with(token("gpt", "2026-10-03T00:00:00", "user_id", "bob", "api_key_id", "k"), nil),
		{"type": "token", "model": "gpt", "provider": "unknown", "api_key_id": "k", "time": "2026-10-31T23:59:59.999", "byok": true},
		{"type": "token", "model": "gpt", "api_key_id": "k", "time": "2026-10-31T23:59:59.999", "assistant_id": `a"1`},
		message("ada", "2026-10-04T00:00:00"),
		{"type": "token", "model": "gpt", "api_key_id": "k", "time": "2026-11-01T00:00:00"},
	}
}

func TestFocus(t *testing.T) {
	b := newBed(t, focusEvents()...)
	names := strings.Fields("ChargePeriodStart ResourceId ResourceName ResourceType ProviderName BilledCost ConsumedQuantity " +
		"SubAccountName BillingAccountName x_BringYourKeys")
	for _, rolled := range [][]string{nil, {"2026-10-01", "2026-10-03"}, {"2026-10-02", "2026-10-04", "2026-10-31"}} {
		b.rollUp(rolled...)
		for name, c := range map[string]struct {
			edit func(*Request)
			want []string
		}{
			"all": {func(*Request) {}, []string{
				"2026-10-01T00:00:00Z|ada|Ada|User|openai|0.3|13|Acme|Acme|false",
				"2026-10-02T00:00:00Z|ada|Ada|User|openai|2|2|Acme|Acme|false",
				"2026-10-03T00:00:00Z|bob|null|User|unknown|0|0|Acme|Acme|false",
				"2026-10-03T00:00:00Z|ada|Countess|User|openai|0|2|Acme|Acme|false",
				"2026-10-31T00:00:00Z|k|=k|API Key|unknown|0|0|Acme|Acme|false",
				"2026-10-31T00:00:00Z|k|=k|API Key|unknown|0|0|Acme|Acme|true",
			}},
			"of a department": {
				func(r *Request) { r.Filters = []Filter{{"department", []string{"R&D"}}} },
				[]string{"2026-10-03T00:00:00Z|ada|Countess|User|openai|0|2|Acme|Acme|false"},
			},
			"of a key, without names of persons": {
				func(r *Request) {
					r.Filters = []Filter{{"api_key_id", []string{"k"}}, {"model", []string{"gpt"}}}
					r.Settings.UserLevelData = false
				}, []string{
					"2026-10-03T00:00:00Z|bob|null|User|unknown|0|0|Acme|Acme|false",
					"2026-10-31T00:00:00Z|k|=k|API Key|unknown|0|0|Acme|Acme|false",
					"2026-10-31T00:00:00Z|k|=k|API Key|unknown|0|0|Acme|Acme|true",
				},
			},
		} {
			r := focusRequest()
			c.edit(&r)
			if got := b.columns(r, names...); strings.Join(got, "\n") != strings.Join(c.want, "\n") {
				t.Errorf("%s: want\n%s\ngot\n%s", name, strings.Join(c.want, "\n"), strings.Join(got, "\n"))
			}
		}
	}
}

// With pseudonyms, no column shows a user's id or name, and rows sort by what is shown.
func TestFocusWithPseudonyms(t *testing.T) {
	b := newBed(t, focusEvents()...)
	r := focusRequest()
	r.Settings.Pseudonymize = true
	r.PseudonymKey = [32]byte{1, 2, 3}
	r.Format = NDJSON
	file := b.export(r)
	for _, hidden := range []string{`"ada"`, `"bob"`, "Ada", "Countess"} {
		if strings.Contains(file, hidden) {
			t.Errorf("%s in\n%s", hidden, file)
		}
	}
	row := b.columns(r, "ResourceId", "ResourceName", "Tags")[0]
	id, rest, _ := strings.Cut(row, "|")
	if !pseudonymForm.MatchString(id) || rest != `null|{"rollcall/department":"Sales","rollcall/user":"`+id+`"}` {
		t.Errorf("got %s", row)
	}
	r.Filters = []Filter{{"user_id", []string{id}}}
	if rows := b.columns(r, "ResourceId"); len(rows) != 3 || rows[2] != id {
		t.Errorf("filtered by a pseudonym: %v", rows)
	}
}

func TestFocusIsRefused(t *testing.T) {
	r := request(Focus)
	if _, err := Columns(r); !errors.Is(err, ErrBYOKOff) {
		t.Errorf("without byok: %v", err)
	}
	for param, edit := range map[string]func(*Request){
		"granularity": func(r *Request) {
			r.Period, _ = ParsePeriod(PeriodRequest{From: r.Period.Start, To: r.Period.End, Granularity: "month"}, now)
		},
		"timezone":   func(r *Request) { r.Period = mustPeriod("2026-10-01", "2026-10-31", "Europe/Berlin") },
		"group_by":   func(r *Request) { r.GroupBy = "model" },
		"attributes": func(r *Request) { r.AttributesNow = true },
		"columns":    func(r *Request) { r.Names = []string{"org_id"} },
	} {
		r := focusRequest()
		edit(&r)
		var refused *BadRequest
		if _, err := Columns(r); !errors.As(err, &refused) || refused.Param != param {
			t.Errorf("%s: %v", param, err)
		}
	}
}
