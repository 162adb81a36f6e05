package export

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// A stagedEngine is a connection whose streams of rows take time on the test's clock, and can fail.
type stagedEngine struct {
	driver.Conn
	clock  *atomic.Int64 // seconds past the test's start
	stream func(context.Context, io.ReadCloser) (io.ReadCloser, error)
}

// The seconds on the test's clock that a stagedEngine takes until its first byte, and from there to
// the end.
const (
	secondsToRows = 3
	secondsOfRows = 4
)

func (c stagedEngine) QueryFormat(ctx context.Context, format, query string, args ...any) (io.ReadCloser, error) {
	rows, err := c.Conn.QueryFormat(ctx, format, query, args...)
	if err != nil {
		return nil, err
	}
	c.clock.Add(secondsToRows)
	if c.stream != nil {
		return c.stream(ctx, rows)
	}
	return &stagedRows{ReadCloser: rows, clock: c.clock}, nil
}

// stagedRows returns all bytes at once, and the end secondsOfRows later.
type stagedRows struct {
	io.ReadCloser
	clock *atomic.Int64
}

func (r *stagedRows) Read(p []byte) (int, error) {
	n, err := io.ReadFull(r.ReadCloser, p)
	if err == io.EOF {
		r.clock.Add(secondsOfRows)
	}
	if err == io.ErrUnexpectedEOF {
		err = nil
	}
	return n, err
}

// series returns the values of all metrics of exports. A histogram is given as its count and its
// sum.
func (f *fixture) series() map[string]float64 {
	f.Helper()
	families, err := f.reg.Gather()
	if err != nil {
		f.Fatal(err)
	}
	values := map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			name := family.GetName()[len("rollcall_export_"):]
			for _, l := range m.GetLabel() {
				name += " " + l.GetName() + "=" + l.GetValue()
			}
			if h := m.GetHistogram(); h != nil {
				values[name+" count"], values[name+" sum"] = float64(h.GetSampleCount()), h.GetSampleSum()
			} else {
				values[name] = m.GetCounter().GetValue()
			}
		}
	}
	return values
}

// counted calls do and checks that exactly the metrics in want have grown, by the given values.
func (f *fixture) counted(what string, do func(), want map[string]float64) {
	f.Helper()
	before := f.series()
	do()
	var grown map[string]float64
	f.until(what+" is counted", func() bool { // the end of an answer is counted after its last byte
		grown = f.series()
		for name, value := range grown {
			if grown[name] = value - before[name]; grown[name] == 0 {
				delete(grown, name)
			}
		}
		return len(grown) >= len(want)
	})
	if !maps.Equal(grown, want) {
		f.Errorf("%s: these have grown\n%v\nnot\n%v", what, grown, want)
	}
}

// grows returns the metrics that one request adds. bytes is 0 if its answer has no rows.
func grows(kind, format, status string, bytes int) map[string]float64 {
	labels := " format=" + format + " type=" + kind
	all := map[string]float64{
		"requests_total format=" + format + " status=" + status + " type=" + kind: 1, "seconds" + labels + " count": 1,
	}
	if bytes > 0 {
		all["bytes_total"+labels] = float64(bytes)
		all["seconds"+labels+" sum"] = secondsToRows + secondsOfRows
		all["first_byte_seconds"+labels+" count"] = 1
		all["first_byte_seconds"+labels+" sum"] = secondsToRows
	}
	return all
}

