package export

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// A failing connection takes no audit row while fails is true.
type failing struct {
	driver.Conn
	fails atomic.Bool
}

func (c *failing) PrepareBatch(
	ctx context.Context, query string, o ...driver.PrepareBatchOption,
) (driver.Batch, error) {
	if c.fails.Load() {
		return nil, errors.New("the engine is away")
	}
	return c.Conn.PrepareBatch(ctx, query, o...)
}

// Rows that could not be written are written with the next ones: each once, and in its last state.
func TestAuditIsWrittenAgain(t *testing.T) {
	f := newFixture(t)
	conn := &failing{Conn: f.conn}
	f.service.audit.conn = conn
	_, key := f.key("acme")
	ask := func() { f.want(f.get("/v1/exports/teams", key), 404) } // refused: its end is its only row
	f.service.audit.setRunning(true)
	ask()
	ask()
	conn.fails.Store(true)
	f.service.audit.flush(t.Context())
	ask()
	f.service.audit.flush(t.Context())
	if n := f.audited(); n != 0 {
		t.Fatalf("%d rows while the engine takes none", n)
	}
	conn.fails.Store(false)
	f.service.audit.flush(t.Context())
	if n := f.audited(); n != 3 {
		t.Errorf("%d rows after the engine is back, want 3", n)
	}
	f.service.audit.flush(t.Context())
	if n := f.audited(); n != 3 {
		t.Errorf("%d rows after another look, want 3", n)
	}
}

// A single failed write loses no row when the service stops.
func TestAuditIsWrittenAgainAtTheEnd(t *testing.T) {
	f := newFixture(t)
	f.service.audit.conn = &once{Conn: f.conn}
	_, key := f.key("acme")
	f.service.audit.setRunning(true)
	f.want(f.get("/v1/exports/teams", key), 404)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := f.service.audit.run(ctx); err != nil {
		t.Fatal(err)
	}
	if n := f.audited(); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
}

// once is a connection whose first insert fails, and no other.
type once struct {
	driver.Conn
	failed atomic.Bool
}

func (c *once) PrepareBatch(ctx context.Context, query string, o ...driver.PrepareBatchOption) (driver.Batch, error) {
	if !c.failed.Swap(true) {
		return nil, errors.New("the connection was closed")
	}
	return c.Conn.PrepareBatch(ctx, query, o...)
}

// audited returns the number of rows in the audit table, with duplicates.
func (f *fixture) audited() (n uint64) {
	f.Helper()
	if err := f.conn.QueryRow(f.Context(), "SELECT count() FROM export_audit").Scan(&n); err != nil {
		f.Fatal(err)
	}
	return n
}
