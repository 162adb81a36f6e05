package export

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// brokenSelect is a connection whose Select panics, as a bug would. Select reads the plan, and
// every request for rows does that in another goroutine than the handler's.
type brokenSelect struct{ driver.Conn }

func (brokenSelect) Select(context.Context, any, string, ...any) error { panic("a bug") }

// A panic in a goroutine of a request ends this request only. The process and all other downloads
// go on.
func TestAPanicEndsItsRequestAlone(t *testing.T) {
	f := newFixture(t)
	_, key := f.key("acme")
	working := f.service.conn
	for _, path := range []string{"/v1/exports/users?range=this_month", "/app/summary?range=this_month"} {
		f.log.Reset()
		f.service.conn = brokenSelect{working}
		f.want(f.get(path, key), http.StatusInternalServerError)
		if log := f.log.String(); !strings.Contains(log, "panic: a bug") || !strings.Contains(log, "tables.ReadPlan") {
			t.Errorf("%s: the log does not say what panicked, and where: %s", path, log)
		}
		f.service.conn = working
		f.want(f.get(path, key), http.StatusOK)
	}
}
