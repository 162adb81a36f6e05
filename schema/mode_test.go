package schema

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// headers are pairs of names and values; a nil value is Kafka's null.
func headers(pairs ...any) (all []Header) {
	for i := 0; i < len(pairs); i += 2 {
		h := Header{Key: []byte(pairs[i].(string))}
		if value, ok := pairs[i+1].(string); ok {
			h.Value = []byte(value)
		}
		all = append(all, h)
	}
	return all
}

// The content type decides the mode, then ce_specversion. Each row is tried twice: with an envelope
// as the value and with data alone. Only the one that fits the mode is an event.
func TestContentModes(t *testing.T) {
	ce := binaryHeaders(message)[:5]
	with := func(more ...any) []Header { return slices.Concat(ce, headers(more...)) }
	const structuredType = "application/cloudevents+json"
	for _, c := range []struct {
		name    string
		headers []Header
		want    mode
	}{
		{"none", nil, modeStructured},
		{"others", headers("trace", "\xff", "ce_", "", "", "", "contenttype", "x"), modeStructured},
		{"attributes without ce_specversion", ce[1:], modeStructured},
		{"attributes", ce, modeBinary},
		{"attributes and a type of data", append(headers("content-type", "application/json; charset=utf-8"), ce...),
			modeBinary},
		{"a type of data alone", headers("content-type", "application/json"), modeStructured},
		{"structured", headers("content-type", structuredType), modeStructured},
		{"structured, as official SDKs send it", with("content-type", structuredType), modeStructured},
		{"structured, the type first", append(headers("content-type", structuredType), ce...), modeStructured},
		{"structured, with a charset", with("content-type", structuredType+"; charset=UTF-8"), modeStructured},
		{"structured, of no format", with("content-type", "application/cloudevents"), modeStructured},
		{"structured, in capitals", with("Content-Type", "Application/CloudEvents+JSON"), modeStructured},
		{"structured, behind blanks", with("content-type", " \t"+structuredType), modeStructured},
		{"structured, with wrong attributes", headers("ce_specversion", "0.3", "ce_id", nil, "content-type", structuredType),
			modeStructured},
		{"nearly the type", with("content-type", "application/cloudevent"), modeBinary},
		{"the type within another", with("content-type", "text/plain; x=application/cloudevents+json"), modeBinary},
		{"nearly the header", with("content_type", structuredType, "xcontent-type", structuredType), modeBinary},
		{"the last type counts: structured", with("content-type", "application/json", "content-type", structuredType),
			modeStructured},
		{"the last type counts: data", with("content-type", structuredType, "Content-Type", "application/json"), modeBinary},
		{"the last type counts: null", with("content-type", structuredType, "content-type", nil), modeBinary},
		{"a null type", with("content-type", nil), modeBinary},
		{"an empty type", with("content-type", ""), modeBinary},
		{"a batch", headers("content-type", "application/cloudevents-batch+json"), modeBatch},
		{"a batch with attributes, in capitals", with("CONTENT-TYPE", " APPLICATION/CLOUDEVENTS-BATCH+JSON"), modeBatch},
	} {
		envelope := structured(message, chat(""))
		data := []byte(chat(""))
		verdicts := map[mode]*Rejection{}
		_, verdicts[modeStructured] = decodeBoth(t, &Record{Value: envelope, Headers: c.headers}, benchNow)
		_, verdicts[modeBinary] = decodeBoth(t, &Record{Value: data, Headers: c.headers}, benchNow)
		for of, rej := range verdicts {
			want := NotCloudEvent // data without an envelope
			switch {
			case of == c.want:
				want = ""
			case c.want == modeBinary:
				want = MissingField // the envelope is not data: it has no org_id
			}
			if got := reasonOf(rej); got != want {
				t.Errorf("%s, value of mode %d: %q (%+v), want %q", c.name, of, got, rej, want)
			}
		}
	}
}

func reasonOf(rej *Rejection) Reason {
	if rej == nil {
		return ""
	}
	return rej.Reason
}

// The attributes in a structured event's headers do not count.
func TestAStructuredEventIsItsValue(t *testing.T) {
	want := decoded(t, &Record{Value: structured(message, chat(""))})
	repeated := append(binaryHeaders(token), headers("ce_id", "another", "ce_source", "\xff", "ce_time", "never",
		"content-type", "application/cloudevents+json")...)
	got := decoded(t, &Record{Value: structured(message, chat("")), Headers: repeated})
	if got.EventID != want.EventID || got.Version != want.Version || got.Day != want.Day {
		t.Errorf("%+v is not %+v", got, want)
	}
}

func TestDataWithTheContentTypeOfAnEnvelopeIsToldSo(t *testing.T) {
	d := NewDecoder()
	var ev Event
	wrong := append(binaryHeaders(message), headers("content-type", "application/cloudevents+json")...)
	rej := d.Decode(&Record{Value: []byte(chat("")), Headers: wrong}, benchNow, &ev)
	if rej == nil || rej.Reason != NotCloudEvent ||
		!strings.Contains(rej.Detail, "content-type says that the value is the envelope") {
		t.Errorf("%+v", rej)
	}
	rej = d.Decode(&Record{Value: []byte(chat(""))}, benchNow, &ev) // the next record is judged by itself
	if rej == nil || !strings.HasPrefix(rej.Detail, "specversion is missing") {
		t.Errorf("%+v", rej)
	}
}

