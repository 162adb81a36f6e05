package schema

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// structured is a structured event of type typ with data. instead has names and values that replace
// the envelope's usual members.
func structured(typ, data string, instead ...string) []byte {
	members := map[string]string{
		"specversion": `"1.0"`, "id": `"id-1"`, "source": `"/test"`, "type": `"` + typ + `"`,
		"time": `"2026-10-31T08:15:30Z"`, "data": data,
	}
	for i := 0; i < len(instead); i += 2 {
		members[instead[i]] = instead[i+1]
	}
	var b strings.Builder
	for _, name := range []string{"specversion", "id", "source", "type", "time", "data", "data_base64"} {
		if members[name] != "" {
			fmt.Fprintf(&b, `,%q:%s`, name, members[name])
		}
	}
	return []byte("{" + strings.TrimPrefix(b.String(), ",") + "}")
}

const (
	message  = "usage.message.v1"
	token    = "usage.token.v1"
	workflow = "usage.workflow_run.v1"
	entity   = "usage.entity.v1"
)

func chat(more string) string { return `{"org_id":"o","user_id":"u","channel":"chat"` + more + `}` }
func request(more string) string {
	return `{"org_id":"o","user_id":"u","model":"m","prompt_tokens":1,"completion_tokens":2` + more + `}`
}
func user(more string) string { return `{"org_id":"o","kind":"user","id":"u"` + more + `}` }

// mark is the byte order mark that editors and shells of Windows put before a text.
const mark = "\xef\xbb\xbf"

func text256(n int) string { return `"` + strings.Repeat("x", n) + `"` }

// decodeBoth decodes with the scanner and with the full decoder alone. Both must accept the record,
// or both reject it.
func decodeBoth(t *testing.T, rec *Record, now time.Time) (Event, *Rejection) {
	t.Helper()
	var ev, full Event
	rej := NewDecoder().Decode(rec, now, &ev)
	other := NewDecoder().decode(rec, now, &full, false)
	if len(rec.Value) <= MaxValueBytes && (rej == nil) != (other == nil) {
		t.Fatalf("the decoders differ: %+v and %+v", rej, other)
	}
	return ev, rej
}

// A value that was too large to be held is judged by the size of the whole, not by the beginning
// that is left of it. The sentence is that of a value that was held.
func TestCutValueIsTooLarge(t *testing.T) {
	whole := append(structured(message, chat("")), strings.Repeat(" ", MaxValueBytes)...)
	now := time.Now()
	var ev Event
	want := NewDecoder().Decode(&Record{Value: whole}, now, &ev)
	got := NewDecoder().Decode(&Record{Value: whole[:KeptOfTooLarge], Cut: &Cut{Size: uint64(len(whole))}}, now, &ev)
	if got == nil || *got != *want {
		t.Errorf("%+v, not %+v", got, want)
	}
}

