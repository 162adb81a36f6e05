package ingest

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
)

// A proxy stands between ingest and ClickHouse. It calls rule for each statement; if rule returns
// nil, the statement passes.
type proxy struct {
	*httptest.Server
	mu    sync.Mutex
	rule  func(statement string) fault
	calls map[string]int // how many statements passed, by their beginning
}

// A fault is what happens to one statement.
type fault struct {
	before func(http.ResponseWriter) bool // instead of the statement; false goes on
	after  func()                         // when ClickHouse has replied; the reply is not passed on
}

func newProxy(h *harness) *proxy {
	target, err := url.Parse(h.tables.URL)
	if err != nil {
		h.Fatal(err)
	}
	forward := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: target.Scheme, Host: target.Host})
	p := &proxy{calls: map[string]int{}}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		statement := r.URL.Query().Get("query")
		p.mu.Lock()
		rule := p.rule
		p.mu.Unlock()
		var f fault
		if rule != nil {
			f = rule(statement)
		}
		if f.before != nil && f.before(w) {
			return
		}
		if f.after != nil {
			forward.ServeHTTP(httptest.NewRecorder(), r)
			f.after()
			panic(http.ErrAbortHandler)
		}
		forward.ServeHTTP(w, r)
		p.mu.Lock()
		p.calls[firstWords(statement)]++
		p.mu.Unlock()
	}))
	h.Cleanup(p.Close)
	h.tables.URL = strings.Replace(h.tables.URL, target.Host, strings.TrimPrefix(p.URL, "http://"), 1)
	return p
}

func (p *proxy) set(rule func(statement string) fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rule = rule
}

func firstWords(statement string) string {
	words := strings.Fields(statement)
	return strings.Join(words[:min(3, len(words))], " ")
}

// abort drops the connection without a reply.
func abort(http.ResponseWriter) bool { panic(http.ErrAbortHandler) }

// exception replies with an error as ClickHouse does.
func exception(code, text string) func(http.ResponseWriter) bool {
	return func(w http.ResponseWriter) bool {
		w.Header().Set("X-ClickHouse-Exception-Code", code)
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = w.Write([]byte("Code: " + code + ". DB::Exception: " + text))
		return true
	}
}
