package oracle

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, 10, 14, 15, 0, 0, 0, time.UTC)

// structured is a record in structured mode.
func structured(id, kind, when, data string) Record {
	return Record{
		Value: fmt.Appendf(nil, `{"specversion":"1.0","id":%q,"source":"s","type":%q,"time":%q,"data":%s}`, id, kind, when,
			data),
	}
}

func TestReadGivesTheFirstReasonThatApplies(t *testing.T) {
	const good = `{"org_id":"o","user_id":"u","channel":"chat"}`
	at := "2026-10-14T12:00:00Z"
	message := func(data string) Record { return structured("1", messageType, at, data) }
	token := func(extra string) Record {
		return structured("1", tokenType, at,
			`{"org_id":"o","user_id":"u","model":"m","prompt_tokens":1,"completion_tokens":2`+extra+`}`)
	}
	entity := func(data string) Record { return structured("1", entityType, "1990-01-01T00:00:00Z", data) }
	binary := func(value string, headers ...string) Record {
		r := Record{Value: []byte(value)}
		for i := 0; i < len(headers); i += 2 {
			r.Headers = append(r.Headers, Header{headers[i], []byte(headers[i+1])})
		}
		return r
	}
	for name, c := range map[string]struct {
		record Record
		reason string
	}{
		"a message": {message(good), ""},
		"a binary message": {
			binary(good, "ce_specversion", "1.0", "ce_id", "1", "ce_source", "s", "ce_type", messageType, "ce_time", at), "",
		},
		"binary without time": {
			binary(good, "ce_specversion", "1.0", "ce_id", "1", "ce_source", "s", "ce_type", messageType), "missing_field",
		},
		"a value of 1 MiB": {
			Record{Value: []byte(`"` + strings.Repeat("x", 1<<20-2) + `"`)}, "not_cloudevent",
		},
		"a value of 1 MiB and a byte": {Record{Value: []byte(`"` + strings.Repeat("x", 1<<20-1) + `"`)}, "too_large"},
		"empty":                       {Record{}, "malformed_json"},
		"cut":                         {Record{Value: []byte(`{"specversion":`)}, "malformed_json"},
		"half a surrogate pair":       {message(`{"org_id":"o","user_id":"\ud83d","channel":"chat"}`), ""},
		"the other half":              {message(`{"org_id":"o","user_id":"\ude00x","channel":"chat"}`), ""},
		"half an escape": {
			message(`{"org_id":"o","user_id":"\ude0","channel":"chat"}`), "malformed_json",
		},
		"invalid UTF-8":                   {message("{\"org_id\":\"\xff\"}"), "malformed_json"},
		"a cost text with an exponent":    {token(`,"cost_usd":"3.5E-7"`), ""},
		"a cost text that is zero":        {token(`,"cost_usd":"-0e999999999999"`), ""},
		"a cost text of 1.0 nano":         {token(`,"cost_usd":"1.0E-9"`), "invalid_value"},
		"a cost text of a huge exponent":  {token(`,"cost_usd":"1e999999999999"`), "invalid_value"},
		"a whole pair":                    {message(`{"org_id":"o","user_id":"\ud83d\ude00","channel":"chat"}`), ""},
		"an escaped backslash before a u": {message(`{"org_id":"o","user_id":"\\ud83d","channel":"chat"}`), ""},
		"a batch": {
			Record{Value: []byte(`[` + string(message(good).Value) + `]`)}, "not_cloudevent",
		},
		"another type":                        {structured("1", "usage.message.v2", "", "null"), "unknown_type"},
		"no data":                             {message("null"), "missing_field"},
		"data that is a text":                 {message(`"x"`), "invalid_value"},
		"no time before data of another kind": {structured("1", messageType, "", `"x"`), "missing_field"},
		"an assistant's message without it": {
			message(`{"org_id":"o","user_id":"u","channel":"assistant","assistant_id":""}`), "missing_field",
		},
		"an unknown channel":          {message(`{"org_id":"o","user_id":"u","channel":"Chat"}`), "invalid_value"},
		"missing goes before invalid": {message(`{"org_id":"o","channel":"Chat"}`), "missing_field"},
		"the last of repeated keys":   {message(`{"org_id":"o","user_id":"u","channel":"no","channel":"chat"}`), ""},
		"an id of 129 bytes":          {structured(strings.Repeat("i", 129), messageType, at, good), "invalid_value"},
		"a user id of 256 bytes": {
			message(`{"org_id":"o","user_id":"` + strings.Repeat("ä", 128) + `","channel":"chat"}`), "",
		},
		"a user id of 257 bytes": {
			message(`{"org_id":"o","user_id":"` + strings.Repeat("ä", 128) + `x","channel":"chat"}`), "invalid_value",
		},
		"neither user nor key": {
			structured("1", tokenType, at, `{"org_id":"o","model":"m","prompt_tokens":1,"completion_tokens":2}`),
			"missing_field",
		},
		"a count with a fraction":       {token(`,"cached_prompt_tokens":1.0`), "invalid_value"},
		"a count of 2^32":               {token(`,"cached_prompt_tokens":4294967296`), "invalid_value"},
		"a count of 2^32-1":             {token(`,"cached_prompt_tokens":4294967295`), ""},
		"a cost of 10^9":                {token(`,"cost_usd":1e9`), ""},
		"a cost that rounds to 10^9":    {token(`,"cost_usd":1000000000.0000000005`), ""},
		"a cost above 10^9":             {token(`,"cost_usd":1000000000.000000001`), "invalid_value"},
		"a cost with 10 digits as text": {token(`,"cost_usd":"0.0000000001"`), "invalid_value"},
		"a cost with a huge exponent":   {token(`,"cost_usd":1e999999999`), "invalid_value"},
		"a cost with a tiny exponent":   {token(`,"cost_usd":1e-999999999`), ""},
		"a boolean as text":             {token(`,"byok":"true"`), "invalid_value"},
		"another's workspace":           {entity(`{"org_id":"o","kind":"workspace","id":"p"}`), "invalid_value"},
		"an entity of 1990":             {entity(`{"org_id":"o","kind":"user","id":"u","joined_at":"1988-02-29"}`), ""},
		"31 February": {
			entity(`{"org_id":"o","kind":"user","id":"u","joined_at":"2026-02-31"}`), "invalid_value",
		},
		"what a deleted event says": {
			entity(`{"org_id":"o","kind":"user","id":"u","deleted":true,"joined_at":"2026-02-31"}`), "",
		},
		"the earliest day":                {structured("1", messageType, "2025-10-14T00:00:00Z", good), ""},
		"the day before it":               {structured("1", messageType, "2025-10-13T23:59:59.999Z", good), "too_old"},
		"the day before it, at an offset": {structured("1", messageType, "2025-10-14T00:30:00+01:00", good), "too_old"},
		"24 hours ahead":                  {structured("1", messageType, "2026-10-15T15:00:00.0009Z", good), ""},
		"more than that":                  {structured("1", messageType, "2026-10-15T15:00:00.001Z", good), "in_future"},
		"a leap second":                   {structured("1", messageType, "2026-06-30T23:59:60Z", good), ""},
		"second 61":                       {structured("1", messageType, "2026-06-30T23:59:61Z", good), "invalid_value"},
		"a date that is none":             {structured("1", messageType, "2026-06-31T00:00:00Z", good), "invalid_value"},
		"a time without offset":           {structured("1", messageType, "2026-06-30T00:00:00", good), "invalid_value"},
	} {
		if _, reason := Read(c.record, now); reason != c.reason {
			t.Errorf("%s: want %q, got %q", name, c.reason, reason)
		}
	}
}