// Each rule: a record that breaks it, beside its nearest valid neighbours (want "").
func TestRules(t *testing.T) {
	padding := strings.Repeat(" ", MaxValueBytes-len(structured(message, chat(""))))
	for _, c := range []struct {
		name  string
		value []byte
		want  Reason
	}{
		{"1 MiB", append(structured(message, chat("")), padding...), ""},
		{"1 MiB and a byte", append(structured(message, chat("")), padding+" "...), TooLarge},
		{"empty", nil, MalformedJSON},
		{"cut", []byte(`{"specversion":"1.0"`), MalformedJSON},
		{"trailing text", append(structured(message, chat("")), 'x'), MalformedJSON},
		{"trailing space", append(structured(message, chat("")), '\n'), ""},
		{"invalid UTF-8", structured(message, chat(`,"client":"`+"\xff"+`"`)), MalformedJSON},
		{"invalid UTF-8 in an unknown key", structured(message, chat(`,"`+"\xff"+`":1`)), MalformedJSON},
		{"a surrogate as bytes", structured(message, chat(`,"client":"`+"\xed\xa0\x80"+`"`)), MalformedJSON},
		{"lone surrogate", structured(message, chat(`,"client":"\ud800"`)), ""},
		{"lone surrogate in an unknown text", structured(message, chat(`,"preview":"cut in the middle \ud83d"`)), ""},
		{"lone surrogate in an unknown key", structured(message, chat(`,"\udc00":1,"x":{"\ud83d":["\ud83d\ud83d"]}`)), ""},
		{"half an escape", structured(message, chat(`,"client":"\ud83"`)), MalformedJSON},
		{"lone surrogate in a known word", structured(message, chat(`,"channel":"chat\ud800"`)), InvalidValue},
		{"id of 128 bytes with one", structured(message, chat(""), "id", `"\ud800`+text256(125)[1:]), ""},
		{"id of 129 bytes with one", structured(message, chat(""), "id", `"\ud800`+text256(126)[1:]), InvalidValue},
		{"byte order mark", append([]byte(mark), structured(message, chat(""))...), ""},
		{"byte order mark and space", append([]byte(mark+" \n"), structured(message, chat(""))...), ""},
		{"two byte order marks", append([]byte(mark+mark), structured(message, chat(""))...), MalformedJSON},
		{"byte order mark alone", []byte(mark), MalformedJSON},
		{"byte order mark behind", append(structured(message, chat("")), mark...), MalformedJSON},
		{"UTF-16", []byte("\xff\xfe{\x00}\x00"), MalformedJSON},
		{"surrogate pair", structured(message, chat(`,"client":"\ud83d\ude00"`)), ""},
		{"leading zero", structured(token,
			`{"org_id":"o","user_id":"u","model":"m","prompt_tokens":01,"completion_tokens":2}`), MalformedJSON},
		{"a batch", append(append([]byte{'['}, structured(message, chat(""))...), ']'), NotCloudEvent},
		{"a text", []byte(`"x"`), NotCloudEvent},
		{"no specversion", structured(message, chat(""), "specversion", ""), NotCloudEvent},
		{"specversion 0.3", structured(message, chat(""), "specversion", `"0.3"`), NotCloudEvent},
		{"specversion as a number", structured(message, chat(""), "specversion", `1.0`), NotCloudEvent},
		{"no id", structured(message, chat(""), "id", ""), NotCloudEvent},
		{"empty id", structured(message, chat(""), "id", `""`), NotCloudEvent},
		{"no source", structured(message, chat(""), "source", ""), NotCloudEvent},
		{"no type", structured(message, chat(""), "type", ""), NotCloudEvent},
		{"data_base64", structured(message, chat(""), "data_base64", `"e30="`), NotCloudEvent},
		{"data_base64 as an object", structured(message, chat(""), "data_base64", `{}`), NotCloudEvent},
		{"data_base64 alone", structured(message, "", "data_base64", `"e30="`), NotCloudEvent},
		{"null data_base64", structured(message, chat(""), "data_base64", `null`), ""},
		{"null data_base64 before data", []byte(`{"data_base64":null,` + string(structured(message, chat(""))[1:])), ""},
		{"null data_base64 alone", structured(message, "", "data_base64", `null`), MissingField},
		{"empty data_base64", structured(message, chat(""), "data_base64", `""`), ""},
		{"data_base64 taken back", structured(message, chat(""), "data_base64", `"e30=","data_base64":null`), ""},
		{"null specversion", structured(message, chat(""), "specversion", `null`), NotCloudEvent},
		{"null id", structured(message, chat(""), "id", `null`), NotCloudEvent},
		{"null source", structured(message, chat(""), "source", `null`), NotCloudEvent},
		{"null type", structured(message, chat(""), "type", `null`), NotCloudEvent},
		{"other members of the envelope", structured(message, chat(`},"subject":null,"dataschema":7,"x":{`)), ""},
		{"unknown type", structured("usage.message.v2", chat("")), UnknownType},
		{"unknown type before missing data", structured("usage.message.v2", ""), UnknownType},
		{"id of 128 bytes", structured(message, chat(""), "id", text256(128)), ""},
		{"id of 129 bytes", structured(message, chat(""), "id", text256(129)), InvalidValue},
		{"source of 256 bytes", structured(message, chat(""), "source", text256(256)), ""},
		{"source of 257 bytes", structured(message, chat(""), "source", text256(257)), InvalidValue},
		{"no time", structured(message, chat(""), "time", ""), MissingField},
		{"null time", structured(message, chat(""), "time", "null"), MissingField},
		{"time taken back", structured(message, chat(`},"time":null,"x":{`)), MissingField},
		{"time as a number", structured(message, chat(""), "time", "1"), InvalidValue},
		{"time without offset", structured(message, chat(""), "time", `"2026-10-31T08:15:30"`), InvalidValue},
		{"time with a space", structured(message, chat(""), "time", `"2026-10-31 08:15:30Z"`), InvalidValue},
		{"31 February", structured(message, chat(""), "time", `"2026-02-31T08:15:30Z"`), InvalidValue},
		{"second 60", structured(message, chat(""), "time", `"2026-10-31T08:15:60Z"`), ""},
		{"second 61", structured(message, chat(""), "time", `"2026-10-31T08:15:61Z"`), InvalidValue},
		{"second 60 before the earliest date", structured(message, chat(""), "time", `"2025-10-30T23:59:60Z"`), TooOld},
		{"second 60, 24 h ahead", structured(message, chat(""), "time", `"2026-11-01T11:59:60.9Z"`), ""},
		{"an entity's second 60 before 1970", structured(entity, user(""), "time", `"1969-12-31T23:59:60Z"`), InvalidValue},
		{"lower-case t and z", structured(message, chat(""), "time", `"2026-10-31t08:15:30.5z"`), ""},
		{"no data", structured(message, ""), MissingField},
		{"null data", structured(message, "null"), MissingField},
		{"data is a list", structured(message, "[]"), InvalidValue},
		{"no org", structured(message, `{"user_id":"u","channel":"chat"}`), MissingField},
		{"null org", structured(message, `{"org_id":null,"user_id":"u","channel":"chat"}`), MissingField},
		{"empty user", structured(message, `{"org_id":"o","user_id":"","channel":"chat"}`), MissingField},
		{"no channel", structured(message, `{"org_id":"o","user_id":"u"}`), MissingField},
		{"unknown channel", structured(message, `{"org_id":"o","user_id":"u","channel":"Chat"}`), InvalidValue},
		{"missing before invalid", structured(message, `{"org_id":7,"channel":"chat"}`), MissingField},
		{"assistant without id", structured(message, `{"org_id":"o","user_id":"u","channel":"assistant"}`), MissingField},
		{"assistant", structured(message, `{"org_id":"o","user_id":"u","channel":"assistant","assistant_id":"a"}`), ""},
		{"project without id", structured(message, `{"org_id":"o","user_id":"u","channel":"project"}`), MissingField},
		{"workflow without id", structured(message, `{"org_id":"o","user_id":"u","channel":"workflow"}`), MissingField},
		{"api channel", structured(message, `{"org_id":"o","user_id":"u","channel":"api"}`), ""},
		{"org of 256 bytes", structured(message, `{"org_id":`+text256(256)+`,"user_id":"u","channel":"chat"}`), ""},
		{"org of 257 bytes", structured(message, `{"org_id":`+text256(257)+`,"user_id":"u","channel":"chat"}`), InvalidValue},
		{"model of 257 bytes", structured(message, chat(`,"model":`+text256(257))), InvalidValue},
		{"model as a list", structured(message, chat(`,"model":[]`)), InvalidValue},
		{"another type's field is unknown here", structured(message, chat(`,"prompt_tokens":"x"`)), ""},
		{"unknown nested field", structured(message, chat(`,"x":{"channel":"y"}`)), ""},
		{"keys are case-sensitive", structured(message, `{"Org_id":"o","user_id":"u","channel":"chat"}`), MissingField},
		{"the last of repeated keys counts", structured(message, chat(`,"channel":"nowhere"`)), InvalidValue},
		{"token", structured(token, request("")), ""},
		{"token of a key", structured(token,
			`{"org_id":"o","api_key_id":"k","model":"m","prompt_tokens":0,"completion_tokens":0}`), ""},
		{"token of nobody", structured(token, `{"org_id":"o","model":"m","prompt_tokens":1,"completion_tokens":2}`),
			MissingField},
		{"token without count", structured(token, `{"org_id":"o","user_id":"u","model":"m","prompt_tokens":1}`),
			MissingField},
		{"count 2³²−1", structured(token, request(`,"cached_prompt_tokens":4294967295`)), ""},
		{"count 2³²", structured(token, request(`,"cached_prompt_tokens":4294967296`)), InvalidValue},
		{"count -1", structured(token, request(`,"cached_prompt_tokens":-1`)), InvalidValue},
		{"count 1.0", structured(token, request(`,"cached_prompt_tokens":1.0`)), InvalidValue},
		{"count 1e3", structured(token, request(`,"cached_prompt_tokens":1e3`)), InvalidValue},
		{"count as a text", structured(token, request(`,"cached_prompt_tokens":"1"`)), InvalidValue},
		{"byok as a text", structured(token, request(`,"byok":"true"`)), InvalidValue},
		{"cost 10⁹", structured(token, request(`,"cost_usd":1e9`)), ""},
		{"cost above 10⁹", structured(token, request(`,"cost_usd":1000000000.000000001`)), InvalidValue},
		{"cost below 0", structured(token, request(`,"cost_usd":-0.01`)), InvalidValue},
		{"cost text of 9 digits", structured(token, request(`,"cost_usd":"0.123456789"`)), ""},
		{"cost text of 10 digits", structured(token, request(`,"cost_usd":"0.1234567890"`)), InvalidValue},
		{"cost text with exponent", structured(token, request(`,"cost_usd":"1e3"`)), ""},
		{"cost text of 10 digits written out", structured(token, request(`,"cost_usd":"1.5e-9"`)), InvalidValue},
		{"cost true", structured(token, request(`,"cost_usd":true`)), InvalidValue},
		{"run", structured(workflow, `{"org_id":"o","workflow_id":"w","run_id":"r","status":"failed","duration_ms":0}`), ""},
		{"run without status", structured(workflow, `{"org_id":"o","workflow_id":"w","run_id":"r","duration_ms":0}`),
			MissingField},
		{"run of an unknown status", structured(workflow,
			`{"org_id":"o","workflow_id":"w","run_id":"r","status":"done","duration_ms":0}`), InvalidValue},
		{"entity", structured(entity, user(`,"name":`+text256(4096)+`,"url":`+text256(2048))), ""},
		{"name of 4097 bytes", structured(entity, user(`,"name":`+text256(4097))), InvalidValue},
		{"url of 2049 bytes", structured(entity, user(`,"url":`+text256(2049))), InvalidValue},
		{"e-mail of 257 bytes", structured(entity, user(`,"email":`+text256(257))), InvalidValue},
		{"unknown role", structured(entity, user(`,"role":"owner"`)), InvalidValue},
		{"unknown kind", structured(entity, `{"org_id":"o","kind":"team","id":"t"}`), InvalidValue},
		{"group", structured(entity, `{"org_id":"o","kind":"group","id":"g","name":"G","owner_id":"u"}`), ""},
		{"group without id", structured(entity, `{"org_id":"o","kind":"group","name":"G"}`), MissingField},
		{"unknown status", structured(entity, user(`,"status":"gone"`)), InvalidValue},
		{"a run's status", structured(entity, user(`,"status":"failed"`)), InvalidValue},
		{"an entity's status", structured(workflow,
			`{"org_id":"o","workflow_id":"w","run_id":"r","status":"active","duration_ms":0}`), InvalidValue},
		{"status of a group", structured(entity, `{"org_id":"o","kind":"group","id":"g","status":"gone"}`), InvalidValue},
		{"company of 257 bytes", structured(entity, user(`,"company_name":`+text256(257))), InvalidValue},
		{"license as a number", structured(entity, user(`,"license_type":7`)), InvalidValue},
		{"groups of a message are unknown", structured(message, chat(`,"group_ids":[7,[]]`)), ""},
		{"groups of a deleted one are ignored", structured(entity, user(`,"deleted":true,"group_ids":7,"status":7`)), ""},
		{"entity without id", structured(entity, `{"org_id":"o","kind":"user"}`), MissingField},
		{"joined on 30 February", structured(entity, user(`,"joined_at":"2026-02-30"`)), InvalidValue},
		{"attributes of a deleted one are ignored", structured(entity, user(`,"deleted":true,"role":"owner"`)), ""},
		{"workspace of another id", structured(entity, `{"org_id":"o","kind":"workspace","id":"p"}`), InvalidValue},
		{"workspace", structured(entity, `{"org_id":"o","kind":"workspace","id":"o","settings":{"byok":true}}`), ""},
		{"settings as a text", structured(entity, `{"org_id":"o","kind":"workspace","id":"o","settings":"x"}`), InvalidValue},
		{"a setting as a number", structured(entity, `{"org_id":"o","kind":"workspace","id":"o","settings":{"byok":1}}`),
			InvalidValue},
		{"settings of a user are unknown", structured(entity, user(`,"settings":"x"`)), ""},
		{"entity of 1970", structured(entity, user(""), "time", `"1970-01-01T00:00:00Z"`), ""},
		{"entity of 1969", structured(entity, user(""), "time", `"1969-12-31T23:59:59.999Z"`), InvalidValue},
		{"entity of next year", structured(entity, user(""), "time", `"2027-12-31T00:00:00Z"`), ""},
		{"earliest date", structured(message, chat(""), "time", `"2025-10-31T00:00:00Z"`), ""},
		{"a day before it", structured(message, chat(""), "time", `"2025-10-30T23:59:59.999Z"`), TooOld},
		{"year 0000", structured(message, chat(""), "time", `"0000-01-01T00:00:00Z"`), TooOld},
		{"24 h ahead", structured(message, chat(""), "time", `"2026-11-01T12:00:00Z"`), ""},
		{"24 h and 1 ms ahead", structured(message, chat(""), "time", `"2026-11-01T12:00:00.001Z"`), InFuture},
		{"the offset decides the UTC day", structured(message, chat(""), "time", `"2025-10-30T23:00:00-01:00"`), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, rej := decodeBoth(t, &Record{Value: c.value}, benchNow)
			switch {
			case rej == nil && c.want != "":
				t.Errorf("accepted, want %s", c.want)
			case rej != nil && rej.Reason != c.want:
				t.Errorf("%s (%s), want %q", rej.Reason, rej.Detail, c.want)
			case rej != nil && (rej.Detail == "" || len(rej.Detail) > 400):
				t.Errorf("detail %q", rej.Detail)
			}
		})
	}
}

