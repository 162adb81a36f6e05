package export

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"rollcall/export/access"
	"rollcall/schema/tables"
)

// The defaults of Config.
const (
	DefaultRatePerMinute       = 500
	DefaultMaxConcurrentPerOrg = 8
	DefaultMaxConcurrent       = 64
	// DefaultFirstByteTimeout is shorter than the 60 s after which most proxies give up.
	DefaultFirstByteTimeout = 50 * time.Second
)

// Config configures the service. Only Secret is required.
type Config struct {
	// the address that download links start with, like https://usage.example.com; default: the
	// scheme and host of the request
	PublicURL string
	// signs download links and sessions, keys pseudonyms; the same in every process, at least 16
	// bytes
	Secret        []byte
	RatePerMinute int // requests per key that this process admits within any minute; 0: DefaultRatePerMinute
	// requests of one workspace that this process answers at the same time; 0:
	// DefaultMaxConcurrentPerOrg
	MaxConcurrentPerOrg int
	// requests of all workspaces that this process answers at the same time; 0: DefaultMaxConcurrent
	MaxConcurrent int
	// an answer that has not begun after so long is a 503; 0: DefaultFirstByteTimeout
	FirstByteTimeout time.Duration
	// a client that takes no byte of its download for so long is disconnected; default 1 min
	StallTimeout time.Duration
	// bytes of memory that one aggregation or sort takes in the engine before it spills to disk;
	// default: the engine's setting
	SpillBytes uint64
	Traces     trace.TracerProvider // receives the spans of requests; nil: no spans are made
	Now        func() time.Time
}

// Check checks all settings but the secret, which the database may have to tell first.
func (c Config) Check() error {
	if c.PublicURL != "" {
		u, err := url.Parse(c.PublicURL)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
			return fmt.Errorf("the public URL must look like https://usage.example.com, not %q", c.PublicURL)
		}
	}
	if min(c.RatePerMinute, c.MaxConcurrentPerOrg, c.MaxConcurrent) < 0 || min(c.FirstByteTimeout, c.StallTimeout) < 0 {
		return errors.New("rate, concurrency and timeouts must not be negative; 0 takes the default")
	}
	return nil
}

func (c Config) withDefaults() (Config, error) {
	if len(c.Secret) < 16 {
		return c, errors.New("the export service needs a secret of at least 16 bytes")
	}
	if err := c.Check(); err != nil {
		return c, err
	}
	c.PublicURL = strings.TrimRight(c.PublicURL, "/")
	if c.RatePerMinute == 0 {
		c.RatePerMinute = DefaultRatePerMinute
	}
	if c.MaxConcurrentPerOrg == 0 {
		c.MaxConcurrentPerOrg = DefaultMaxConcurrentPerOrg
	}
	if c.MaxConcurrent == 0 {
		c.MaxConcurrent = DefaultMaxConcurrent
	}
	if c.FirstByteTimeout == 0 {
		c.FirstByteTimeout = DefaultFirstByteTimeout
	}
	if c.StallTimeout == 0 {
		c.StallTimeout = time.Minute
	}
	if c.Traces == nil {
		c.Traces = noop.NewTracerProvider()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c, nil
}

func (c Config) gate() access.Config {
	return access.Config{
		Secret: c.Secret, PublicURL: c.PublicURL, Now: c.Now,
		RatePerMinute: c.RatePerMinute, MaxConcurrentPerOrg: c.MaxConcurrentPerOrg, MaxConcurrent: c.MaxConcurrent,
	}
}

// Export is the HTTP service.
type Export struct {
	cfg     Config
	conn    driver.Conn
	log     *slog.Logger
	metrics *metrics
	tracer  trace.Tracer
	keys    *access.Keys
	gate    *access.Gate
	audit   *audit
	books   workbooks

	readiness   *readiness
	bodyTimeout time.Duration // to receive a request's body
}

// New checks the configuration and makes the service. It does not talk to the database.
func New(cfg Config, ch tables.Options, log *slog.Logger, reg prometheus.Registerer) (*Export, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if ch.MaxConns == 0 {
		ch.MaxConns = 2 * cfg.MaxConcurrent // a running download holds one, and a plan or the audit another
	}
	ch.Failures = tables.NewFailures(reg, "export")
	conn, err := tables.Open(ch)
	if err != nil {
		return nil, err
	}
	keys := access.OpenKeys(conn)
	e := &Export{
		cfg: cfg, conn: conn, log: log, metrics: newMetrics(reg), tracer: cfg.Traces.Tracer("rollcall/export"),
		keys:  keys,
		gate:  access.New(cfg.gate(), conn, keys),
		audit: newAudit(conn, log, ch.Cluster != ""),
		books: newWorkbooks(),

		bodyTimeout: 10 * time.Second,
	}
	e.readiness = &readiness{check: e.checkReady}
	return e, nil
}

// Run writes the ends of requests to the audit table, a few times a second, and looks for keys that
// are about to expire. When ctx is cancelled, it writes the rest and returns.
func (e *Export) Run(ctx context.Context) error {
	var watch sync.WaitGroup
	watch.Go(func() {
		e.keys.WatchExpiring(ctx, e.cfg.Now, e.log, func(n uint64) { e.metrics.expiring.Set(float64(n)) })
	})
	defer watch.Wait()
	return e.audit.run(ctx)
}

// Ready returns nil if exports can be answered: ClickHouse answers, has the schema that this binary
// was built for, and takes rows of the audit. The answer is at most a second old.
func (e *Export) Ready(context.Context) error { return e.readiness.now() }

func (e *Export) checkReady(ctx context.Context) error {
	if err := tables.Check(ctx, e.conn); err != nil {
		return err
	}
	return e.audit.ready(ctx)
}

// Handler answers all routes of SPEC.md §3.
func (e *Export) Handler() http.Handler { return e.routes() }
