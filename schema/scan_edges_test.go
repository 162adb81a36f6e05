package schema

import (
	"bytes"
	"reflect"
	"slices"
	"testing"
)

// usualRecords are like those that producers send. The scanner must be sure of them: the full
// decoder takes five times as long.
var usualRecords = map[string][]byte{
	"message": structured(message, chat(`,"client":"web","model":"m","note":"of no interest"`)),
	"request": structured(token, request(`,"cached_prompt_tokens":0,"cost_usd":0.25,"byok":true,"x":12.5,"y":null`)),
	"run": structured(workflow, `{"org_id":"o","workflow_id":"w","run_id":"r",`+
		`"status":"failed","duration_ms":10,"byok":false}`),
	"workspace": structured(entity, `{"org_id":"o","kind":"workspace","id":"o","name":"Käse",`+
		`"settings":{"byok":true,"workflows":false,"pseudonymize":null}}`),
	"user": structured(entity, user(`,"department":"R&D","company_name":"Acme","license_type":"pro","status":"invited",`+
		`"group_ids":["engines","Käse","engines"],"group_ids":["a" , "b"],"email":"a@x"`)),
	"user of no group": structured(entity, user(`,"group_ids":[ ]`)),
	"spaces": []byte(" { \"specversion\" : \"1.0\" ,\n\t\"id\" : \"i\" , \"source\":\"s\",\"type\":\"usage.message.v1\",\r\n" +
		"\"time\":\"2026-10-31T08:15:30Z\" , \"data\" : { \"org_id\" : \"o\" ,\t\"user_id\" : \"u\" ,\n" +
		"\"channel\" : \"chat\" } } \n"),
	"nothing": []byte(`{"data":{}}`),
}

func TestScannerIsSureOfUsualRecords(t *testing.T) {
	for name, value := range usualRecords {
		t.Run(name, func(t *testing.T) {
			if !NewDecoder().scan(modeStructured, value) {
				t.Errorf("the scanner gives up: %s", value)
			}
		})
	}
	if !NewDecoder().scan(modeBinary, []byte(request(`,"prompt_tokens":3`))) {
		t.Error("the scanner gives up data")
	}
}

// Wherever a record is cut, and whichever byte of it is changed, the scanner accepts nothing that
// the full decoder reads otherwise.
func TestDecodersAgreeOnEveryCutAndChange(t *testing.T) {
	others := []byte("\"\\{}[],: \n\x000Z9.-et\x1f\x7f\x80\xff")
	for name, value := range usualRecords {
		t.Run(name, func(t *testing.T) {
			for at := range value {
				sameByBoth(t, value[:at])
				sameByBoth(t, value[at:])
				for _, other := range others {
					changed := slices.Clone(value)
					changed[at] = other
					sameByBoth(t, changed)
				}
			}
			sameByBoth(t, value)
		})
	}
}

func sameByBoth(t *testing.T, value []byte) {
	t.Helper()
	rec := &Record{Value: bytes.Clone(value)}
	var scanned, full Event
	a := NewDecoder().decode(rec, benchNow, &scanned, true)
	b := NewDecoder().decode(rec, benchNow, &full, false)
	if !reflect.DeepEqual(a, b) {
		t.Fatalf("%s: the scanner says %+v, the full decoder %+v", value, a, b)
	}
	if a == nil && !reflect.DeepEqual(normal(scanned), normal(full)) {
		t.Fatalf("%s: the scanner finds %+v, the full decoder %+v", value, scanned, full)
	}
}