func TestBinaryMode(t *testing.T) {
	rec := &Record{Value: []byte(request("")), Headers: binaryHeaders(token)}
	binary, rej := decodeBoth(t, rec, benchNow)
	if rej != nil {
		t.Fatal(rej.Detail)
	}
	same, rej := decodeBoth(t, &Record{Value: structured(token, request(""), "id", `"id-1"`)}, benchNow)
	if rej != nil || same.EventID != binary.EventID || same.Version != binary.Version {
		t.Errorf("the same event in structured mode is another: %v", rej)
	}
	for want, broken := range map[Reason]*Record{
		MalformedJSON: {Headers: binaryHeaders(token)},
		NotCloudEvent: {Headers: binaryHeaders(token)[:3], Value: []byte(request(""))},
		UnknownType:   {Headers: binaryHeaders("x"), Value: []byte(request(""))},
		InvalidValue:  {Headers: binaryHeaders(token), Value: []byte(`[]`)},
		MissingField:  {Headers: binaryHeaders(token), Value: []byte(`null`)},
	} {
		if _, rej := decodeBoth(t, broken, benchNow); rej == nil || rej.Reason != want {
			t.Errorf("%+v, want %s", rej, want)
		}
	}
}

// The version is a hash of the content. Two spellings of one content have the same version, and
// different content has another one.
func TestVersionIsOfTheContent(t *testing.T) {
	version := func(value []byte) (EventID, uint64) {
		t.Helper()
		ev, rej := decodeBoth(t, &Record{Value: value}, benchNow)
		if rej != nil {
			t.Fatal(rej.Detail)
		}
		if ev.Version&1 != 0 {
			t.Error("the lowest bit is the tombstones'")
		}
		return ev.EventID, ev.Version
	}
	id, first := version(structured(token, request(`,"cost_usd":0.5,"client":"web"`)))
	for name, value := range map[string][]byte{
		"key order": structured(token,
			`{"client":"web","cost_usd":0.5,"completion_tokens":2,"prompt_tokens":1,"model":"m","user_id":"u","org_id":"o"}`),
		"unknown key": structured(token, request(`,"cost_usd":0.5,"client":"web","x":1`)),
		"offset": structured(token, request(`,"cost_usd":0.5,"client":"web"`), "time",
			`"2026-10-31T10:15:30.0004+02:00"`),
		"cost as a text": structured(token, request(`,"cost_usd":"0.50","client":"web"`)),
		"escapes":        structured(token, request(`,"cost_usd":5e-1,"client":"\u0077eb"`)),
		"null":           structured(token, request(`,"cost_usd":0.5,"client":"web","provider":null,"byok":false`)),
	} {
		if i, v := version(value); i != id || v != first {
			t.Errorf("%s makes it another event or version", name)
		}
	}
	for name, value := range map[string][]byte{
		"cost":      structured(token, request(`,"cost_usd":0.6,"client":"web"`)),
		"client":    structured(token, request(`,"cost_usd":0.5,"client":"we"`)),
		"a ms":      structured(token, request(`,"cost_usd":0.5,"client":"web"`), "time", `"2026-10-31T08:15:30.001Z"`),
		"the field": structured(token, request(`,"cost_usd":0.5,"deployment":"web"`)),
	} {
		if i, v := version(value); i != id || v == first {
			t.Errorf("another %s: same id %v, same version %v", name, i == id, v == first)
		}
	}
	if i, _ := version(structured(token, request(""), "id", `"id-2"`)); i == id {
		t.Error("another id is another event")
	}
	if i, _ := version(structured(token, request(""), "source", `"/other"`)); i == id {
		t.Error("another source is another event")
	}
}

