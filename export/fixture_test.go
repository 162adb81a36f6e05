package export

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"rollcall/deploy/demo/embedded/enginetest"
	"rollcall/schema/tables"
)

// A fixture is the service with its keys, on a database of its own.
type fixture struct {
	*testing.T
	conn    driver.Conn
	options tables.Options
	service *Export
	server  *httptest.Server
	reg     *prometheus.Registry
	log     *bytes.Buffer
	serial  int
	marks   int
}

func newFixture(t *testing.T, configure ...func(*Config)) *fixture {
	t.Helper()
	return newFixtureOn(t, enginetest.Database(t), configure...)
}

func newFixtureOn(t *testing.T, options tables.Options, configure ...func(*Config)) *fixture {
	t.Helper()
	cfg := Config{Secret: []byte("a secret for tests only"), RatePerMinute: 100_000, Now: testNow}
	for _, c := range configure {
		c(&cfg)
	}
	f := &fixture{T: t, options: options, reg: prometheus.NewRegistry(), log: &bytes.Buffer{}}
	var err error
	if f.service, err = New(cfg, options, slog.New(slog.NewTextHandler(f.log, nil)), f.reg); err != nil {
		t.Fatal(err)
	}
	f.conn = f.service.conn
	f.server = httptest.NewServer(f.service.Handler())
	t.Cleanup(f.server.Close)
	return f
}

// insert stores rows, which are given as maps from column to value.
func (f *fixture) insert(table string, rows ...map[string]any) {
	f.Helper()
	enginetest.Insert(f, f.conn, table, rows...)
}

var writer = uuid.NewString()

// event stores one usage event and marks its slice. columns are added to the event's default
// columns, or replace them.
func (f *fixture) event(org string, at time.Time, columns map[string]any) {
	f.Helper()
	f.serial++
	row := map[string]any{
		"org_id": org, "day": at.UTC().Format(time.DateOnly), "type": "message", "event_id": fmt.Sprintf("%016d", f.serial),
		"version": 2 * f.serial,
		"time":    at.UTC().Format("2006-01-02 15:04:05.000"), "source": "test", "id": fmt.Sprint(f.serial), "user_id": "ada",
		"channel": "chat", "model": "m1",
	}
	for name, value := range columns {
		row[name] = value
	}
	f.insert("events", row)
	f.mark(org, at)
}

func (f *fixture) mark(org string, at time.Time) {
	f.Helper()
	f.marks++
	f.insert("marks", map[string]any{
		"org_id": org, "day": at.UTC().Format(time.DateOnly), "writer": writer, "seq": f.marks,
	})
}

// entity stores one entity event.
func (f *fixture) entity(org, kind, id string, at time.Time, columns map[string]any) {
	f.Helper()
	f.serial++
	row := map[string]any{
		"org_id": org, "day": at.UTC().Format(time.DateOnly), "event_id": fmt.Sprintf("%016d", f.serial),
		"version": 2 * f.serial, "kind": kind, "entity_id": id,
		"time": at.UTC().Format("2006-01-02 15:04:05.000"), "source": "test", "id": fmt.Sprint(f.serial),
	}
	for name, value := range columns {
		row[name] = value
	}
	f.insert("entities", row)
}

// settings stores a workspace event.
func (f *fixture) settings(org, name string, at time.Time, userLevelData, byok, workflows, pseudonymize bool) {
	f.Helper()
	f.entity(org, "workspace", org, at, map[string]any{
		"name": name, "has_settings": true, "user_level_data": userLevelData, "byok": byok, "workflows": workflows,
		"pseudonymize": pseudonymize,
	})
}

// key makes a key for a workspace.
func (f *fixture) key(org string, scopes ...string) (id, text string) {
	f.Helper()
	id, text, err := f.service.keys.Create(context.Background(), org, org+"'s key", 0, scopes...)
	if err != nil {
		f.Fatal(err)
	}
	return id, text
}

// An answer is a response with its body read.
type answer struct {
	*http.Response
	body string
	err  error // from reading the body
}

// do sends a request. header holds names and values in turn.
func (f *fixture) do(method, path, key, body string, header ...string) answer {
	f.Helper()
	response := f.send(context.Background(), method, path, key, body, header...)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return answer{response, string(text), err}
}

// send sends a request and returns once the answer's header is there.
func (f *fixture) send(ctx context.Context, method, path, key, body string, header ...string) *http.Response {
	f.Helper()
	address := path
	if !strings.HasPrefix(path, "http") {
		address = f.server.URL + path
	}
	request, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		f.Fatal(err)
	}
	if key != "" {
		request.Header.Set("Authorization", "Bearer "+key)
	}
	request.Header.Set("Accept-Encoding", "identity")
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		f.Fatal(err)
	}
	return response
}

func (f *fixture) get(path, key string, header ...string) answer {
	f.Helper()
	return f.do(http.MethodGet, path, key, "", header...)
}

// want fails the test unless the answer has the status.
func (f *fixture) want(a answer, status int) answer {
	f.Helper()
	if a.StatusCode != status {
		f.Fatalf("%s %s: status %d, want %d: %s\n%s", a.Request.Method, a.Request.URL.Path, a.StatusCode, status, a.body,
			f.log)
	}
	return a
}

// until waits until done is true, which other goroutines make true. It fails the test after 10 s.
func (f *fixture) until(what string, done func() bool) {
	f.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); {
		if time.Now().After(deadline) {
			f.Fatalf("not within 10 s: %s\n%s", what, f.log)
		}
		time.Sleep(5 * time.Millisecond) // between two polls; no result depends on this time
	}
}

// aheadOfMidnight is added to the clocks of the service and the tests. A test stores data for
// yesterday and asks for a period up to today, so midnight must not pass while it runs. In the last
// quarter of an hour of a UTC day, these clocks therefore run 15 minutes ahead, in the next day.
var aheadOfMidnight = func() time.Duration {
	if now := time.Now().UTC(); now.Add(15*time.Minute).Day() != now.Day() {
		return 15 * time.Minute
	}
	return 0
}()

// testNow is the service's clock.
func testNow() time.Time { return time.Now().Add(aheadOfMidnight) }

func yesterday() time.Time { return testNow().UTC().Truncate(24*time.Hour).AddDate(0, 0, -1) }

// lastDays returns the query of a period that holds yesterday and today.
func lastDays() string {
	return "from=" + yesterday().Format(time.DateOnly) + "&to=" + yesterday().AddDate(0, 0, 1).Format(time.DateOnly)
}

// dropIn returns the body of a drop-in request for yesterday and today.
func dropIn() string {
	return fmt.Sprintf(`{"from":{"date":%q,"timezone":"UTC"},"to":{"date":%q,"timezone":"UTC"}}`,
		yesterday().Format(time.DateOnly), yesterday().AddDate(0, 0, 1).Format(time.DateOnly))
}
