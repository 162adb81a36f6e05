package ingest

import (
	"testing"

	"rollcall/schema"
)

// A record that was too large to be held is erased with the person it names, like any other reject.
func TestALargeRecordNamesWhomItSpeaksOf(t *testing.T) {
	d := &decoder{schema: schema.NewDecoder()}
	cut := &schema.Record{Value: []byte(`{"data":{"org_id":"acme","user_id":"ada","channel":"chat","model":"xxxxxxxx`)}
	rej := d.verdict(cut, &largeValue{size: 100 << 20})
	if rej.Reason != schema.TooLarge || rej.Org != "acme" || rej.User != "ada" {
		t.Errorf("%+v", rej)
	}
}
