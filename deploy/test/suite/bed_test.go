package suite

import (
	"context"
	"flag"
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"

	"rollcall/deploy/test/suite/oracle"
	"rollcall/deploy/test/suite/traffic"
	"rollcall/export"
	"rollcall/export/access"
	"rollcall/ingest"
	"rollcall/rollup"
	"rollcall/schema/tables"
)

var seed = flag.Uint64("seed", 1, "the seed of the random events and requests")

// topics are two, which is enough to show that any topic can carry any type.
var topics = []string{"suite.one", "suite.two"}

var secret = []byte("the suite's secret, 32 bytes long")

// A bed is the product on one backend, and an oracle that was given the same records.
type bed struct {
	t       *testing.T
	broker  string
	kafka   *kafka.Transport
	ch      tables.Options // for ingest and exports
	shard   tables.Options // for rollup and for the suite itself; differs from ch only on a cluster
	conn    driver.Conn    // to shard
	oracle  *oracle.Oracle
	now     time.Time // the time at which the oracle checks dates
	metrics *prometheus.Registry

	server *httptest.Server
	keys   map[string]string // workspace → key
	files  map[string][]byte // request and ETag → the answer
	days   map[string]daySeen
}

func newBed(t *testing.T) *bed {
	broker, ch := backend(t, topics...)
	return newBedOn(t, broker, ch, ch)
}

func newBedOn(t *testing.T, broker string, ch, shard tables.Options) *bed {
	b := &bed{
		t: t, oracle: oracle.New(), now: time.Now(), metrics: prometheus.NewRegistry(), keys: map[string]string{},
		files: map[string][]byte{}, days: map[string]daySeen{},
	}
	b.broker = broker
	b.kafka = transport(t)
	b.ch = ch
	b.shard = shard
	conn, err := tables.Open(b.shard)
	b.must(err)
	b.conn = conn
	t.Cleanup(func() { conn.Close() })
	b.serve()
	return b
}

func (b *bed) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// serve starts the export service with limits that no test reaches.
func (b *bed) serve() {
	e, err := export.New(export.Config{Secret: secret, RatePerMinute: 1_000_000, MaxConcurrentPerOrg: 64}, b.ch,
		quiet(b.t), prometheus.NewRegistry())
	b.must(err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	b.server = httptest.NewServer(e.Handler())
	b.t.Cleanup(func() {
		b.server.Close()
		cancel()
		if err := <-done; err != nil {
			b.t.Errorf("export ended with %v", err)
		}
	})
}

// quiet logs warnings to the test.
func quiet(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// send produces the records, each to a random partition, and gives them to the oracle.
func (b *bed) send(records []traffic.Record) {
	b.t.Helper()
	b.produce(records)
	for _, r := range records {
		b.tell(r)
	}
}

// ingest runs one ingest until everything that was produced is committed, and stops it. Then it
// settles the oracle's conflicts by the log.
func (b *bed) ingest(change func(*ingest.Config)) {
	b.t.Helper()
	cfg := ingest.Config{Brokers: []string{b.broker}, Topics: topics, Secret: secret, TLS: security.tls}
	if change != nil {
		change(&cfg)
	}
	stop := b.startIngest(cfg, b.ch)
	b.eventually(b.committed)
	stop()
	b.compareLog()
}

// startIngest runs an ingest until stop is called, or until the test ends.
func (b *bed) startIngest(cfg ingest.Config, ch tables.Options) (stop func()) {
	b.t.Helper()
	registry := prometheus.NewRegistry()
	b.metrics = registry
	i, err := ingest.New(cfg, ch, quiet(b.t), registry)
	b.must(err)
	ctx, cancel := context.WithCancel(b.t.Context())
	done := make(chan error, 1)
	go func() {
		err := i.Run(ctx)
		if err != nil {
			b.t.Errorf("ingest ended with %v", err)
		}
		done <- err
	}()
	return func() {
		cancel()
		<-done
	}
}

// eventually polls until notYet returns nil. Its deadline is long enough for slow machines.
func (b *bed) eventually(notYet func() error) {
	b.t.Helper()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for deadline := time.Now().Add(90 * time.Second); ; <-poll.C {
		err := notYet()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("still after 90 s: %v", err)
		}
	}
}

// roll makes a rollup worker. It has no settle time, so it rolls a slice up at once.
func (b *bed) roll() *rollup.Rollup {
	b.t.Helper()
	r, err := rollup.New(rollup.Config{SettleTime: time.Nanosecond}, b.shard, quiet(b.t), prometheus.NewRegistry())
	b.must(err)
	return r
}

// key returns the workspace's API key.
func (b *bed) key(org string) string {
	b.t.Helper()
	if b.keys[org] == "" {
		keys := access.OpenKeys(b.conn)
		_, key, err := keys.Create(b.t.Context(), org, "suite", 0)
		b.must(err)
		b.keys[org] = key
	}
	return b.keys[org]
}
