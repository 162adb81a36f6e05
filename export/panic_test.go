package export

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// broken is a connection that panics, as a bug would, where another goroutine of a request than the
// handler's uses it: when the summary's plan is read, and when the audit is written.
type broken struct {
	driver.Conn
	written atomic.Bool
}

func (c *broken) Select(ctx context.Context, to any, query string, args ...any) error {
	if strings.Contains(query, "FROM marks") {
		panic("a bug")
	}
	return c.Conn.Select(ctx, to, query, args...)
}

// InsertFormat panics once: the start of a request is written elsewhere, its end by the handler.
func (c *broken) InsertFormat(ctx context.Context, format, query string, rows io.Reader) error {
	if !c.written.Swap(true) {
		panic("a bug")
	}
	return c.Conn.InsertFormat(ctx, format, query, rows)
}

// A panic in a goroutine of a request ends this request only. The process and all other downloads
// go on.
func TestAPanicEndsItsRequestAlone(t *testing.T) {
	f := newFixture(t)
	_, key := f.key("acme")
	working := f.service.conn
	for _, c := range []struct {
		path  string
		conn  *driver.Conn
		where string
	}{
		{"/v1/exports/users?range=this_month", &f.service.audit.conn, "writeTogether"},
		{"/app/summary?range=this_month", &f.service.conn, "tables.ReadPlan"},
	} {
		f.log.Reset()
		*c.conn = &broken{Conn: working}
		f.want(f.get(c.path, key), http.StatusInternalServerError)
		if log := f.log.String(); !strings.Contains(log, "panic: a bug") || !strings.Contains(log, c.where) {
			t.Errorf("%s: the log does not say what panicked, and where: %s", c.path, log)
		}
		*c.conn = working
		f.want(f.get(c.path, key), http.StatusOK)
	}
}
