package access

import (
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"rollcall/deploy/demo/embedded/enginetest"
	"rollcall/schema/tables"
)

// A fixture is a gate with its keys, on a database of its own.
type fixture struct {
	*testing.T
	conn    driver.Conn
	options tables.Options
	keys    *Keys
	gate    *Gate
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{T: t, options: enginetest.Database(t)}
	var err error
	if f.conn, err = tables.Open(f.options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.conn.Close() })
	f.keys = OpenKeys(f.conn)
	f.gate = New(Config{Secret: []byte("a secret for tests only"), Now: time.Now}, f.conn, f.keys)
	return f
}

// key makes a key for a workspace.
func (f *fixture) key(org string) (id, text string) {
	f.Helper()
	id, text, err := f.keys.Create(f.Context(), org, org+"'s key", 0)
	if err != nil {
		f.Fatal(err)
	}
	return id, text
}

// until waits until done is true, which other goroutines make true. It fails the test after 10 s.
func (f *fixture) until(what string, done func() bool) {
	f.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); {
		if time.Now().After(deadline) {
			f.Fatalf("not within 10 s: %s", what)
		}
		time.Sleep(5 * time.Millisecond) // between two polls; no result depends on this time
	}
}
