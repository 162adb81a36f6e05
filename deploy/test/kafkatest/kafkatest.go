package kafkatest

import (
	"context"
	"os"
	"sync"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"rollcall/deploy/demo/embedded"
)

// Partitions is the number of partitions of each topic that Open makes.
const Partitions = 4

// Broker is one test's broker. Its methods fail the test if they cannot do what they say.
type Broker struct {
	Addr string // host:port, the same after Restart and Kill
	Real bool   // Apache Kafka, not the embedded broker

	t       testing.TB
	backend backend
	client  *kgo.Client
}

// backend has the methods that differ between the two kinds of broker.
type backend interface {
	address() string
	stop(how syscall.Signal) error
	start(ctx context.Context) error
	applyRetention()
}

// Open gives the test a broker with empty topics of these names (the default ones if none is named)
// until the test ends. Only one test at a time has the real broker; other tests wait. So a test
// that has the broker must not open it again in a subtest.
func Open(t testing.TB, topics ...string) *Broker {
	t.Helper()
	if len(topics) == 0 {
		topics = embedded.DefaultTopics
	}
	b := &Broker{t: t}
	switch kind := os.Getenv("ROLLCALL_TEST_KAFKA"); kind {
	case "", "kfake":
		b.backend = openEmbedded(t)
	case "real":
		b.backend = openReal(t)
		b.Real = true
	default:
		t.Fatalf("ROLLCALL_TEST_KAFKA is %q: set it to kfake or real", kind)
	}
	b.Addr = b.backend.address()
	b.client = b.newClient()
	for _, topic := range topics {
		b.RecreateTopic(topic, Partitions)
	}
	if b.Real {
		t.Cleanup(func() { b.deleteAll(topics) })
	}
	return b
}

// Connect gives a test a Broker for a broker that was started elsewhere. Restart and Kill do not
// work on it.
func Connect(t testing.TB, addr string) *Broker {
	b := &Broker{t: t, Addr: addr}
	b.client = b.newClient()
	return b
}

// Restart stops the broker in order and starts it again.
func (b *Broker) Restart() { b.Down(syscall.SIGTERM)() }

// Kill ends the broker's process with SIGKILL and starts it again. The embedded broker shares the
// test's process; it is restarted in order.
func (b *Broker) Kill() { b.Down(syscall.SIGKILL)() }

// Down ends the broker's process with a signal, as Restart and Kill do. The broker stays down until
// up is called. up returns when the broker answers again.
func (b *Broker) Down(how syscall.Signal) (up func()) {
	b.t.Helper()
	if err := b.backend.stop(how); err != nil {
		b.t.Fatalf("stop the broker: %v", err)
	}
	return func() {
		b.t.Helper()
		if err := b.backend.start(b.t.Context()); err != nil {
			b.t.Fatalf("start the broker again: %v", err)
		}
	}
}

// shared is the one Apache Kafka of this test binary.
var shared struct {
	start  sync.Once
	server *server
	err    error
	inUse  sync.Mutex
}

func openReal(t testing.TB) backend {
	t.Helper()
	shared.start.Do(func() { shared.server, shared.err = newServer(context.Background()) })
	if shared.err != nil {
		t.Fatalf("ROLLCALL_TEST_KAFKA=real: %v", shared.err)
	}
	shared.inUse.Lock()
	t.Cleanup(shared.inUse.Unlock)
	select {
	case <-shared.server.process.ended: // a test failed before it started the broker again
		if err := shared.server.start(t.Context()); err != nil {
			t.Fatalf("start the broker again: %v", err)
		}
	default:
	}
	return shared.server
}

func (s *server) address() string { return s.addr }

func (s *server) applyRetention() {} // Kafka applies it every half second

// inProcess is the embedded broker on a directory of the test's own.
type inProcess struct {
	opts   embedded.BrokerOptions
	broker *embedded.Broker
}

func openEmbedded(t testing.TB) backend {
	t.Helper()
	b := &inProcess{opts: embedded.BrokerOptions{Dir: t.TempDir(), Partitions: Partitions}}
	if err := b.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.broker.Close() })
	return b
}

func (b *inProcess) start(ctx context.Context) (err error) {
	if b.broker, err = embedded.StartBroker(ctx, b.opts); err != nil {
		return err
	}
	b.opts.Addr = b.broker.Addr()
	return nil
}

func (b *inProcess) address() string { return b.broker.Addr() }

func (b *inProcess) stop(syscall.Signal) error {
	b.broker.Close()
	return nil
}

func (b *inProcess) applyRetention() { b.broker.Cluster().ApplyRetention() }
