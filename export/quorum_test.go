package export

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"rollcall/deploy/demo/embedded/enginetest"
)

var insertInto = regexp.MustCompile(`INSERT INTO (\w+)`)

// Keys, the end of sessions and the audit do not wait for replicas that are away.
func TestNoQuorumForWhatMustGoOn(t *testing.T) {
	o := enginetest.Database(t)
	engine, err := url.Parse(o.URL)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	quorums := map[string]string{} // table → insert_quorum
	proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Scheme = "http"
		r.Out.URL.Host = engine.Host
		body := bufio.NewReader(r.In.Body)
		start, _ := body.Peek(100) // of a statement's text
		r.Out.Body = struct {
			*bufio.Reader
			io.Closer
		}{body, r.In.Body}
		query := r.In.URL.Query()
		if m := insertInto.FindStringSubmatch(query.Get("query") + string(start)); m != nil {
			mu.Lock()
			defer mu.Unlock()
			quorums[m[1]] += "insert_quorum=" + query.Get("insert_quorum") + " "
		}
	}})
	t.Cleanup(proxy.Close)
	o.URL = strings.Replace(o.URL, engine.Host, strings.TrimPrefix(proxy.URL, "http://"), 1)
	f := newFixtureOn(t, o)
	f.event("acme", yesterday(), nil)
	id, key := f.key("acme")
	f.want(f.get("/v1/exports/users?"+lastDays(), key), http.StatusOK)
	f.want(f.signOut(f.signedIn(key)), http.StatusNoContent)
	if err := f.service.keys.Revoke(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"keys", "ended_sessions", "export_audit"} {
		got := quorums[table]
		if got == "" || strings.Contains(strings.ReplaceAll(got, "insert_quorum=0 ", ""), "insert_quorum") {
			t.Errorf("inserts into %s: %q, want all with insert_quorum=0", table, got)
		}
	}
}
