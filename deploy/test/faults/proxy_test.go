//go:build faults && linux

package faults

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A proxy stands between one process and the engine. It passes everything on unless a fault is set.
type proxy struct {
	server *httptest.Server
	engine string // URL

	mu     sync.Mutex
	traps  []*trap
	noise  []func(*call) // one of them changes one call in noisePer
	rand   *rand.Rand
	struck atomic.Int64 // number of calls that had a fault
}

const noisePer = 12

// A call is one statement from the process to the engine.
type call struct {
	table  string // of an INSERT; empty: the statement is not an INSERT
	before func() // runs before the statement is passed on
	after  func() // runs when the engine has answered, before its answer is passed on
	refuse bool   // close the connection instead of passing the statement on
	lose   bool   // close the connection instead of passing the answer on
	code   int    // an exception of the engine to answer with, instead of passing the statement on; 0: none
}

// A trap changes the next insert into a table.
type trap struct {
	table  string
	spring func(*call)
	sprung chan struct{} // closed when the trap has sprung
}

func newProxy(t testing.TB, engine string, seed uint64) *proxy {
	p := &proxy{engine: engine, rand: rand.New(rand.NewPCG(seed, 1))}
	p.server = httptest.NewServer(http.HandlerFunc(p.pass))
	t.Cleanup(p.server.Close)
	return p
}

// trap sets a trap for the next insert into a table ("" is any table).
func (p *proxy) trap(table string, spring func(*call)) *trap {
	tr := &trap{table: table, spring: spring, sprung: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.traps = append(p.traps, tr)
	return tr
}

// clear removes the traps that did not spring.
func (p *proxy) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.traps = nil
	p.noise = nil
}

func (p *proxy) noisy(noise ...func(*call)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.noise = noise
}

var insertInto = regexp.MustCompile("(?i)INSERT INTO `?(\\w+)")

// judge finds the fault of a statement, if it has one.
func (p *proxy) judge(statement []byte) (c call) {
	if m := insertInto.FindSubmatch(statement[:min(len(statement), 400)]); m != nil {
		c.table = string(m[1])
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, tr := range p.traps {
		if c.table != "" && (tr.table == "" || tr.table == c.table) {
			p.traps = append(p.traps[:i:i], p.traps[i+1:]...)
			tr.spring(&c)
			close(tr.sprung)
			p.struck.Add(1)
			return c
		}
	}
	if len(p.noise) > 0 && p.rand.IntN(noisePer) == 0 {
		p.noise[p.rand.IntN(len(p.noise))](&c)
		p.struck.Add(1)
	}
	return c
}

func (p *proxy) pass(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	c := p.judge(append([]byte(r.URL.Query().Get("query")), body[:min(len(body), 400)]...))
	if c.before != nil {
		c.before()
	}
	if c.refuse {
		panic(http.ErrAbortHandler)
	}
	if c.code != 0 {
		w.Header().Set("X-ClickHouse-Exception-Code", strconv.Itoa(c.code))
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, "Code: "+strconv.Itoa(c.code)+". DB::Exception: a fault was asked for.")
		return
	}
	res := p.forward(r, body)
	defer res.Body.Close()
	if c.after != nil || c.lose {
		_, _ = io.Copy(io.Discard, res.Body)
		if c.after != nil {
			c.after()
		}
		panic(http.ErrAbortHandler)
	}
	for name, values := range res.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(res.StatusCode)
	if _, err := io.Copy(w, res.Body); err != nil {
		panic(http.ErrAbortHandler)
	}
}

// forward asks the engine. If the engine does not answer, the client's connection is closed, too.
func (p *proxy) forward(r *http.Request, body []byte) *http.Response {
	req, err := http.NewRequestWithContext(r.Context(), r.Method, p.engine+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	req.Header = r.Header.Clone()
	res, err := engineClient.Do(req)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	return res
}

var engineClient = &http.Client{
	Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 16, IdleConnTimeout: 10 * time.Second},
}

// Faults that noisy gives some of the engine's answers.
const (
	tooManyParts   = 252
	notEnoughSpace = 243
	readOnly       = 164
	tableReadOnly  = 242
	memoryLimit    = 241
)

func refuse(c *call) { c.refuse = true }
func lose(c *call)   { c.lose = true }

func answer(code int) func(*call) { return func(c *call) { c.code = code } }

func slow(d time.Duration) func(*call) {
	return func(c *call) { c.before = func() { time.Sleep(d) } } // the fault itself
}
