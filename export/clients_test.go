package export

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"rollcall/export/access"
)

// rubbish is text that clients put where a date, a name or a number belongs.
var rubbish = []string{
	"", " ", "\x00", "a\x00b", "\xff\xfe", "\xed\xa0\x80", "\u202e", `\N`, `\`, "'", "';DROP TABLE keys;--", "{x:String}",
	"%", "%zz", "%00", "\r\nX-Injected: 1", "\t",
	"-1", "0", "1e309", "NaN", "true", "null", "[]", "{}", "9999-12-31", "10000-01-01", "99999999-01-01", "0000-00-00",
	"0000-01-01", "-0001-01-01", "2026-02-30",
	"2026-13-01", "1970-01-01", "2262-04-12", "292277026596-12-04", "2026-01-01T00:00:00Z", "２０２６-01-01", "Local",
	"UTC\x00", "../../etc/passwd", "/etc/localtime",
	"Etc/GMT+14", "EST5EDT", "today", "this_month", strings.Repeat("9", 3000), strings.Repeat("é", 1500),
	strings.Repeat("../", 1000),
}

// blameless checks that nothing a client has done in the test caused a 5xx, an ERROR line or a
// count that triggers a page-severity alert, and that the service still answers.
func (f *fixture) blameless(key string) {
	f.Helper()
	f.want(f.get("/v1/exports/users?"+lastDays(), key), 200)
	http.DefaultClient.CloseIdleConnections()
	f.server.Close() // waits for requests that still run
	if log := f.log.String(); strings.Contains(log, "level=ERROR") || strings.Contains(log, "panic") {
		f.Errorf("the log has errors:\n%.4000s", log)
	}
	families, err := f.reg.Gather()
	if err != nil {
		f.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.Metric {
			for _, label := range m.Label {
				if label.GetName() == "status" && strings.HasPrefix(label.GetValue(), "5") && m.Counter.GetValue() != 0 {
					f.Errorf("%s counts %v", family.GetName(), m)
				}
			}
		}
	}
}

// running returns a service that writes the audit's ends in the background, as in production.
func running(t *testing.T, configure ...func(*Config)) *fixture {
	t.Helper()
	f := newFixture(t, configure...)
	ctx, stop := context.WithCancel(t.Context())
	var run sync.WaitGroup
	run.Go(func() { _ = f.service.Run(ctx) })
	t.Cleanup(func() { stop(); run.Wait() })
	return f
}

// Every parameter of every address gets every kind of rubbish.
func TestRubbishInParameters(t *testing.T) {
	f := running(t)
	f.settings("acme", "Acme", yesterday(), true, true, true, false)
	f.event("acme", yesterday().Add(time.Hour), nil)
	_, key := f.key("acme")
	_, cookie := f.signIn(key)
	good := map[string]string{
		"range": "this_month", "from": yesterday().Format(time.DateOnly), "to": yesterday().Format(time.DateOnly),
	}
	ask := func(path string, query string, header ...string) {
		t.Helper()
		if a := f.get(path+"?"+query, key, header...); a.StatusCode >= 500 || a.Header.Get("X-Injected") != "" {
			t.Errorf("%s?%.200s: %d %s", path, query, a.StatusCode, a.body)
		}
	}
	names := append([]string{"user_id", "columns", "unknown\x00", "\xff"}, exportParamNames...)
	paths := []string{"/v1/exports/users", "/v1/exports", "/app/summary", "/app/preview/models"}
	share := 3 // most parameters get a third of the rubbish, each a different third
	if testing.Short() {
		share = 9
	}
	for i, name := range names {
		for k, value := range rubbish {
			if (i+k)%share != 0 && i != 1 {
				continue
			}
			query := url.Values{name: {value}}
			switch name {
			case "range":
			case "from", "to":
				query.Set(map[string]string{"from": "to", "to": "from"}[name], good["from"])
			default:
				query.Set("range", good["range"])
			}
			path := paths[0]
			if k%4 == 3 { // the other addresses have some of the parameters
				path = paths[(i+k)%len(paths)]
			}
			ask(path, query.Encode())
		}
	}
	for _, value := range rubbish {
		ask("/v1/exports/"+url.PathEscape(value), "range=this_month")
		ask("/app/preview/"+url.PathEscape(value), "range=this_month")
		ask("/v1/exports/users",
			strings.NewReplacer("\x00", "", "\r", "", "\n", "", " ", "+", "\t", "", "#", "").Replace(value))
	}
	many := strings.Repeat("a=1&", 1000)
	ask("/v1/exports/users", many)
	ask("/v1/exports/users", many+many+many)
	ask("/v1/exports/users", strings.Repeat("&", 4000))
	ask("/v1/exports/users", strings.Repeat(";", 100))
	for _, value := range append(rubbish, cookie.Value+".", strings.Repeat(".", 1000), cookie.Value[:20]) {
		clean := strings.NewReplacer("\x00", "", "\r", "", "\n", "").Replace(value)
		header := []string{"Cookie", "rollcall_session=" + clean, "Origin", "https://" + clean}
		for _, name := range []string{
			"If-None-Match", "Range", "If-Range", "Accept-Encoding", "Accept", "traceparent", "X-Forwarded-Proto",
			"Content-Type", "If-Modified-Since",
		} {
			header = append(header, name, clean)
		}
		ask("/v1/exports/users", lastDays(), header...)
		if a := f.get("/v1/exports", "", "Authorization", "Bearer "+clean); a.StatusCode >= 500 {
			t.Errorf("key %q: %d", clean, a.StatusCode)
		}
	}
	for _, encoding := range []string{
		"gzip;q=NaN", "gzip;q=Inf", "zstd;q=-1", "*;q=0", "identity;q=0, *;q=0", "gzip;q=1;q=2",
		strings.Repeat("gzip,", 2000),
	} {
		ask("/v1/exports/users", lastDays(), "Accept-Encoding", encoding)
	}
	f.blameless(key)
}

// Every body of POST gets every kind of rubbish. Bodies are also cut, too large and wrongly framed.
func TestRubbishInBodies(t *testing.T) {
	f := running(t)
	f.service.bodyTimeout = 200 * time.Millisecond
	f.event("acme", yesterday().Add(time.Hour), nil)
	_, key := f.key("acme")
	quoted := func(s string) string { return fmt.Sprintf("%q", s) }
	bodies := []string{
		strings.Repeat("[", 20_000), `{"from":` + strings.Repeat(`{"a":`, 10_000), strings.Repeat("a", 70<<10),
		"\xef\xbb\xbf{}", "\x00", "null", "1e999", `{"from":null,"to":null}`,
		strings.Replace(dropIn(), `"UTC"`, `"UTC\u0000"`, 1), strings.Replace(dropIn(), "{", `{"\ud800":1,`, 1),
	}
	day := yesterday().Format(time.DateOnly)
	for _, value := range append(rubbish, day+"T24:00:00", day+"T23:59:60", day+"T00:00:00.9999999999",
		day+"T00:00:00+14:00", day+"T99:99:99") {
		bodies = append(bodies, value,
			`{"from":{"date":`+quoted(value)+`,"timezone":"UTC"},"to":{"date":"`+day+`","timezone":"UTC"}}`,
			`{"from":{"date":"`+day+`","timezone":`+quoted(value)+`},"to":{"date":"`+day+`","timezone":"UTC"}}`,
			`{"key":`+quoted(value)+`}`)
	}
	for i, body := range bodies {
		path := []string{
			"/export/users", "/export/models/csv", "/export/users/json", "/api/public/export/agents", "/app/session",
		}[i%5]
		if strings.HasPrefix(body, `{"key"`) {
			path = "/app/session"
		}
		contentType := []string{
			"application/json", "text/plain", "multipart/form-data", "application/x-www-form-urlencoded; charset=\xff", "",
		}[i%5]
		if a := f.do(http.MethodPost, path, key, body, "Content-Type", contentType); a.StatusCode >= 500 {
			t.Errorf("%s with %.100q: %d %s", path, body, a.StatusCode, a.body)
		}
	}
	head := "POST /export/users HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer " + key + "\r\n"
	for name, request := range map[string]string{
		"cut":                    head + "Content-Length: 100\r\n\r\n{",
		"longer than it says":    head + "Content-Length: 2\r\n\r\n" + dropIn(),
		"a length below zero":    head + "Content-Length: -1\r\n\r\n",
		"a length of no number":  head + "Content-Length: 1e3\r\n\r\n",
		"two lengths":            head + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
		"a huge length":          head + "Content-Length: 9223372036854775807\r\n\r\n{}",
		"bad chunks":             head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
		"chunks that do not end": head + "Transfer-Encoding: chunked\r\n\r\n5\r\n{}\r\n",
		"a huge chunk":           head + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}",
		"large chunks": head + "Transfer-Encoding: chunked\r\n\r\n" +
			strings.Repeat("1000\r\n"+strings.Repeat("a", 0x1000)+"\r\n", 20) + "0\r\n\r\n",
		"length and chunks": head + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"GET with bad chunks": "GET /v1/exports HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer " + key +
			"\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"nothing to expect":       head + "Expect: the unexpected\r\nContent-Length: 2\r\n\r\n{}",
		"wait for 100, then none": head + "Expect: 100-continue\r\nContent-Length: 20\r\n\r\n",
	} {
		if status := f.raw(request); status >= 500 {
			t.Errorf("%s: %d", name, status)
		}
	}
	f.blameless(key)
}

// The service gets methods, versions, addresses and headers that no client of ours sends.
func TestRubbishOnTheWire(t *testing.T) {
	f := running(t)
	f.event("acme", yesterday().Add(time.Hour), nil)
	_, key := f.key("acme")
	authorized := "Host: h\r\nAuthorization: Bearer " + key + "\r\n"
	targets := []string{
		"/", "*", "h:443", "http://h/v1/exports", "/v1/exports/users?range=this_month", "/export/users",
		"/export/files/x?request=&signature=", "/app/session", "/app/../app/x", "//v1/exports", "/v1/exports/users/../users",
		"/%00", "/%ff", "/readyz", "/healthz", "/openapi.yaml", "/app/vendor/../../web.go", "?",
	}
	for _, method := range []string{
		"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PRI", "get", "BREW",
	} {
		for _, target := range targets {
			if status := f.raw(method + " " + target + " HTTP/1.1\r\n" + authorized +
				"Connection: close\r\n\r\n"); status >= 500 {
				t.Errorf("%s %s: %d", method, target, status)
			}
		}
	}
	for name, request := range map[string]string{
		"HTTP/0.9":   "GET /\r\n\r\n",
		"no version": "GET /v1/exports\r\n" + authorized + "\r\n",
		"no host":    "GET /v1/exports HTTP/1.1\r\n\r\n",
		"two hosts":  "GET /v1/exports HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
		"a host of rubbish": "POST /export/users HTTP/1.1\r\nHost: \"><script>\r\nAuthorization: Bearer " + key +
			"\r\nContent-Length: " + fmt.Sprint(len(dropIn())) + "\r\n\r\n" + dropIn(),
		"two keys":              "GET /v1/exports HTTP/1.1\r\n" + authorized + "Authorization: Bearer x\r\n\r\n",
		"an empty header":       "GET /v1/exports HTTP/1.1\r\n" + authorized + ": x\r\n\r\n",
		"a header with a blank": "GET /v1/exports HTTP/1.1\r\n" + authorized + "A b: x\r\n\r\n",
		"a folded header":       "GET /v1/exports HTTP/1.1\r\n" + authorized + "A: x\r\n y\r\n\r\n",
		"many headers":          "GET /v1/exports HTTP/1.1\r\n" + authorized + strings.Repeat("A: x\r\n", 3000) + "\r\n",
		"a long address":        "GET /" + strings.Repeat("a", 20_000) + " HTTP/1.1\r\n" + authorized + "\r\n",
		"TLS to a plain port":   "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("\x00", 100),
	} {
		if status := f.raw(request); status >= 500 {
			t.Errorf("%s: %d", name, status)
		}
	}
	response := f.get("/v1/exports", key, "Range", "bytes=0-1")
	f.want(response, 200)
	if status := f.http10("/v1/exports", key); status != 426 {
		t.Errorf("HTTP/1.0: %d, want 426", status)
	}
	f.blameless(key)
}

// net/http answers an unknown transfer coding with 501 and an unknown version of HTTP with 505,
// before any handler runs. These are the only 5xx that a client can cause. They leave no log line
// and no metric, and so cause no alert.
func TestTheProtocolsOwnRefusals(t *testing.T) {
	f := running(t)
	_, key := f.key("acme")
	authorized := "Host: h\r\nAuthorization: Bearer " + key + "\r\n"
	post := "POST /export/users HTTP/1.1\r\n" + authorized
	before := f.series()
	for request, want := range map[string]int{
		post + "Transfer-Encoding: gzip\r\n\r\n":                                     http.StatusNotImplemented,
		post + "Transfer-Encoding: \x01\r\n\r\n":                                     http.StatusBadRequest,
		post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n":                   http.StatusNotImplemented,
		post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n":       http.StatusNotImplemented,
		post + "Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\n{}":          http.StatusNotImplemented,
		"GET /v1/exports HTTP/0.9\r\n" + authorized + "\r\n":                         http.StatusHTTPVersionNotSupported,
		"GET /v1/exports HTTP/2.0\r\n" + authorized + "\r\n":                         http.StatusHTTPVersionNotSupported,
		"GET /v1/exports HTTP/9.0\r\n" + authorized + "\r\n":                         http.StatusHTTPVersionNotSupported,
		"GET /v1/exports HTTP/9.0\r\n" + authorized + "Transfer-Encoding: x\r\n\r\n": http.StatusNotImplemented,
		"GET /v1/exports HTTP/10.0\r\n" + authorized + "\r\n":                        http.StatusBadRequest,
		"GET /v1/exports HTTP/x\r\n" + authorized + "\r\n":                           http.StatusBadRequest,
	} {
		if status := f.raw(request); status != want {
			t.Errorf("%.200q: %d, want %d", request, status, want)
		}
	}
	if f.log.Len() != 0 {
		t.Errorf("the log has\n%s", f.log)
	}
	if after := f.series(); !maps.Equal(before, after) {
		t.Errorf("the metrics were %v, and are %v", before, after)
	}
	f.blameless(key)
}

// Clients close the connection at any moment of any request.
func TestClientsThatGo(t *testing.T) {
	f := running(t, func(c *Config) { c.MaxConcurrentPerOrg = 64 })
	f.crowd("acme", 2000, 4)
	_, key := f.key("acme")
	_, cookie := f.signIn(key)
	targets := []string{
		"/v1/exports/users?" + lastDays(), "/v1/exports", "/app/summary?" + lastDays(), "/app/preview/users?" + lastDays(),
		"/app/history", "POST /export/users", "POST /export/users/json", "DELETE /app/session", "/readyz",
	}
	random := rand.New(rand.NewPCG(1, 2))
	var clients sync.WaitGroup
	for i := range 90 {
		target := targets[i%len(targets)]
		wait := time.Duration(random.IntN(120)) * time.Millisecond
		method, path, found := strings.Cut(target, " ")
		if !found {
			method = http.MethodGet
			path = target
		}
		clients.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), wait)
			defer cancel()
			body := ""
			if method == http.MethodPost {
				body = dropIn()
			}
			request, err := http.NewRequestWithContext(ctx, method, f.server.URL+path, strings.NewReader(body))
			if err != nil {
				t.Error(err)
				return
			}
			request.Header.Set("Authorization", "Bearer "+key)
			if method == http.MethodDelete {
				request.Header.Set("Cookie", access.SessionCookie+"="+cookie.Value)
			}
			if response, err := http.DefaultTransport.RoundTrip(request); err == nil {
				if response.StatusCode >= 500 {
					t.Errorf("%s: %d", target, response.StatusCode)
				}
				buffer := make([]byte, 10)
				_, _ = response.Body.Read(buffer)
				cancel()
				response.Body.Close()
			}
		})
	}
	clients.Wait()
	f.blameless(key)
}

// slowly is a connection to a database that is slow to read the watermark, which a GET does, and to
// look for usage, which a POST does.
type slowly struct {
	driver.Conn
	takes time.Duration
}

func (c slowly) QueryRow(ctx context.Context, query string, args ...any) driver.Row {
	if strings.Contains(query, "FROM progress") || strings.Contains(query, "FROM events FINAL") {
		select {
		case <-time.After(c.takes):
		case <-ctx.Done():
		}
	}
	return c.Conn.QueryRow(ctx, query, args...)
}

// The time limit for receiving a request does not limit how long the database may take to answer
// it.
func TestASlowDatabaseIsNoClientThatLeft(t *testing.T) {
	f := newFixture(t)
	f.event("acme", yesterday().Add(time.Hour), nil)
	_, key := f.key("acme")
	f.service.bodyTimeout = 100 * time.Millisecond
	f.service.conn = slowly{f.conn, 400 * time.Millisecond}
	server := httptest.NewUnstartedServer(f.service.Handler())
	server.Config.ReadTimeout = 100 * time.Millisecond
	server.Start()
	defer server.Close()
	f.server = server
	f.want(f.get("/v1/exports/users?"+lastDays(), key), 200)
	f.want(f.do(http.MethodPost, "/export/users", key, dropIn()), 200)
	f.want(f.do(http.MethodPost, "/export/users/json", key, dropIn()), 200)
}

// The database is asked once a second whether it is ready, however many clients ask the service.
func TestReadyzIsAskedOften(t *testing.T) {
	asked := 0
	r := &readiness{check: func(context.Context) error { asked++; return nil }}
	began := time.Now()
	for range 1000 {
		if r.now() != nil {
			t.Fatal("not ready")
		}
	}
	if most := 1 + int(time.Since(began)/readinessAge); asked > most {
		t.Errorf("asked %d times", asked)
	}
}
