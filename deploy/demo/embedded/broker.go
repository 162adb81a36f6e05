package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
)

// DefaultTopics are the topics that producers write to unless they are told otherwise.
var DefaultTopics = []string{"usage.messages", "usage.actions", "usage.tokens", "usage.workflows", "usage.entities"}

const (
	defaultPartitions = 4
	defaultRetention  = 7 * 24 * time.Hour
	retentionPeriod   = time.Minute // how often expired records are removed

	// Ingest rejects values over 1 MiB and stores a row that says so. The broker must accept them,
	// so that they get to ingest.
	maxBatchBytes = 16 << 20
)

// BrokerOptions says where an embedded broker listens and what it keeps. The zero value is a broker
// in memory on a random port, with the default topics.
type BrokerOptions struct {
	Dir  string // where records and offsets are kept; empty: in memory, lost at Close
	Addr string // loopback host:port; empty or port 0: a random port of 127.0.0.1
	// Nodes is the number of brokers in the cluster, ≥ 1; default 1. The first listens on Addr, the
	// others on random ports.
	Nodes      int
	Topics     []string      // created at every start where they are missing; default DefaultTopics
	Partitions int           // of each topic that is created, ≥ 1; default 4. Existing topics keep theirs
	Retention  time.Duration // records are removed when they have been in the log for so long; default 7 days
	Log        *slog.Logger  // default: discarded

	// Listen wraps each node's listener, if it is set. Fault tests use it to break connections.
	Listen func(net.Listener) net.Listener
}

// Broker is a Kafka broker inside this process, for one machine and for tests. It speaks Kafka's
// protocol to any client that reaches 127.0.0.1. What it acknowledged survives SIGKILL of the
// process; see the package's documentation.
type Broker struct {
	cluster *kfake.Cluster
	dir     string
	log     *brokerLog
	lock    *dirLock
	addrs   []string
	stop    chan struct{}
	done    sync.WaitGroup
	once    sync.Once
}

// StartBroker loads what Dir holds, listens, and creates missing topics. ctx bounds the start only;
// Close ends the broker. It fails if another process has Dir or the address, or if Addr is not a
// loopback address.
func StartBroker(ctx context.Context, opts BrokerOptions) (*Broker, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	b := &Broker{dir: opts.Dir, log: &brokerLog{log: opts.Log}, stop: make(chan struct{})}
	if opts.Dir != "" {
		if b.lock, err = lockDir(opts.Dir); err != nil {
			return nil, fmt.Errorf("embedded broker: %w", err)
		}
	}
	if err := b.start(ctx, opts); err != nil {
		b.Close()
		return nil, fmt.Errorf("embedded broker: %w", err)
	}
	return b, nil
}

