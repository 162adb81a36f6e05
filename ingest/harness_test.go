package ingest

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"

	"rollcall/deploy/demo/embedded"
	"rollcall/deploy/demo/embedded/enginetest"
	"rollcall/deploy/test/kafkatest"
	"rollcall/schema/tables"
)

// A harness has a database of its own, and a broker: the tests' common one (kafkatest), or one that
// the test breaks.
type harness struct {
	testing.TB
	kafka    *kafkatest.Broker
	tables   tables.Options
	conn     driver.Conn
	producer *kgo.Client
	config   Config
	log      io.Writer // of the ingests; nil: the test's output
}

var testSecret = []byte("0123456789abcdef0123456789abcdef")

// newHarness uses the tests' common broker: the embedded one, or Apache Kafka.
func newHarness(t testing.TB, topics ...string) *harness {
	t.Helper()
	h := newDatabase(t)
	h.kafka = kafkatest.Open(t, topics...)
	h.connect(topics, h.kafka.Addr)
	return h
}

// newEmbedded uses an embedded broker that the test can control from within.
func newEmbedded(t testing.TB, o embedded.BrokerOptions) (*harness, *embedded.Broker) {
	t.Helper()
	h := newDatabase(t)
	broker, err := embedded.StartBroker(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	h.connect(o.Topics, broker.Addr())
	return h, broker
}

func newDatabase(t testing.TB) *harness {
	t.Helper()
	h := &harness{TB: t, tables: enginetest.Database(t)}
	var err error
	if h.conn, err = tables.Open(h.tables); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.conn.Close() })
	return h
}

func (h *harness) connect(topics []string, addrs ...string) {
	h.Helper()
	h.config = Config{
		Brokers: addrs, Topics: topics, Secret: testSecret, Group: uuid.NewString(),
		BatchAge: 20 * time.Millisecond, FetchWait: 50 * time.Millisecond, ProgressEvery: 50 * time.Millisecond,
		SessionTimeout: 6 * time.Second, StopTimeout: 4 * time.Second,
	}
	h.producer = h.client()
}

func (h *harness) client(opts ...kgo.Opt) *kgo.Client {
	h.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(h.config.Brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0),
		kgo.ProducerBatchMaxBytes(8 << 20)}, opts...)...)
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(client.Close)
	return client
}

// A member is one running ingest.
type member struct {
	*harness
	ingest   *Ingest
	registry *prometheus.Registry
	cancel   context.CancelFunc
	ended    chan error
}

// start runs an ingest until the test ends or stop is called.
func (h *harness) start() *member {
	h.Helper()
	m := &member{harness: h, registry: prometheus.NewRegistry(), ended: make(chan error, 1)}
	var err error
	log := h.Output()
	if h.log != nil {
		log = io.MultiWriter(log, h.log)
	}
	if m.ingest, err = New(h.config, h.tables, slog.New(slog.NewTextHandler(log, nil)), m.registry); err != nil {
		h.Fatal(err)
	}
	var ctx context.Context
	ctx, m.cancel = context.WithCancel(context.Background())
	go func() { m.ended <- m.ingest.Run(ctx) }()
	h.Cleanup(func() { m.stop() })
	return m
}

// stop ends the ingest as SIGTERM does, and returns what Run returned.
func (m *member) stop() error {
	m.Helper()
	if m.cancel == nil {
		return nil
	}
	m.cancel()
	m.cancel = nil
	select {
	case err := <-m.ended:
		return err
	case <-time.After(15 * time.Second):
		m.Fatal("ingest did not stop within 15 s")
		return nil
	}
}

// patience is how long a test waits for what should happen: much longer than it takes, since other
// tests may use the same cores.
const patience = 2 * time.Minute

// eventually polls until a condition holds.
func (h *harness) eventually(what string, holds func() bool) {
	h.Helper()
	deadline := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(deadline) {
			h.Fatalf("waited %s in vain: %s", patience, what)
		}
		<-time.After(10 * time.Millisecond)
	}
}

// produce sends values to a partition, in order, in one record batch each.
func (h *harness) produce(topic string, partition int32, values ...string) {
	h.Helper()
	for _, v := range values {
		h.send(&kgo.Record{Topic: topic, Partition: partition, Value: []byte(v)})
	}
}

func (h *harness) send(records ...*kgo.Record) {
	h.Helper()
	if err := h.producer.ProduceSync(context.Background(), records...).FirstErr(); err != nil {
		h.Fatal(err)
	}
}

// count runs a query that returns one number.
func (h *harness) count(query string, args ...any) (n uint64) {
	h.Helper()
	if err := h.conn.QueryRow(context.Background(), query, args...).Scan(&n); err != nil {
		h.Fatalf("%s: %v", query, err)
	}
	return n
}

// stored waits until the log holds n events.
func (h *harness) stored(n uint64) {
	h.Helper()
	h.eventually(fmt.Sprintf("%d events in the log", n),
		func() bool { return h.count("SELECT count() FROM events FINAL WHERE bitAnd(version, 1) = 0") == n })
}

// metric sums the series of a metric whose labels contain all of some "name=value".
func (m *member) metric(name string, labels ...string) (sum float64) {
	m.Helper()
	families, err := m.registry.Gather()
	if err != nil {
		m.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "rollcall_ingest_"+name {
			continue
		}
		for _, series := range f.GetMetric() {
			var has []string
			for _, l := range series.GetLabel() {
				has = append(has, l.GetName()+"="+l.GetValue())
			}
			if containsAll(has, labels) {
				sum += series.GetCounter().GetValue() + series.GetGauge().GetValue() +
					float64(series.GetHistogram().GetSampleCount())
			}
		}
	}
	return sum
}

func containsAll(has, wanted []string) bool {
	for _, w := range wanted {
		found := false
		for _, s := range has {
			found = found || s == w
		}
		if !found {
			return false
		}
	}
	return true
}

// committed is the group's offset of a partition, or −1.
func (h *harness) committed(topic string, partition int32) int64 {
	h.Helper()
	client := kafkago.Client{Addr: kafkago.TCP(h.config.Brokers...)}
	res, err := client.OffsetFetch(context.Background(),
		&kafkago.OffsetFetchRequest{GroupID: h.config.Group, Topics: map[string][]int{topic: {int(partition)}}})
	if err != nil {
		h.Fatal(err)
	}
	for _, p := range res.Topics[topic] {
		return p.CommittedOffset
	}
	return -1
}

// message is a message event.
func message(id, user string, at time.Time, more ...string) string {
	return fmt.Sprintf(`{"specversion":"1.0","id":%q,"source":"test","type":"usage.message.v1","time":%q,"data":{"org_id":"acme","user_id":%q,"channel":"chat"%s}}`,
		id, at.UTC().Format(time.RFC3339Nano), user, strings.Join(more, ""))
}

// userEvent describes a user.
func userEvent(id, user, name string, at time.Time) string {
	return fmt.Sprintf(`{"specversion":"1.0","id":%q,"source":"test","type":"usage.entity.v1","time":%q,"data":{"org_id":"acme","kind":"user","id":%q,"name":%q}}`,
		id, at.UTC().Format(time.RFC3339Nano), user, name)
}

func numbered(prefix string, n int) (ids []string) {
	for i := range n {
		ids = append(ids, fmt.Sprintf("%s-%d", prefix, i))
	}
	return ids
}