// Every request for data is counted once: under its type, format and status, with its bytes before
// compression and its times. Other requests are not counted.
func TestMetrics(t *testing.T) {
	var clock atomic.Int64
	start := time.Now()
	f := newFixture(t, func(c *Config) {
		c.Now = func() time.Time { return start.Add(time.Duration(clock.Load()) * time.Second) }
	})
	f.service.conn = stagedEngine{Conn: f.conn, clock: &clock}
	f.event("acme", yesterday(), map[string]any{"channel": "assistant", "assistant_id": "helper"})
	_, key := f.key("acme")
	_, empty := f.key("empty")
	_, noScope := f.key("acme", "ADMIN")
	path := "/v1/exports/users?" + lastDays()

	for _, format := range []string{"csv", "ndjson", "json", "parquet", "xlsx"} {
		address := path + "&format=" + format
		whole := f.want(f.get(address, key), 200) // counted before
		f.until("the answer is counted", func() bool { return f.series()["seconds format="+format+" type=users count"] == 1 })
		for _, encoding := range []string{"identity", "gzip", "zstd"} {
			f.counted(format+" "+encoding, func() { f.want(f.get(address, key, "Accept-Encoding", encoding), 200) },
				grows("users", format, "200", len(whole.body)))
		}
		f.counted("HEAD of "+format, func() { f.want(f.do(http.MethodHead, address, key, ""), 200) },
			grows("users", format, "200", 0))
		f.counted(format+" that has not changed", func() {
			f.want(f.get(address, key, "If-None-Match", whole.Header.Get("ETag")), 304)
		}, grows("users", format, "304", 0))
	}
	bom := f.get(path+"&bom=true", key)
	f.counted("a byte order mark", func() { f.get(path+"&bom=true", key) }, grows("users", "csv", "200", len(bom.body)))

	for what, c := range map[string]struct {
		do                   func() answer
		kind, format, status string
	}{
		"no parameters": {func() answer { return f.get("/v1/exports/models", key) }, "models", "none", "400"},
		"no such type":  {func() answer { return f.get("/v1/exports/anything-at-all", key) }, "none", "none", "404"},
		"no key":        {func() answer { return f.get(path, "") }, "none", "none", "401"},
		"no scope":      {func() answer { return f.get(path, noScope) }, "none", "none", "403"},
		"switched off": {
			func() answer { return f.get("/v1/exports/workflows?"+lastDays(), key) }, "workflows", "csv", "403",
		},
		"the catalogue":   {func() answer { return f.get("/v1/exports", key) }, "catalogue", "json", "200"},
		"the page's sums": {func() answer { return f.get("/app/summary?range=this_month", key) }, "summary", "json", "200"},
		"the page's past": {func() answer { return f.get("/app/history", key) }, "history", "json", "200"},
		"a link": {
			func() answer { return f.do(http.MethodPost, "/export/agents", key, dropIn()) }, "assistants", "csv", "200",
		},
		"a link to nothing": {
			func() answer { return f.do(http.MethodPost, "/export/users", empty, dropIn()) }, "users", "csv", "404",
		},
		"rows of nothing": {
			func() answer { return f.do(http.MethodPost, "/export/users/json", empty, dropIn()) }, "users", "json", "404",
		},
		"a wrong body": {
			func() answer { return f.do(http.MethodPost, "/export/api_keys/json", key, "{}") }, "api-keys", "json", "400",
		},
		"a made up link": {
			func() answer { return f.get("/export/files/users-usage/x.csv?request=e30&signature=x", "") }, "none", "none", "403",
		},
	} {
		f.counted(what, func() {
			if a := c.do(); a.Response.Status[:3] != c.status {
				t.Errorf("%s: %s %s", what, a.Status, a.body)
			}
		}, grows(c.kind, c.format, c.status, 0))
	}

	rows := f.do(http.MethodPost, "/export/agents/json", key, dropIn())
	f.counted("rows", func() { f.do(http.MethodPost, "/api/public/export/agents/json", key, dropIn()) },
		grows("assistants", "json", "200", len(rows.body)))
	link := f.makeLink(key, "users")
	file := f.want(f.get(link, ""), 200)
	f.counted("a link's file", func() { f.get(link, "") }, grows("users", "csv", "200", len(file.body)))

	for _, path := range []string{"/openapi.yaml", "/healthz", "/readyz", "/", "/nothing", "/export/users"} {
		f.counted(path, func() { f.get(path, key) }, map[string]float64{})
	}
}

