package schema

import (
	"reflect"
	"slices"
	"testing"
)

// FuzzDecode holds the scanner and the full decoder to the same verdict and the same event,
// whatever the input, in every content mode.
func FuzzDecode(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, value []byte, way byte) {
		rec := fuzzRecord(value, way)
		var scanned, full Event
		one := NewDecoder()
		two := NewDecoder()
		a := one.decode(rec, benchNow, &scanned, true)
		b := two.decode(rec, benchNow, &full, false)
		if !reflect.DeepEqual(a, b) {
			t.Fatalf("the scanner says %+v, the full decoder %+v", a, b)
		}
		if a == nil && !reflect.DeepEqual(normal(scanned), normal(full)) {
			t.Fatalf("the scanner finds %+v, the full decoder %+v", scanned, full)
		}
	})
}

// fuzzRecord is a record with that value. way chooses its headers among those that producers send.
func fuzzRecord(value []byte, way byte) *Record {
	return &Record{Value: value, Headers: fuzzWays[int(way)%len(fuzzWays)]}
}

var fuzzWays = [][]Header{
	nil,
	headers("content-type", "application/json"),
	append(binaryHeaders(message), headers("Content-Type", "application/cloudevents+json; charset=UTF-8")...),
	headers("content-type", "application/cloudevents-batch+json"),
	binaryHeaders(message),
	binaryHeaders("usage.action.v1"),
	binaryHeaders(token),
	binaryHeaders(workflow),
	binaryHeaders(entity),
	append(binaryHeaders(token), headers("ce_time", "2016-12-31T23:59:60.5Z", "ce_id", nil)...),
	append(binaryHeaders(entity), headers("ce_time", "2016-12-31T23:59:60.5Z")...),
}

func addSeeds(f *testing.F) {
	for _, value := range append(seeds, benchMessage) {
		for way := range fuzzWays {
			f.Add([]byte(value), byte(way))
		}
	}
	for _, more := range []string{
		mark, " ", `"x":"\ud83d"`, `"\ud83d\ud83d\ude00":1`, "\"x\":\"\xff\"",
		`"data_base64":null`, `"data_base64":""`, `"data_base64":7`, `"time":null`, `"id":null`, `"specversion":null`,
		`"time":"2026-10-31T08:15:60.9-05:30"`, `"time":"2026-10-31T08:15:61Z"`,
	} {
		for _, event := range [][]byte{
			structured(message, chat("")), structured(token, request(`,"cost_usd":"3.5E-7"`)),
			structured(entity, user(`,"name":"N"`)),
		} {
			f.Add(slices.Concat([]byte(more), event), byte(0))
			f.Add(slices.Concat(event[:len(event)-1], []byte(","+more+"}")), byte(2))
			f.Add(slices.Concat([]byte("{"+more+","), event[1:]), byte(1))
			f.Add(slices.Concat(event[:len(event)-2], []byte(","+more+"}}")), byte(0))
		}
	}
	for _, list := range []string{
		`[]`, ` [ "b" , "a", "b" ] `, `["\u0062","b"]`, `["a",""]`, `["a",null]`, `["a",7]`, `[["a"]]`, `["a",{"group_ids":["b"]}]`,
		`["a"],"group_ids":["b"]`, `["a"],"group_ids":null`, `["a"`, `["a",]`, `["a" "b"]`, `"a"`, `{}`, ids(64, `,"g0"`),
		ids(65, ""), "[" + text256(257) + "]", "[\"\xff\"]",
	} {
		f.Add(structured(entity, user(`,"status":"suspended","company_name":"C","license_type":"L","group_ids":`+list)), byte(0))
		f.Add([]byte(user(`,"group_ids":`+list)), byte(8))
	}
	for _, cost := range []string{
		`"1e9"`, `"1E+2"`, `"-0"`, `"0e999999999"`, `"1e-999999999999999999999"`, `"1.0E-9"`, `"1e"`,
		`1e9`, `1E+2`, `-0`, `0e999999999`,
		`1e-999999999999999999999`, `-1e-10`, `5e-10`, `1.5e-9`, `1e0000000000000000000002`, `"+1"`, `"007"`, `true`, `"NaN"`,
	} {
		f.Add(structured(token, request(`,"cost_usd":`+cost)), byte(0))
	}
}

// normal makes events comparable: an absent text is nil or empty.
func normal(ev Event) Event {
	texts(reflect.ValueOf(&ev).Elem())
	if ev.Entity != nil {
		e := *ev.Entity
		texts(reflect.ValueOf(&e).Elem())
		ev.Entity = &e
	}
	return ev
}

func texts(v reflect.Value) {
	for i := range v.NumField() {
		if f := v.Field(i); f.Type() == reflect.TypeFor[[]byte]() && f.Len() == 0 {
			f.SetZero()
		}
	}
}

func binaryHeaders(typ string) []Header {
	return []Header{
		{[]byte("ce_specversion"), []byte("1.0")}, {[]byte("ce_id"), []byte("id-1")}, {[]byte("ce_source"), []byte("/test")},
		{[]byte("ce_type"), []byte(typ)}, {[]byte("ce_time"), []byte("2026-10-31T08:15:30Z")},
		{[]byte("content-type"), []byte("application/json")},
	}
}

var seeds = []string{
	`{"specversion":"1.0","id":"1","source":"s","type":"usage.token.v1","time":"2026-10-31T10:15:30.123456+02:00","data":{"org_id":"o","model":"m","prompt_tokens":1,"completion_tokens":2,"api_key_id":"k","cost_usd":0.0000000005,"byok":true}}`,
	`{"org_id":"o","model":"m\u00e9","prompt_tokens":4294967295,"completion_tokens":0,"user_id":"ü","cost_usd":"1.5","byok":null,"x":{"y":[1,2,{}]}}`,
	`{"specversion":"1.0","id":"1","source":"s","type":"usage.entity.v1","time":"1999-10-31T10:15:30Z","data":{"org_id":"o","kind":"workspace","id":"o","name":"N","settings":{"byok":true},"settings":null}}`,
	`{"specversion":"1.0","id":"1","source":"s","type":"usage.workflow_run.v1","time":"2026-10-31t10:15:30z","data":{"org_id":"o","workflow_id":"w","run_id":"r","status":"failed","duration_ms":12.0}}`,
	`{"data":[],"data":{"org_id":1e2},"specversion":"1.0","id":"\ud83d\ude00","source":"\ud800"}`,
	`{"specversion":"1.0","id":"1","source":"s","type":"usage.token.v1","time":"2026-10-31T10:15:30Z","data":{"org_id":"o","model":"m","prompt_tokens":1,"completion_tokens":2,"user_id":"u","cached_prompt_token":3,"cached_pRompt_tokens":4,"user_idx":5,"byo":6,"id":7,"cached_prompt_tokens":8}}`,
	`[{"specversion":"1.0"}]`, `"text"`, ` {} `, `{"a":-0.5e-7,"b":01}`, "{\"id\":\"\x7f\u2028\"}",
	`{"id":"a` + "\x80" + `"}`, `{"data":{"settings":[],"deleted":"","cost_usd":-0}}`,
}