func TestCosts(t *testing.T) {
	for number, nano := range map[string]uint64{
		"0": 0, "-0": 0, "-0.0": 0, "1": 1e9, "0.000000001": 1, "1.5e-9": 2, "2.5e-9": 2, "0.0000000005": 0,
		"0.00000000050000000001": 1, "0.0000000015": 2,
		"1e9": 1e18, "1E+9": 1e18, "999999999.9999999999": 1e18, "1e-400": 0, "0e99999999999999999999": 0,
		"123.456": 123456000000, "-1e-10": 0, "1e-99999999999999999999": 0,
		"0.05e-9223372036854775808": 0, "0.05e-2147483648": 0, "0e9223372036854775807": 0,
		"0.1234567885": 123456788, "0.1234567895": 123456790, "12345e-4": 1234500000,
	} {
		if got, ok := roundedNano([]byte(number)); !ok || got != nano {
			t.Errorf("%s: %d %v, want %d", number, got, ok, nano)
		}
	}
	for _, number := range []string{
		"1e10", "1000000000.0000000006", "1e99999999999999999999", "-1", "-1e-9", "99999999999999999999999",
		"5e9223372036854775807", "5e2147483647", "5e9223372036854775798", "5.5e+9223372036854775807",
	} {
		if got, ok := roundedNano([]byte(number)); ok {
			t.Errorf("%s is accepted as %d", number, got)
		}
	}
}