// A request beyond a limit is counted under the status of its refusal.
func TestMetricsOfLimits(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.RatePerMinute = 1 })
	_, key := f.key("acme")
	f.get("/v1/exports/users", key)
	before := f.metric("rollcall_export_requests_total none 429 none")
	f.want(f.get("/v1/exports/users", key), 429)
	if got := f.metric("rollcall_export_requests_total none 429 none"); got != before+1 {
		t.Errorf("%v requests were refused by the limit", got)
	}
}

// A failure before the first byte counts as a 5xx and not as an abort. A failure after it counts as
// an abort, and the status stays 200. A client that leaves before its answer counts as an abort,
// too, with the status 499.
func TestMetricsOfFailures(t *testing.T) {
	var clock atomic.Int64
	start := time.Now()
	f := newFixture(t, func(c *Config) {
		c.Now = func() time.Time { return start.Add(time.Duration(clock.Load()) * time.Second) }
	})
	f.event("acme", yesterday(), nil)
	_, key := f.key("acme")
	plain := f.conn
	ask := context.Background()
	goes := func() {}
	const sent = bufferSize // bytes that are written before the failure
	for _, c := range []struct {
		name   string
		stream func(context.Context, io.ReadCloser) (io.ReadCloser, error)
		status string
		more   map[string]float64
	}{
		{"the engine refuses", func(context.Context, io.ReadCloser) (io.ReadCloser, error) { return nil, errors.New("no") },
			"500", nil},
		{"the client goes before", func(ctx context.Context, _ io.ReadCloser) (io.ReadCloser, error) {
			goes()
			<-ctx.Done()
			return nil, ctx.Err()
		}, "499", map[string]float64{"aborts_total cause=client format=csv type=users": 1}},
		{"the engine fails in the middle", func(_ context.Context, rows io.ReadCloser) (io.ReadCloser, error) {
			return &cutRows{ReadCloser: rows, left: sent, end: func() error { return errors.New("the engine failed") }}, nil
		}, "200", map[string]float64{
			"aborts_total cause=service format=csv type=users": 1, "bytes_total format=csv type=users": sent,
			"first_byte_seconds format=csv type=users count": 1, "first_byte_seconds format=csv type=users sum": secondsToRows,
		}},
		{"the client goes in the middle", func(ctx context.Context, rows io.ReadCloser) (io.ReadCloser, error) {
			return &cutRows{ReadCloser: rows, left: sent, end: func() error { goes(); <-ctx.Done(); return ctx.Err() }}, nil
		}, "200", map[string]float64{
			"aborts_total cause=client format=csv type=users": 1, "bytes_total format=csv type=users": sent,
			"first_byte_seconds format=csv type=users count": 1, "first_byte_seconds format=csv type=users sum": secondsToRows,
		}},
	} {
		f.service.conn = stagedEngine{Conn: plain, clock: &clock, stream: c.stream}
		want := grows("users", "csv", c.status, 0)
		want["seconds format=csv type=users sum"] = secondsToRows
		maps.Copy(want, c.more)
		f.counted(c.name, func() {
			ask, goes = context.WithCancel(t.Context())
			defer goes()
			request, err := http.NewRequestWithContext(ask, http.MethodGet, f.server.URL+"/v1/exports/users?"+lastDays(), nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Authorization", "Bearer "+key)
			request.Header.Set("Accept-Encoding", "identity")
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				return // the client went
			}
			defer response.Body.Close()
			if n, err := io.Copy(io.Discard, response.Body); response.StatusCode == http.StatusOK && err == nil {
				t.Errorf("%s: %d bytes look whole", c.name, n)
			}
		}, want)
	}
}

// cutRows returns the given number of bytes, then the error of end.
type cutRows struct {
	io.ReadCloser
	left int
	end  func() error
}

func (r *cutRows) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, r.end()
	}
	n := min(len(p), r.left)
	r.left -= n
	return n, nil
}
