package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"
)

// EngineOptions say where the embedded ClickHouse engine keeps its data and where it answers. Only
// Dir is required.
type EngineOptions struct {
	Dir     string // its data; made if missing; one process at a time can use it
	Addr    string // a loopback address; default 127.0.0.1:0, any free port
	Library string // path of libchdb; default FindEngine()
	// Config is a ClickHouse configuration file for what has no option here. Tests describe
	// clusters with it.
	Config    string
	MaxMemory int64 // bytes that all queries together may take; default: half of the machine's memory
	// MaxRequestLine is the most bytes that a request's first line may have, as proxies limit it.
	// 0: no limit but that of net/http, about 1 MiB. Tests set it.
	MaxRequestLine int
	Log            *slog.Logger // default slog.Default()
}

// Engine is ClickHouse inside this process. It serves the part of ClickHouse's HTTP interface that
// doc.go describes, on a loopback address. Acknowledged inserts survive SIGKILL of the process.
type Engine struct {
	lib    *chdb
	first  *session // keeps the engine open
	args   []string
	lock   *dirLock
	log    *slog.Logger
	server *http.Server
	addr   string

	maxRequestLine int

	closing context.Context // done once Close begins
	end     context.CancelFunc
	once    sync.Once
}

// running is locked while this process has an engine: the library can open one directory at a time.
var running sync.Mutex

// StartEngine loads the library, opens the directory and listens. ctx limits the start only; Close
// ends the engine. It fails if the library is not installed, if Addr is not a loopback address or
// is taken, if another process uses Dir, or if this process has an engine already. The error says
// what to do.
func StartEngine(ctx context.Context, o EngineOptions) (*Engine, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("embedded engine: %w", err)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.Addr)
	if err != nil {
		return nil, fmt.Errorf("embedded engine: %w", err)
	}
	e, err := openEngine(o)
	if err != nil {
		listener.Close()
		return nil, fmt.Errorf("embedded engine: %w", err)
	}
	e.addr = listener.Addr().String()
	e.server = &http.Server{
		Handler:           e,
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return e.closing },
		ErrorLog:          slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}
	go e.server.Serve(listener)
	return e, nil
}

func (o EngineOptions) withDefaults() (EngineOptions, error) {
	if o.Dir == "" {
		return o, errors.New("no directory for its data")
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return o, err
	}
	o.Dir = dir
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	if err := onLoopback(o.Addr); err != nil {
		return o, err
	}
	if o.Library == "" {
		o.Library, err = FindEngine()
	}
	return o, err
}

// onLoopback refuses addresses that other machines can reach, because the engine has no passwords.
func onLoopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("address %q: %w; write it like 127.0.0.1:8123", addr, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("address %s is not a loopback address: the embedded engine has no passwords, "+
			"so it listens on 127.0.0.1, ::1 or localhost only", addr)
	}
	return nil
}

// openEngine locks the directory and starts ClickHouse on it.
func openEngine(o EngineOptions) (*Engine, error) {
	if !running.TryLock() {
		return nil, errors.New("this process runs an engine already; close it first, or start another process")
	}
	e := &Engine{
		log: o.Log, args: []string{"--path=" + filepath.Join(o.Dir, "data")}, maxRequestLine: o.MaxRequestLine,
	}
	e.closing, e.end = context.WithCancel(context.Background())
	if err := e.open(o); err != nil {
		e.release()
		return nil, err
	}
	return e, nil
}

func (e *Engine) open(o EngineOptions) (err error) {
	if e.lock, err = lockDir(o.Dir); err != nil {
		return err
	}
	if e.lib, err = loadLibrary(o.Library); err != nil {
		return err
	}
	e.first, err = e.lib.open(append(e.args, serverSettings(o)...)...)
	return err
}

// serverSettings are the settings of the engine as a whole. Its pools are small because it shares
// its machine with the rest of Rollcall.
func serverSettings(o EngineOptions) []string {
	memory := "--max_server_memory_usage_to_ram_ratio=0.5"
	if o.MaxMemory > 0 {
		memory = fmt.Sprintf("--max_server_memory_usage=%d", o.MaxMemory)
	}
	settings := []string{memory, fmt.Sprintf("--mark_cache_size=%d", 256<<20)}
	if o.Config != "" {
		settings = append(settings, "--config-file="+o.Config)
	}
	return settings
}

// URL is the address of the engine, without a database: http://127.0.0.1:8123.
func (e *Engine) URL() string { return "http://" + e.addr }

// closeLimit is how long Close waits for running statements to end.
const closeLimit = 8 * time.Second

// Close ends the running statements, including those that write, and releases the directory. From
// then on requests get errors.
func (e *Engine) Close() {
	e.once.Do(func() {
		e.end()
		ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
		defer cancel()
		if e.server.Shutdown(ctx) == nil {
			e.release()
			return
		}
		e.server.Close()
		// Closing a session while its statement runs would crash the process, so the engine stays
		// open. What it acknowledged is safe.
		e.log.Warn("embedded engine: a statement did not end; its directory stays locked until this process ends")
	})
}

func (e *Engine) release() {
	if e.first != nil {
		e.first.close()
	}
	if e.lock != nil {
		e.lock.release()
	}
	running.Unlock()
}

// killPeriod is how often KILL QUERY is repeated: the query may not have been listed yet.
const killPeriod = 50 * time.Millisecond

// killOn ends the query with this id when ctx is done, unless finished is closed first. The caller
// closes finished and then calls wait, because killOn may have a session open until then.
func (e *Engine) killOn(ctx context.Context, queryID string, finished <-chan struct{}) (wait func()) {
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-ctx.Done():
			e.kill(queryID, finished)
		case <-finished:
		}
	})
	return watch.Wait
}

// kill repeats KILL QUERY for this id until finished is closed.
func (e *Engine) kill(queryID string, finished <-chan struct{}) {
	s, err := e.lib.open(e.args...)
	if err != nil {
		e.log.Error("embedded engine: cannot cancel a query", "err", err)
		return
	}
	defer s.close()
	tick := time.NewTicker(killPeriod)
	defer tick.Stop()
	for {
		statement := "KILL QUERY WHERE Settings['log_comment'] = " + quote(queryID, '\'') + " ASYNC"
		if _, _, err := s.query(statement, "Null", nil); err != nil {
			e.log.Error("embedded engine: cannot cancel a query", "err", err)
		}
		select {
		case <-finished:
			return
		case <-tick.C:
		}
	}
}
