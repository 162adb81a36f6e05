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
	Dir       string       // its data; made if missing, held by one process at a time
	Addr      string       // a loopback address; default 127.0.0.1:0, any free port
	Library   string       // path of libchdb; default FindEngine()
	Config    string       // a ClickHouse configuration file, for what has no option here: tests describe clusters by it
	MaxMemory int64        // bytes that all its queries may take together; default: half of the machine's memory
	Log       *slog.Logger // default slog.Default()
}

// Engine is ClickHouse inside this process. It answers ClickHouse's HTTP interface on a loopback
// address; doc.go says how far. What it acknowledged survives SIGKILL of the process.
type Engine struct {
	lib    *chdb
	first  *session // holds the engine open
	args   []string
	lock   *dirLock
	log    *slog.Logger
	server *http.Server
	addr   string

	closing context.Context // done once Close begins
	end     context.CancelFunc
	once    sync.Once
}

// running says whether this process has an engine: the library can hold one directory at a time.
var running sync.Mutex

// StartEngine loads the library, opens the directory and listens. ctx bounds the start only; Close
// ends the engine. It fails, with what to do, if the library is not installed, if Addr is not a
// loopback address or is taken, if another process has Dir, and if this process has an engine
// already.
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

// onLoopback refuses addresses that other machines reach: the engine asks nobody for a password.
func onLoopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("address %q: %w; write it like 127.0.0.1:8123", addr, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("address %s is not a loopback address: the embedded engine has no passwords, so it listens on 127.0.0.1, ::1 or localhost only", addr)
	}
	return nil
}

// openEngine takes the directory and starts ClickHouse on it.
func openEngine(o EngineOptions) (*Engine, error) {
	if !running.TryLock() {
		return nil, errors.New("this process runs an engine already; close it first, or start another process")
	}
	e := &Engine{log: o.Log, args: []string{"--path=" + filepath.Join(o.Dir, "data")}}
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

// serverSettings are those of the engine as a whole. It shares its machine with the rest of
// Rollcall, so its pools are small.
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

// URL is where the engine answers, without a database: http://127.0.0.1:8123.
func (e *Engine) URL() string { return "http://" + e.addr }

// closeLimit is how long Close waits for running statements to end.
const closeLimit = 8 * time.Second

// Close ends the running statements, those that write too, and gives the directory back. Requests
// get errors from then on.
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
		// A session closed under its statement would bring the process down, so the engine stays;
		// what it acknowledged is safe.
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

// killPeriod is how often a query that must end is told so: it may not have been listed the first
// time.
const killPeriod = 50 * time.Millisecond

// killOn ends the query with this id when ctx is done, unless finished is closed first. The caller
// closes finished, then calls wait: until then a session may be open.
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

// kill tells the query with this id to end until finished is closed.
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
		if _, _, err := s.query("KILL QUERY WHERE Settings['log_comment'] = "+quote(queryID, '\'')+" ASYNC", "Null",
			nil); err != nil {
			e.log.Error("embedded engine: cannot cancel a query", "err", err)
		}
		select {
		case <-finished:
			return
		case <-tick.C:
		}
	}
}