// The content type decides the mode, before the attributes do. A byte order mark and members that
// are null mean nothing.
func TestReadInEveryMode(t *testing.T) {
	const data = `{"org_id":"o","user_id":"u","channel":"chat"}`
	value := string(structured("1", messageType, "2026-10-14T12:00:00Z", data).Value)
	ce := []Header{
		{"ce_specversion", []byte("1.0")}, {"ce_id", []byte("1")}, {"ce_source", []byte("s")},
		{"ce_type", []byte(messageType)}, {"ce_time", []byte("2026-10-14T12:00:00Z")},
	}
	of := func(contentType string) Header { return Header{"Content-Type", []byte(contentType)} }
	for name, c := range map[string]struct {
		value   string
		headers []Header
		reason  string
	}{
		"a byte order mark":               {"\xef\xbb\xbf" + value, nil, ""},
		"a byte order mark alone":         {"\xef\xbb\xbf", nil, "malformed_json"},
		"binary behind a byte order mark": {"\xef\xbb\xbf" + data, ce, ""},
		"attributes twice":                {value, append(ce, of(" Application/CloudEvents+json")), ""},
		"the last content type counts":    {data, append(ce, of("application/cloudevents"), of("text/json")), ""},
		"a batch by its content type":     {value, append(ce, of("application/cloudevents-batch")), "not_cloudevent"},
		"no data_base64":                  {`{"data_base64":null,` + value[1:], nil, ""},
		"data_base64":                     {`{"data_base64":"e30=",` + value[1:], nil, "not_cloudevent"},
		"a null time":                     {strings.TrimSuffix(value, "}") + `,"time":null}`, nil, "missing_field"},
	} {
		if _, reason := Read(Record{Value: []byte(c.value), Headers: c.headers}, now); reason != c.reason {
			t.Errorf("%s: want %q, got %q", name, c.reason, reason)
		}
	}
}

func TestCostsAreRoundedHalfToEven(t *testing.T) {
	for in, want := range map[string]int64{"0.0000000005": 0, "0.0000000015": 2, "0.0000000025": 2, "0.00000000250001": 3,
		"12": 12e9, "1.5e-9": 2, "2.5E-9": 2, "-0.0000000001": 0,
		"3.5E-7": 350, "1e-00000000009": 1, "1e+0000000000": 1e9} {
		if got, ok := nanos(in); !ok || got.Int64() != want {
			t.Errorf("%s: want %d, got %v", in, want, got)
		}
	}
}