// Decimal types of several languages print small and large costs with an exponent. The value is
// what counts. A text is never rounded: written out, it has at most 9 digits after the point.
func TestCostTexts(t *testing.T) {
	for text, nano := range map[string]uint64{
		"3.5E-7": 350, "3.5e-7": 350, "35E-8": 350, "0.00035e-3": 350, "1e9": 1e18, "1E+2": 1e11, "1e0": 1e9, "1e-0": 1e9,
		"1E-9": 1, "12.345e1": 123450000000, "1.123456789e0": 1123456789, "1234567890e-9": 1234567890, "0.1e9": 1e17,
		"1.1234567890e1": 11234567890, "007e00002": 7e11, "0": 0, "0.0": 0, "-0": 0, "-0.00": 0, "0e5": 0, "0E-9": 0,
		"0e999999999": 0, "0e99999999999999999999": 0, "0.0e0": 0, "0.00000000000000000000e11": 0,
		"1e00000000000000000000000000000000":          1e9,
		"0." + strings.Repeat("0", 9999) + "35e10001": 35e9,
		strings.Repeat("0", 9999) + "1":               1e9,
	} {
		if got, ok := writtenNano([]byte(text)); !ok || got != nano {
			t.Errorf("the text %.40q: %d %v, want %d", text, got, ok, nano)
		}
	}
	for _, text := range []string{
		"", ".5", "5.", "1.2.3", "+1", "-1", " 1", "1 ", "1000000000.000000001", "0.1234567890",
		"0.0000000000", "1e", "1e+", "e3",
		"1e3.5", "1e--3", "1e3 ", "1,5", "1_000", "0x1", "NaN", "Infinity", "inf", "-", "--0", "1ee3", "١", "1e１",
		"1e10", "1.0E-9", "1e-10", "0E-10", "0e-999999999", "1e-99999999999999999999", "1e999999999",
		"1e99999999999999999999", "5e9223372036854775807", "0.5e-9223372036854775808", "5e2147483647",
		"1000000001e0", "-1e0", "-1E-9", "-1e-10", "1000000000000000000000000", "1e1000000000000000000000",
	} {
		if got, ok := writtenNano([]byte(text)); ok {
			t.Errorf("the text %q is accepted as %d", text, got)
		}
	}
}

