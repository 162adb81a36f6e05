package access

import (
	"context"
	"testing"
	"time"

	"rollcall/deploy/demo/embedded/enginetest"
	"rollcall/schema/tables"
)

func TestExpiringCountsWorkspacesAboutToBeWithoutAKey(t *testing.T) {
	ctx := context.Background()
	conn, err := tables.Open(enginetest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	keys := OpenKeys(conn)
	const day = 24 * time.Hour
	create := func(org string, expires time.Duration) string {
		t.Helper()
		id, _, err := keys.Create(ctx, org, "", expires)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	create("soon", 3*day)
	create("forever", 0)
	create("later", 30*day)
	create("rotated", 3*day)
	create("rotated", 90*day)
	create("two", 2*day)
	create("two", 4*day)
	gone := create("gone", 3*day)
	if err := keys.Revoke(ctx, gone); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for at, want := range map[time.Duration]uint64{
		0: 2, 3*day + time.Hour: 2 /* soon's has just ended */, 5 * day: 0, 25 * day: 1,
	} {
		if n, err := keys.expiring(ctx, now.Add(at)); err != nil || n != want {
			t.Errorf("after %v: %d, %v; want %d", at, n, err, want)
		}
	}
}
