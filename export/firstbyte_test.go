package export

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"rollcall/deploy/demo/embedded/enginetest"
)

// A freezer is a proxy before the engine. While it is frozen, it takes connections and requests and
// answers none, as an engine does that is stopped (SIGSTOP) or whose disk hangs.
type freezer struct {
	frozen atomic.Bool
	on     string // what the statements have that freeze; "": all
}

func (z *freezer) start(t *testing.T, engine string) (addr string) {
	t.Helper()
	at, err := url.Parse(engine)
	if err != nil {
		t.Fatal(err)
	}
	host := &url.URL{Scheme: at.Scheme, Host: at.Host}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(host) }}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if z.frozen.Load() {
			body, _ := io.ReadAll(r.Body)
			if strings.Contains(r.URL.RawQuery+string(body), z.on) {
				<-r.Context().Done()
				return
			}
			r.Body = io.NopCloser(strings.NewReader(string(body)))
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return strings.Replace(engine, at.Host, strings.TrimPrefix(server.URL, "http://"), 1)
}

// A request whose answer has not begun in time is answered 503, wherever the engine hangs, with the
// time after which to try again and one sentence. It is not taken for a client that left.
func TestFirstByteInTime(t *testing.T) {
	for name, on := range map[string]string{
		"all of the engine": "", "the plan": "FROM progress", "the audit": "export_audit", "the rows": "cancel_http_readonly",
	} {
		t.Run(name, func(t *testing.T) {
			options := enginetest.Database(t)
			z := &freezer{on: on}
			options.URL = z.start(t, options.URL)
			f := newFixtureOn(t, options, func(c *Config) { c.FirstByteTimeout = 3 * time.Second })
			f.event("acme", yesterday(), nil)
			_, key := f.key("acme")
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan struct{})
			go func() { defer close(ended); f.service.audit.run(ctx) }()
			defer func() { stop(); <-ended }()
			f.until("exports are answered", func() bool {
				return f.get("/v1/exports/users?"+lastDays(), key).StatusCode == 200
			})
			before := f.metric("rollcall_export_requests_total csv 503 users")

			z.frozen.Store(true)
			began := time.Now()
			a := f.want(f.get("/v1/exports/users?"+lastDays(), key), 503)
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("after %v", took)
			}
			if a.Header.Get("Retry-After") != "30" || !strings.Contains(a.body, "did not begin within 3s") ||
				a.Header.Get("Content-Disposition") != "" {
				t.Errorf("%v %s", a.Header, a.body)
			}
			if on == "" {
				f.want(f.do(http.MethodPost, "/export/users/json", key, dropIn()), 503)
				f.want(f.do(http.MethodPost, "/export/users", key, dropIn()), 503)
				f.want(f.do(http.MethodPost, "/app/session", "", `{"key":"`+key+`"}`), 503)
			}
			if n := f.metric("rollcall_export_requests_total csv 503 users"); n != before+1 {
				t.Errorf("counted %v times as 503", n-before)
			}
			z.frozen.Store(false)
			f.until("exports are answered again", func() bool {
				return f.get("/v1/exports/users?"+lastDays(), key).StatusCode == 200
			})
		})
	}
}

// An answer that has begun may take as long as its client reads.
func TestFirstByteTimeoutIsNotOfTheWholeAnswer(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.FirstByteTimeout = 2 * time.Second })
	f.event("acme", yesterday(), nil)
	_, key := f.key("acme")
	f.service.conn = lateEnd{f.conn}
	if a := f.want(f.get("/v1/exports/users?"+lastDays(), key), 200); a.err != nil || !strings.Contains(a.body, "ada") {
		t.Errorf("%q, %v", a.body, a.err)
	}
}

// lateEnd is a connection whose rows end 3 s after they began.
type lateEnd struct{ driver.Conn }

func (c lateEnd) QueryFormat(ctx context.Context, format, query string, args ...any) (io.ReadCloser, error) {
	rows, err := c.Conn.QueryFormat(ctx, format, query, args...)
	if err != nil {
		return nil, err
	}
	return lateRows{rows, ctx}, nil
}

type lateRows struct {
	io.ReadCloser
	ctx context.Context
}

func (r lateRows) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if err == io.EOF {
		select {
		case <-time.After(3 * time.Second):
		case <-r.ctx.Done():
			return 0, r.ctx.Err()
		}
	}
	return n, err
}

// An engine without memory for an export is a 503 that says so, and when to try again.
func TestAnEngineOutOfMemoryIs503(t *testing.T) {
	f := newFixture(t)
	f.event("acme", yesterday(), nil)
	_, key := f.key("acme")
	f.service.conn = little{f.conn}
	a := f.want(f.get("/v1/exports/users?"+lastDays(), key), 503)
	if a.Header.Get("Retry-After") != "10" || !strings.Contains(a.body, "not enough free memory") {
		t.Errorf("%v %s", a.Header, a.body)
	}
}

// little is a connection whose rows may take hardly any memory in the engine.
type little struct{ driver.Conn }

func (c little) QueryFormat(ctx context.Context, format, query string, args ...any) (io.ReadCloser, error) {
	query = "SELECT * FROM (" + query + ") WHERE length(arrayMap(x -> toString(x), range(1000000))) > 0 " +
		"SETTINGS max_memory_usage = 1000000"
	return c.Conn.QueryFormat(ctx, format, query, args...)
}
