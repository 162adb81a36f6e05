package export

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// movingLog is a connection to a database that fails the first statements with a guard. A real one
// does so if rows were removed between a plan and its statement.
type movingLog struct {
	driver.Conn
	left *atomic.Int64 // how many further statements fail
}

var errMoved = errors.New("code: 395, message: rollcall: stale plan: while executing 'FUNCTION throwIf'")

func (c movingLog) moved(query string) bool {
	return strings.Contains(query, "rollcall: stale") && c.left.Add(-1) >= 0
}

func (c movingLog) Select(ctx context.Context, dest any, query string, args ...any) error {
	if c.moved(query) {
		return errMoved
	}
	return c.Conn.Select(ctx, dest, query, args...)
}

func (c movingLog) QueryRow(ctx context.Context, query string, args ...any) driver.Row {
	if c.moved(query) {
		return movedRow{}
	}
	return c.Conn.QueryRow(ctx, query, args...)
}

func (c movingLog) QueryFormat(ctx context.Context, format, query string, args ...any) (io.ReadCloser, error) {
	if c.moved(query) {
		return nil, errMoved
	}
	return c.Conn.QueryFormat(ctx, format, query, args...)
}

type movedRow struct{}

func (movedRow) Err() error           { return errMoved }
func (movedRow) Scan(...any) error    { return errMoved }
func (movedRow) ScanStruct(any) error { return errMoved }

// Every kind of request that reads by a plan is planned again if its plan did not hold. If no plan
// holds, the client is told to try again, and this does not count as a failure of the service.
func TestEveryRequestIsPlannedAgain(t *testing.T) {
	f := newFixture(t)
	f.event("acme", yesterday(), nil)
	f.generation("acme", 1, "ada") // every plan relies on its rows
	_, key := f.key("acme")
	plain := f.service.conn
	for _, c := range []struct{ method, path, body string }{
		{http.MethodGet, "/v1/exports", ""},
		{http.MethodGet, "/v1/exports/users?" + lastDays(), ""},
		{http.MethodGet, "/app/summary?" + lastDays(), ""},
		{http.MethodGet, "/app/preview/users?" + lastDays(), ""},
		{http.MethodPost, "/export/users", dropIn()},
		{http.MethodPost, "/export/users/json", dropIn()},
	} {
		for fail, want := range map[int64]int{maxPlans: 200, 1 << 20: 503} {
			left := new(atomic.Int64)
			left.Store(fail)
			f.service.conn = movingLog{plain, left}
			a := f.do(c.method, c.path, key, c.body)
			if a.StatusCode != want || want == 503 && a.Header.Get("Retry-After") != "1" {
				t.Errorf("%s %s, %d stale plans: status %d, want %d; Retry-After %q: %s",
					c.method, c.path, fail, a.StatusCode, want, a.Header.Get("Retry-After"), a.body)
			}
		}
	}
}

// movingVersion is a connection whose first statements fail because the log moved.
type movingVersion struct {
	driver.Conn
	left *atomic.Int64
}

func (c movingVersion) QueryFormat(ctx context.Context, format, query string, args ...any) (io.ReadCloser, error) {
	if c.left.Add(-1) >= 0 {
		return nil, errors.New("code: 395, message: rollcall: stale version: while executing 'FUNCTION throwIf'")
	}
	return c.Conn.QueryFormat(ctx, format, query, args...)
}

// The log moves, and rows are gone, too. The engine says only the former, but the last plan does
// not rely on the rows that are gone.
func TestRowsThatAreGoneWhileTheLogMoves(t *testing.T) {
	f := newFixture(t)
	f.event("acme", yesterday(), nil)
	f.generation("acme", 1, "ada")
	f.exec("TRUNCATE TABLE message_daily")
	_, key := f.key("acme")
	left := new(atomic.Int64)
	left.Store(maxPlans)
	f.service.conn = movingVersion{f.service.conn, left}
	if a := f.want(f.get("/v1/exports/users?"+lastDays(), key), 200); !strings.Contains(a.body, "ada") {
		t.Errorf("%s", a.body)
	}
}
