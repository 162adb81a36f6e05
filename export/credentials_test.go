package export

import (
	"context"
	"testing"
	"time"
)

// A key is rotated without a refused request: a new key is made, both keys work while clients
// change over, and the old key is revoked.
func TestRotation(t *testing.T) {
	f := newFixture(t)
	f.event("acme", yesterday(), nil)
	path := "/v1/exports/users?" + lastDays()
	oldID, old := f.key("acme")
	f.want(f.get(path, old), 200)
	_, fresh := f.key("acme")
	for range 3 {
		f.want(f.get(path, old), 200)
		f.want(f.get(path, fresh), 200)
	}
	if err := f.service.keys.Revoke(t.Context(), oldID); err != nil {
		t.Fatal(err)
	}
	f.want(f.get(path, fresh), 200)
	f.want(f.get(path, old), 401)
}

// Run sets the metric of workspaces whose last key expires soon.
func TestRunShowsExpiringKeys(t *testing.T) {
	f := newFixture(t)
	if _, _, err := f.service.keys.Create(t.Context(), "acme", "", time.Hour); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- f.service.Run(ctx) }()
	deadline := time.Now().Add(10 * time.Second)
	for f.gauge("rollcall_export_keys_expiring") != 1 {
		if time.Now().After(deadline) {
			t.Fatal("the key that expires within the hour is not shown")
		}
		<-time.After(10 * time.Millisecond)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func (f *fixture) gauge(name string) float64 {
	f.Helper()
	families, err := f.reg.Gather()
	if err != nil {
		f.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == name {
			return family.GetMetric()[0].GetGauge().GetValue()
		}
	}
	return -1
}
