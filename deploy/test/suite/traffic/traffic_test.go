package traffic

import (
	"reflect"
	"testing"
	"time"

	"rollcall/deploy/test/suite/oracle"
)

func TestTrafficHasEverythingItPromises(t *testing.T) {
	now := time.Date(2026, 10, 14, 15, 0, 0, 0, time.UTC)
	c := Config{Seed: 1, Now: now, Events: 5000, Topics: []string{"a", "b"}}
	records := Make(c)
	if !reflect.DeepEqual(records, Make(c)) {
		t.Error("the same seed makes other records")
	}
	o := oracle.New()
	accepted := 0
	for _, r := range records {
		in := oracle.Record{Value: r.Value}
		for _, h := range r.Headers {
			in.Headers = append(in.Headers, oracle.Header(h))
		}
		if o.Add(in, now) == "" {
			accepted++
		}
	}
	t.Logf("%d records, %d accepted, %d events, %d repeated, %d conflicts, rejected: %v", len(records), accepted, o.Len(),
		o.Repeated, len(o.Conflicts()), o.Rejected)
	if o.Len() < 4500 || o.Repeated < 500 || len(o.Conflicts()) < 200 {
		t.Error("too few events, repetitions or conflicts")
	}
	for _, reason := range []string{
		"malformed_json", "not_cloudevent", "unknown_type", "missing_field", "invalid_value", "too_old", "in_future",
	} {
		if o.Rejected[reason] == 0 {
			t.Errorf("nothing is rejected as %s", reason)
		}
	}
	if broken := len(records) - accepted; broken > c.Events/20 {
		t.Errorf("%d records were rejected: valid ones must be among them: %v", broken, o.Rejected)
	}
}
