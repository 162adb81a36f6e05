package export

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"rollcall/export/access"
)

// The audit, the log and the traces never hold the signature of a download link in any encoding.
// This holds wherever the link stands in a request, and for whatever reason the request is refused.
// The link works before and after.
func TestNoSignatureIsKept(t *testing.T) {
	spans := tracetest.NewInMemoryExporter()
	f := newFixture(t, func(c *Config) {
		c.RatePerMinute = 40
		c.MaxConcurrentPerOrg = 1
		c.Traces = sdk.NewTracerProvider(sdk.WithSyncer(spans))
	})
	f.event("acme", yesterday().Add(time.Hour), nil)
	_, key := f.key("acme")
	link := f.makeLink(key, "users")
	f.want(f.get(link, ""), 200)
	u, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	signature := u.Query().Get("signature")
	everyByte := ""
	for _, b := range []byte(signature) {
		everyByte += fmt.Sprintf("%%%02x", b)
	}
	head := func(method, path, key string, header ...string) { f.do(method, path, key, "", header...) }
	head("HEAD", link, "")
	head("GET", link, "", "If-None-Match", "*")
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"} {
		head(method, link, key)
	}
	f.http10(u.RequestURI(), key)
	for _, path := range []string{ // with the key, so that the audit has the request
		strings.Replace(u.RequestURI(), "/export/files", "/v1/exports", 1),
		strings.Replace(u.RequestURI(), "/export/files", "/export/fils", 1),
		strings.Replace(u.RequestURI(), "/export/files", "/export/%66iles", 1),
		"/v1/exports/users?range=today&" + u.RawQuery,
		"/v1/exports/users?%73ignature=" + everyByte,
		"/v1/exports/users?range=" + url.QueryEscape(link),
		"/v1/exports/users?range=" + url.QueryEscape(url.QueryEscape(link)),
		"/v1/exports/" + url.PathEscape(link),
		"/v1/exports/" + signature,
		"/v1/exports/" + everyByte,
		"/v1/exports?" + signature,
		"/app/preview/users?" + u.RawQuery,
		"/app/summary?" + u.RawQuery,
		"/v1/exports/users?x=" + key,
	} {
		if a := f.get(path, key); a.StatusCode < 400 {
			t.Errorf("%s: %d", path, a.StatusCode)
		}
	}
	f.do("POST", "/export/users?"+u.RawQuery, key, dropIn())
	end, err := f.service.gate.Admit(access.Principal{Org: "acme", KeyID: "another"})
	if err != nil {
		t.Fatal(err)
	}
	f.want(f.get(link, ""), 429) // too many at the same time
	end()
	f.want(f.get(link, ""), 200)
	for f.get(link, "").StatusCode != 429 { // until the rate limit refuses it
	}
	cfg := f.service.cfg
	cfg.RatePerMinute = 100
	f.service.gate = access.New(cfg.gate(), f.conn, f.service.keys) // has counted no request yet
	f.want(f.get(link, ""), 200)
	if err := f.conn.Exec(t.Context(), "RENAME TABLE events TO elsewhere"); err != nil {
		t.Fatal(err)
	}
	f.want(f.get(link, ""), 503)

	var requests []string
	audited := f.conn.QueryRow(t.Context(), "SELECT groupArray(concat(request, ' ', outcome)) FROM export_audit")
	if err := audited.Scan(&requests); err != nil || len(requests) < 20 {
		t.Fatalf("%d audit rows, %v", len(requests), err)
	}
	if len(spans.GetSpans()) < 20 {
		t.Fatalf("%d spans", len(spans.GetSpans()))
	}
	for where, text := range map[string]string{
		"audit": strings.Join(requests, "\n"), "log": f.log.String(), "traces": fmt.Sprintf("%+v", spans.GetSpans()),
	} {
		for _, secret := range []string{signature, key[16:]} {
			if i := strings.Index(decoded(text), secret); i >= 0 {
				t.Errorf("the %s has a signature or a key: …%s", where, decoded(text)[max(0, i-200):i+20])
			}
		}
	}
	text := strings.Join(requests, "\n")
	if !strings.Contains(text, "GET "+u.EscapedPath()+" complete") ||
		!strings.Contains(text, "GET /v1/exports/users?range=today&request=…&signature=… refused") {
		t.Errorf("the audit does not tell what was asked:\n%s", text)
	}
}

// http10 sends a request as HTTP/1.0 and gives the status.
func (f *fixture) http10(target, key string) int {
	f.Helper()
	return f.raw("GET " + target + " HTTP/1.0\r\nHost: h\r\nAuthorization: Bearer " + key + "\r\n\r\n")
}

// raw sends bytes and gives the status of the answer, 0 if the connection was closed without one.
func (f *fixture) raw(request string) int {
	f.Helper()
	conn, err := net.Dial("tcp", f.server.Listener.Addr().String())
	if err != nil {
		f.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := conn.Write([]byte(request)); err != nil {
		return 0
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0
	}
	response.Body.Close()
	return response.StatusCode
}

func TestRequestText(t *testing.T) {
	secret := strings.Repeat("aB3_", 11)
	for target, want := range map[string]string{
		"/v1/exports/users?range=today":                       "GET /v1/exports/users?range=today",
		"/v1/exports":                                         "GET /v1/exports",
		"/v1/exports/users?":                                  "GET /v1/exports/users?",
		"/v1/exports/users?range=%zz&x=%":                     "GET /v1/exports/users?range=%zz&x=%",
		"/v1/exports/users?a=" + secret[:39] + "&b=c":         "GET /v1/exports/users?a=" + secret[:39] + "&b=c",
		"/v1/exports/users?a=" + secret + "&b=c":              "GET /v1/exports/users?a=…&b=c",
		"/v1/exports/users?" + secret + "=" + secret + "&b=c": "GET /v1/exports/users?…&b=c",
		"/v1/exports/x%2541" + secret:                         "GET /v1/exports/…",
		"/export/files/users.csv?request=e30&signature=AAAA":  "GET /export/files/users.csv",
		"/export/%2566iles/users.csv?signature=AAAA":          "GET /export/%2566iles/users.csv",
	} {
		u, err := url.Parse(target)
		if err != nil {
			u = &url.URL{}
			u.Path, u.RawQuery, _ = strings.Cut(target, "?")
		}
		if got := requestText(&http.Request{Method: "GET", URL: u}); got != want {
			t.Errorf("%s: %s, want %s", target, got, want)
		}
	}
}