func (o BrokerOptions) withDefaults() (BrokerOptions, error) {
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	o.Nodes = max(o.Nodes, 1)
	if len(o.Topics) == 0 {
		o.Topics = DefaultTopics
	}
	if o.Partitions < 1 {
		o.Partitions = defaultPartitions
	}
	if o.Retention <= 0 {
		o.Retention = defaultRetention
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	_, err := loopbackPort(o.Addr)
	return o, err
}

// loopbackPort returns the port of a loopback address, and an error for any other address. The
// broker has no passwords, so only this machine may reach it.
func loopbackPort(addr string) (int, error) {
	host, service, err := net.SplitHostPort(addr)
	if err != nil {
		return 0, fmt.Errorf("embedded broker: %q is no address: give 127.0.0.1:PORT", addr)
	}
	ip, err := netip.ParseAddr(host)
	if host != "localhost" && (err != nil || ip != netip.AddrFrom4([4]byte{127, 0, 0, 1})) {
		return 0, fmt.Errorf("embedded broker: it listens on 127.0.0.1 only, since it has no passwords: "+
			"give 127.0.0.1:%s instead of %q", service, addr)
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("embedded broker: %q has no port from 0 to 65535: give 127.0.0.1:PORT", addr)
	}
	return int(port), nil
}

func (b *Broker) start(ctx context.Context, opts BrokerOptions) error {
	port, err := loopbackPort(opts.Addr)
	if err != nil {
		return err
	}
	ports := make([]int, opts.Nodes)
	ports[0] = port
	settings := []kfake.Opt{
		kfake.Ports(ports...),
		kfake.ClusterID("rollcall-embedded"),
		kfake.WithLogger(b.log),
		kfake.DefaultNumPartitions(opts.Partitions),
		kfake.BrokerConfigs(map[string]string{
			"message.max.bytes": strconv.Itoa(maxBatchBytes),
			"log.retention.ms":  "-1", // the broker removes records itself
		}),
		kfake.ListenFn(func(network, addr string) (net.Listener, error) { return listenGuarded(ctx, network, addr, opts) }),
	}
	if opts.Dir != "" {
		if err := recoverDir(opts.Dir, opts.Log); err != nil {
			return err
		}
		settings = append(settings, kfake.DataDir(opts.Dir))
	}
	if b.cluster, err = kfake.NewCluster(settings...); err != nil {
		return err
	}
	keepAbortedLists(b.cluster)
	b.addrs = b.cluster.ListenAddrs()
	for _, topic := range opts.Topics {
		if err := b.createTopic(topic, opts); err != nil {
			return err
		}
	}
	r := newRetention(b.cluster, b.Addr(), opts)
	b.done.Go(func() { b.applyRetention(r) })
	return nil
}

func (b *Broker) createTopic(topic string, opts BrokerOptions) error {
	err := b.cluster.CreateTopic(topic, int32(opts.Partitions), nil)
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("topic %s: %w", topic, err)
	}
	return nil
}

// applyRetention removes expired records until the broker stops.
func (b *Broker) applyRetention(r *retention) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	b.done.Go(func() {
		<-b.stop
		cancel()
	})
	tick := time.NewTicker(retentionPeriod)
	defer tick.Stop()
	for {
		if err := r.apply(ctx, time.Now()); err != nil && ctx.Err() == nil {
			b.log.log.Warn("embedded broker: records are kept longer than they should be", "error", err)
		}
		select {
		case <-b.stop:
			return
		case <-tick.C:
		}
	}
}

// Addr is the first node's host:port; clients learn the others from it.
func (b *Broker) Addr() string { return b.addrs[0] }

// Cluster gives fault tests what they need to move leaders, fail requests and delete records.
func (b *Broker) Cluster() *kfake.Cluster { return b.cluster }

// Close writes the state out and frees Dir. Close consumers before the broker: a consumer that
// could not leave its group delays the group's next start by its session timeout.
func (b *Broker) Close() {
	b.once.Do(func() {
		close(b.stop)
		b.done.Wait()
		if b.cluster != nil {
			b.cluster.Close()
			b.markStopped()
		}
		if b.lock != nil {
			b.lock.release()
		}
	})
}

// markStopped notes that the next start needs no recovery, if the cluster has written all of its
// state.
func (b *Broker) markStopped() {
	if b.dir == "" || b.log.failed.Load() {
		return
	}
	if err := markStopped(b.dir); err != nil {
		b.log.log.Warn("embedded broker: the next start has to recover its files", "error", err)
	}
}

// brokerLog passes the cluster's log on. It logs the cluster's info lines at debug level, because
// there is one for each request.
type brokerLog struct {
	log *slog.Logger
	// failed is set when the cluster logs an error. The cluster has no other way to say that it
	// could not write its state.
	failed atomic.Bool
}

func (l *brokerLog) Logf(level kfake.LogLevel, format string, args ...any) {
	at := slog.LevelDebug
	switch level {
	case kfake.LogLevelError:
		at = slog.LevelError
		l.failed.Store(true)
	case kfake.LogLevelWarn:
		at = slog.LevelWarn
	}
	if l.log.Enabled(context.Background(), at) {
		l.log.Log(context.Background(), at, "embedded broker: "+strings.TrimSpace(fmt.Sprintf(format, args...)))
	}
}