// parseTime agrees with the standard library on every day of 800 years.
func TestTimes(t *testing.T) {
	for at := time.Date(1600, 1, 1, 23, 59, 59, 987_654_321,
		time.FixedZone("", 5*3600+1800)); at.Year() < 2400; at = at.Add(25 * time.Hour) {
		text := at.Format(time.RFC3339Nano)
		got, ok := parseTime([]byte(text))
		if want := at.Unix()*1000 + 987; !ok || int64(got) != want {
			t.Fatalf("%s: %d %v, want %d", text, got, ok, want)
		}
	}
	for text, want := range map[string]int64{"1970-01-01T00:00:00.1Z": 100, "1970-01-01T00:00:00.0009999Z": 0,
		"1969-12-31T23:59:59.9999+00:00": -1, "1970-01-01T00:00:00-23:59": 86_340_000,
		"2016-12-31T23:59:60Z": 1483228799999, "2016-12-31T23:59:60.000Z": 1483228799999,
		"2016-12-31t23:59:60.9999z": 1483228799999,
		"2017-01-01T00:59:60+01:00": 1483228799999, "2016-12-31T18:59:60.5-05:00": 1483228799999,
		"2017-01-01T05:29:60+05:30": 1483228799999,
		"1970-01-01T00:00:60Z":      59_999, "1969-12-31T23:59:60Z": -1} {
		if got, ok := parseTime([]byte(text)); !ok || int64(got) != want {
			t.Errorf("%s: %d %v, want %d", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "2026-10-31T08:15:30.Z", "2026-10-31T08:15:30+0200", "2026-10-31T24:00:00Z",
		"2026-10-31T08:60:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-10-00T00:00:00Z",
		"2025-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2026-10-31T08:15:30+24:00", "2026-10-31T08:15:30+01:60",
		"2026-10-31T08:15:30ZZ", "+026-10-31T08:15:30Z", "2026-10-31T08:15:3\xffZ",
		"2016-12-31T23:59:61Z", "2016-12-31T23:60:60Z", "2016-12-31T24:00:60Z", "2016-12-31T23:59:60",
		"2016-12-31T23:59:60.Z"} {
		if got, ok := parseTime([]byte(text)); ok {
			t.Errorf("%q is accepted as %d", text, got)
		}
	}
}

func TestEarliestIsTheSameDayOrTheMonthsLast(t *testing.T) {
	for today, want := range map[string]string{
		"2026-10-31": "2025-10-31", "2024-02-29": "2023-02-28", "2025-02-28": "2024-02-28", "2025-03-01": "2024-03-01",
		"2026-01-01": "2025-01-01",
	} {
		at, _ := time.Parse(time.DateOnly, today)
		if got := Earliest(DayOf(at)).String(); got != want {
			t.Errorf("%s: %s, want %s", today, got, want)
		}
	}
}

func TestEventFields(t *testing.T) {
	ev, rej := decodeBoth(t, &Record{
		Value: structured(entity,
			`{"org_id":"o","kind":"workspace","id":"o","name":"Käse","joined_at":"2020-02-29","settings":{"workflows":true}}`),
	}, benchNow)
	if rej != nil {
		t.Fatal(rej.Detail)
	}
	e := ev.Entity
	if e.Kind != Workspace || string(e.Name) != "Käse" || e.JoinedAt.String() != "2020-02-29" ||
		*e.Settings != (Settings{UserLevelData: true, Workflows: true}) {
		t.Errorf("%+v", e)
	}
	ev, rej = decodeBoth(t, &Record{
		Value: structured(entity,
			user(`,"company_name":"C","license_type":"L","status":"suspended","group_ids":["h","g"]`)),
	}, benchNow)
	if e := ev.Entity; rej != nil || string(e.Company)+string(e.License) != "CL" || e.Status != Suspended ||
		fmt.Sprintf("%s", e.GroupIDs) != "[g h]" {
		t.Errorf("%+v %v", ev.Entity, rej)
	}
	ev, rej = decodeBoth(t, &Record{Value: structured(entity, `{"org_id":"o","kind":"group","id":"g"}`)}, benchNow)
	if rej != nil || ev.Entity.Kind != Group || ev.Entity.Status != Active {
		t.Errorf("%+v %v", ev.Entity, rej)
	}
	ev, rej = decodeBoth(t, &Record{
		Value: structured(workflow,
			`{"org_id":"o","workflow_id":"w","run_id":"r","status":"cancelled","duration_ms":77,"trigger":"t","error_type":"e","user_id":"u"}`),
	}, benchNow)
	if rej != nil || ev.DurationMS != 77 ||
		string(ev.Status)+string(ev.Run)+string(ev.Trigger)+string(ev.ErrorType)+string(ev.Workflow)+
			string(ev.User) != "cancelledrtewu" || ev.Day.String() != "2026-10-31" {
		t.Errorf("%+v %v", ev, rej)
	}
}

func TestRejectionNamesWhomItSpeaksOf(t *testing.T) {
	_, rej := decodeBoth(t, &Record{Value: structured(entity, user(`,"role":"owner"`))}, benchNow)
	if rej == nil || rej.Org != "o" || rej.User != "u" {
		t.Errorf("%+v", rej)
	}
}

func TestDecodingUsualEventsAllocatesNothing(t *testing.T) {
	d := NewDecoder()
	ev := new(Event)
	for _, value := range [][]byte{[]byte(benchMessage), usualRecords["user"]} {
		rec := &Record{Value: value}
		if n := testing.AllocsPerRun(100, func() { d.Decode(rec, benchNow, ev) }); n != 0 {
			t.Errorf("%v allocations for %s", n, value)
		}
	}
}