// The value of a rejected record that is no JSON, or too large, is searched for persons in the same
// mode.
func TestARejectIsReadInItsMode(t *testing.T) {
	repeated := append(binaryHeaders(message), headers("content-type", "application/cloudevents+json")...)
	const begin = `{"time":"2026-10-31T08:15:31Z","data":{"\u006frg_id":"o","user_id":"u","x":`
	for _, value := range []string{begin, begin + `"` + string(make([]byte, MaxValueBytes))} {
		_, rej := decodeBoth(t, &Record{Value: []byte(mark + value), Headers: repeated}, benchNow)
		if rej == nil || rej.Org != "o" || rej.User != "u" || rej.Time != 1793434531000 {
			t.Errorf("%.20s: %+v", value, rej)
		}
	}
}

// A byte order mark is passed over in both modes and changes nothing.
func TestAByteOrderMarkIsPassedOver(t *testing.T) {
	for _, rec := range []*Record{
		{Value: structured(token, request(""))},
		{Value: []byte(request("")), Headers: binaryHeaders(token)},
		{Value: []byte("\n" + request(`,"model":"\u006d"`)), Headers: binaryHeaders(token)},
	} {
		want := decoded(t, rec)
		rec.Value = append([]byte(mark), rec.Value...)
		if got := decoded(t, rec); got.EventID != want.EventID || got.Version != want.Version {
			t.Errorf("%s is another event", rec.Value)
		}
	}
	_, rej := decodeBoth(t, &Record{Value: []byte(mark + `{"a":x}`)}, benchNow)
	if rej == nil || rej.Detail != `the value is not JSON: invalid character 'x' at start of value at byte 8` {
		t.Errorf("%+v: the mark counts in the place of an error", rej)
	}
}

// The escape of a lone surrogate stands for U+FFFD everywhere. The standard library reads it in the
// same way.
func TestLoneSurrogates(t *testing.T) {
	for _, escaped := range []string{
		`\ud83d`, `\ude00`, `\ud83d\ud83d\ude00`, `\ude00\ud83d`, `\ud83dx`, `\ud83d\n`, `\uD83D\u0041`, `\ud83d\ud83d`,
		`\ud83d\ude00`, `\ude00\ud83d\ude00\ud83d`, `\\ud83d`, `\\\ud83d`, `\udbff\udfff`, `\ud7ff\ue000`, `\ud800\ue000`,
	} {
		var want string
		if err := json.Unmarshal([]byte(`"a`+escaped+`z"`), &want); err != nil {
			t.Fatal(err)
		}
		quoted := fmt.Sprintf(`"a%sz"`, escaped)
		unknown := quoted + `:{` + quoted + `:[` + quoted + `]}`
		ev := decoded(t, &Record{Value: structured(message, chat(`,"client":`+quoted+`,`+unknown), "id", quoted)})
		if string(ev.Client) != want || string(ev.ID) != want {
			t.Errorf("%s: %q and %q, want %q", escaped, ev.Client, ev.ID, want)
		}
		same := decoded(t, &Record{Value: structured(message, chat(`,"client":`+quoted), "id", quoted)})
		written, _ := json.Marshal(want)
		replaced := decoded(t, &Record{Value: structured(message, chat(`,"client":`+string(written)), "id", string(written))})
		if ev.Version != same.Version || same.Version != replaced.Version || same.EventID != replaced.EventID {
			t.Errorf("%s is not one event with %q", escaped, want)
		}
	}
	key := decoded(t, &Record{Value: structured(message, chat(`,"\ud83d":1,"model\ud83d":"x","\ufffd":2`))})
	if key.Version != decoded(t, &Record{Value: structured(message, chat(""))}).Version {
		t.Error("a key with a lone surrogate is known")
	}
}

// In rejected records, too, names are found after the escapes of lone surrogates.
func TestARejectsNamesMayHaveLoneSurrogates(t *testing.T) {
	for value, user := range map[string]string{
		`{"data":{"org_id":"o","user_id":"u\ud83d","x":}}`: "u\ufffd",
		`{"data":{"x":,"user_id":"u\ud83d"}}`:              "u\ufffd",
		"{\"data\":{\"x\":,\"user_id\":\"u\xff\"}}":        "",
	} {
		if _, rej := decodeBoth(t, &Record{Value: []byte(value)}, benchNow); rej == nil || rej.User != user {
			t.Errorf("%s: %+v, want %q", value, rej, user)
		}
	}
}

// A rejection says what is wrong, and quotes what came.
func TestDetailsSayWhatCame(t *testing.T) {
	version := func(v string) string { return string(structured(message, chat(""), "specversion", v)) }
	cost := func(v string) string { return string(structured(token, request(`,"cost_usd":`+v))) }
	const only = `; send the text "1.0", the only version there is`
	const costs = "; send a number, or a decimal text of at most 9 fraction digits when written out, from 0 to 1000000000"
	for value, want := range map[string]string{
		version(`"0.3"`):   `specversion is "0.3"` + only,
		version(`1.0`):     `specversion is the number 1.0` + only,
		version(`null`):    `specversion is missing` + only,
		version(`[]`):      `specversion is a list` + only,
		cost(`"1e10"`):     `data.cost_usd is "1e10"` + costs,
		cost(`true`):       `data.cost_usd is true` + costs,
		`[]`:               "the record is a batch, by its value or its content-type; send each event as a record of its own",
		mark:               "the value is empty; send the event as JSON (deletions are entity events with deleted: true)",
		"\xfe\xff\x00{":    "the value is not JSON in UTF-8: it begins as UTF-16 does; send UTF-8",
		"{\"ä\":\"\xff\"}": "the value is not JSON: invalid UTF-8 at byte 7",
	} {
		if _, rej := decodeBoth(t, &Record{Value: []byte(value)}, benchNow); rej == nil || rej.Detail != want {
			t.Errorf("%s: %+v, want %s", value, rej, want)
		}
	}
}
