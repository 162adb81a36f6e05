package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	oklog "github.com/oklog/run"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/net/netutil"

	"rollcall/ingest/backoff"
)

// adminFlags are the flags that every long-running command has.
type adminFlags struct {
	traceFlags `embed:""`
	AdminAddr  string `help:"Where /metrics, /healthz, /readyz and /debug/pprof are served; not for the public." default:"127.0.0.1:9464"`
}

// A part is one long-running piece of the process. Run blocks until ctx is cancelled, and does not
// return that as an error.
type part interface {
	Run(ctx context.Context) error
	Ready(ctx context.Context) error
}

// adminConnections is enough for Prometheus, probes and an SRE.
const adminConnections = 64

// stopGrace is how long a stop may take after SIGTERM (SPEC.md §4). Then the process ends, even if
// a part hangs.
const stopGrace = 15 * time.Second

// A service has the parts of one process, their metrics and their admin address.
type service struct {
	stage  string
	build  build
	log    *slog.Logger
	reg    *prometheus.Registry
	certs  *certificates
	traces traces
	ready  *readinessMetrics
	parts  map[string]part
	group  oklog.Group
}

func newService(ctx context.Context, stage string, f traceFlags, log *slog.Logger) (*service, error) {
	s := &service{log: log, reg: prometheus.NewRegistry(), certs: newCertificates(log), parts: map[string]part{}}
	s.reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	b, err := thisBuild()
	if err != nil {
		return nil, err
	}
	s.stage = stage
	s.build = b
	b.register(s.reg)
	s.reg.MustRegister(s.certs)
	s.ready = newReadinessMetrics(s.reg)
	s.traces, err = f.open(ctx, stage, log)
	return s, err
}

// add makes p run with the others, and watches whether it is ready. The first part that stops stops
// all, and run waits for each.
func (s *service) add(ctx context.Context, name string, p part) {
	s.parts[name] = p
	ctx, cancel := context.WithCancel(ctx)
	w := newWatch(name, p, s.ready, s.log)
	s.group.Add(func() error { w.run(ctx); return nil }, func(error) { cancel() })
	s.group.Add(func() error {
		if err := p.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	}, func(error) { cancel() })
}

// guarded returns an HTTP server whose connections no client can hold for long. A client that sends
// its header or body byte by byte, or sends nothing, is cut off. A long download is not.
func guarded(handler http.Handler) *http.Server {
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 32 << 10,
	}
}

// serve answers HTTP on addr until the service stops. Open requests then get a few seconds to
// finish.
func (s *service) serve(addr string, server *http.Server, maxConnections int, certFile, keyFile string) error {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return badSetting("cannot listen on %s: %w", addr, err)
	}
	if certFile != "" || keyFile != "" {
		certificate, err := newRenewedCertificate(certFile, keyFile)
		if err != nil {
			listener.Close()
			return badSetting("--http-cert-file and --http-key-file: %w", err)
		}
		server.TLSConfig = &tls.Config{
			MinVersion:     tls.VersionTLS12,
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return certificate.get(), nil },
		}
	}
	listener = netutil.LimitListener(listener, maxConnections)
	server.ErrorLog = slog.NewLogLogger(s.log.Handler(), slog.LevelDebug)
	s.group.Add(func() error {
		var err error
		if server.TLSConfig != nil {
			err = server.ServeTLS(listener, "", "")
		} else {
			err = server.Serve(listener)
		}
		if errors.Is(err, http.ErrServerClosed) {
			return nil
		}
		return err
	}, func(error) {
		ctx, cancel := context.WithTimeout(context.Background(), stopGrace/3)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			server.Close() // cuts the answers that are still being sent, so that they do not look complete
		}
	})
	return nil
}

// run serves the admin address and runs all parts until ctx is cancelled or one of them fails.
func (s *service) run(ctx context.Context, adminAddr string) error {
	admin := guarded(s.admin())
	admin.ReadTimeout = 0 // it would end a profile of more than 30 s
	if err := s.serve(adminAddr, admin, adminConnections, "", ""); err != nil {
		return err
	}
	stopped, cancel := context.WithCancel(ctx)
	s.group.Add(func() error { <-stopped.Done(); return nil }, func(error) { cancel() })
	defer inTime(ctx, func() { panic("rollcall: did not stop in time") })()
	s.log.Info("started", "stage", s.stage, "version", s.build.version, "commit", s.build.commit,
		"go", s.build.goVersion, "schema", s.build.schema, "admin", adminAddr)
	err := s.group.Run()
	s.traces.close()
	s.log.Info("stopped", "stage", s.stage, "version", s.build.version)
	return err
}

// inTime calls overdue if stopGrace has passed since ctx was cancelled, and ended was not called
// until then. After ended, it does nothing, also if ctx is cancelled later.
func inTime(ctx context.Context, overdue func()) (ended func()) {
	end := make(chan struct{})
	go func() {
		select {
		case <-ctx.Done():
		case <-end:
			return
		}
		select {
		case <-time.After(stopGrace):
			overdue()
		case <-end:
		}
	}()
	return func() { close(end) }
}

// admin is the handler of the admin address.
func (s *service) admin() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.reg, promhttp.HandlerOpts{Registry: s.reg}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}

// readyz says which part is not ready, and why.
func (s *service) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	if err := s.notReady(ctx); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ready")
}

// notReady returns nil if all parts are ready.
func (s *service) notReady(ctx context.Context) error {
	for name, p := range s.parts {
		if err := p.Ready(ctx); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// waitUntilReady returns ctx's error if ctx ends first.
func (s *service) waitUntilReady(ctx context.Context) error {
	for s.notReady(ctx) != nil {
		if err := backoff.Sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
	return ctx.Err()
}
