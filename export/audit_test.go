package export

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"rollcall/export/access"
)

// A failing connection takes no audit row while fails is true.
type failing struct {
	driver.Conn
	fails atomic.Bool
}

func (c *failing) InsertFormat(ctx context.Context, format, query string, rows io.Reader) error {
	if c.fails.Load() {
		return errors.New("the engine is away")
	}
	return c.Conn.InsertFormat(ctx, format, query, rows)
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

func (c *once) InsertFormat(ctx context.Context, format, query string, rows io.Reader) error {
	if !c.failed.Swap(true) {
		return errors.New("the connection was closed")
	}
	return c.Conn.InsertFormat(ctx, format, query, rows)
}

// audited returns the number of rows in the audit table, with duplicates.
func (f *fixture) audited() (n uint64) {
	f.Helper()
	if err := f.conn.QueryRow(f.Context(), "SELECT count() FROM export_audit").Scan(&n); err != nil {
		f.Fatal(err)
	}
	return n
}

// A gated connection has each insert wait until the test lets it through.
type gated struct {
	driver.Conn
	came chan struct{} // gets a value when an insert begins
	pass chan error    // lets an insert through, or fails it
}

func (c gated) InsertFormat(ctx context.Context, format, query string, rows io.Reader) error {
	c.came <- struct{}{}
	if err := <-c.pass; err != nil {
		return err
	}
	return c.Conn.InsertFormat(ctx, format, query, rows)
}

func auditRowOf(org string) auditRow {
	return auditRow{
		requestID: uuid.New(), who: access.Principal{Org: org, Kind: "key", KeyID: "k"}, started: time.Now(),
		request: "GET /\xff\t\n\\ \x00",
	}
}

// Starts that come while an insert runs are written by one insert, and the ends that wait with
// them. No start returns before its row is stored. A start whose request has ended does not wait.
func TestAuditStartsAreWrittenTogether(t *testing.T) {
	f := newFixture(t)
	conn := gated{f.conn, make(chan struct{}), make(chan error)}
	a := f.service.audit
	a.conn = conn
	a.setRunning(true)
	ended := auditRowOf("acme")
	ended.outcome = outcomeComplete
	a.end(ended)
	starts := make(chan error, 10)
	start := func(ctx context.Context) { starts <- a.start(ctx, auditRowOf("acme")) }
	waiting := func(rows int) func() bool {
		return func() bool {
			a.mu.Lock()
			defer a.mu.Unlock()
			return a.waiting != nil && len(a.waiting.rows) == rows
		}
	}
	go start(t.Context())
	<-conn.came // the first start, with the end
	for range 3 {
		go start(t.Context())
	}
	gone, leave := context.WithCancel(t.Context())
	go start(gone)
	f.until("four starts wait", waiting(4))
	leave()
	if err := <-starts; !errors.Is(err, context.Canceled) {
		t.Errorf("a request that has ended: %v", err)
	}
	if len(starts) != 0 || f.audited() != 0 {
		t.Errorf("%d starts returned before their rows were stored", len(starts))
	}
	conn.pass <- nil
	if err := <-starts; err != nil || f.audited() != 2 {
		t.Errorf("the first start: %v, %d rows, want 2: the start and the end", err, f.audited())
	}
	<-conn.came
	conn.pass <- errors.New("the engine is away")
	for range 3 {
		if err := <-starts; err == nil {
			t.Error("a start returned whose row was not stored")
		}
	}
	go start(t.Context())
	<-conn.came
	for range 2 {
		go start(t.Context())
	}
	f.until("two starts wait", waiting(2))
	conn.pass <- nil
	<-conn.came
	conn.pass <- nil
	for range 3 {
		if err := <-starts; err != nil {
			t.Error(err)
		}
	}
	if n := f.audited(); n != 5 {
		t.Errorf("%d rows, want 5", n)
	}
	var text string
	if err := f.conn.QueryRow(t.Context(), "SELECT any(request) FROM export_audit HAVING uniqExact(request) = 1").
		Scan(&text); err != nil || text != auditRowOf("acme").request {
		t.Errorf("the request is stored as %q, %v", text, err)
	}
}

// On a cluster, a start does not wait for another workspace's, whose shard may be away.
func TestAuditStartsOnAClusterGoAlone(t *testing.T) {
	f := newFixture(t)
	conn := gated{f.conn, make(chan struct{}), make(chan error)}
	a := f.service.audit
	a.conn = conn
	a.cluster = true
	starts := make(chan error, 2)
	for _, org := range []string{"acme", "other"} {
		go func() { starts <- a.start(t.Context(), auditRowOf(org)) }()
		<-conn.came
	}
	conn.pass <- errors.New("the shard is away")
	conn.pass <- nil
	if first, second := <-starts, <-starts; (first == nil) == (second == nil) || f.audited() != 1 {
		t.Errorf("%v, %v, %d rows; want one failure and one row", first, second, f.audited())
	}
}

// When the service stops, ends that an insert of starts has taken along are stored, or written
// again.
func TestAuditStopsBehindAnInsert(t *testing.T) {
	f := newFixture(t)
	conn := gated{f.conn, make(chan struct{}), make(chan error)}
	a := f.service.audit
	a.conn = conn
	a.setRunning(true)
	ended := auditRowOf("acme")
	ended.outcome = outcomeComplete
	a.end(ended)
	go a.start(t.Context(), auditRowOf("acme"))
	<-conn.came
	ctx, stop := context.WithCancel(t.Context())
	stop()
	stopped := make(chan error)
	go func() { stopped <- a.run(ctx) }()
	f.until("run stops", func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		return !a.running
	})
	conn.pass <- errors.New("the engine is away")
	<-conn.came // the ends again, by run
	conn.pass <- nil
	if err := <-stopped; err != nil || f.audited() != 1 {
		t.Errorf("%v, %d rows, want 1: the end", err, f.audited())
	}
}

// While the audit cannot be written, the service is not ready, and says so once. It tries with the
// rows that wait, so that nothing is written that nobody asked for, and is ready again by itself.
func TestNotReadyWhileTheAuditIsNotWritten(t *testing.T) {
	f := newFixture(t)
	conn := &failing{Conn: f.conn}
	a := f.service.audit
	a.conn = conn
	f.event("acme", yesterday(), nil)
	_, key := f.key("acme")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); a.run(ctx) }()
	defer func() { stop(); <-ended }()
	conn.fails.Store(true)
	if err := a.ready(t.Context()); !errors.Is(err, ErrAudit) {
		t.Errorf("a new service: %v", err)
	}
	conn.fails.Store(false)
	if err := a.ready(t.Context()); err != nil || f.audited() != 0 {
		t.Fatalf("before the first request: %v, %d rows", err, f.audited())
	}

	conn.fails.Store(true)
	f.want(f.get("/v1/exports/users?"+lastDays(), key), 500)
	for range 3 {
		f.want(f.get("/v1/exports/users?"+lastDays(), key), 500)
	}
	if err := f.service.checkReady(t.Context()); !errors.Is(err, ErrAudit) {
		t.Errorf("while no row is written: %v", err)
	}
	conn.fails.Store(false)
	f.until("the service is ready again", func() bool { return f.service.checkReady(t.Context()) == nil })
	f.want(f.get("/v1/exports/users?"+lastDays(), key), 200)
	f.until("each request has its end", func() bool {
		var n uint64
		err := f.conn.QueryRow(t.Context(), "SELECT count() FROM export_audit FINAL WHERE outcome != 'started'").Scan(&n)
		return err == nil && n == 5
	})
	stop()
	<-ended
	for _, line := range []string{"the audit is not written: no export is answered", "the audit is written again"} {
		if n := strings.Count(f.log.String(), line); n != 1 {
			t.Errorf("%q stands in the log %d times:\n%s", line, n, f.log)
		}
	}
}

// Before its first request, a service finds out by an insert of no rows.
func TestNotReadyBeforeTheFirstRequest(t *testing.T) {
	f := newFixture(t)
	rename := func(from, to string) {
		t.Helper()
		if err := f.conn.Exec(t.Context(), "RENAME TABLE "+from+" TO "+to); err != nil {
			t.Fatal(err)
		}
	}
	rename("export_audit", "elsewhere")
	if err := f.service.audit.ready(t.Context()); !errors.Is(err, ErrAudit) {
		t.Errorf("without the table: %v", err)
	}
	rename("elsewhere", "export_audit")
	if err := f.service.audit.ready(t.Context()); err != nil || f.audited() != 0 {
		t.Errorf("with the table: %v, %d rows", err, f.audited())
	}
}
