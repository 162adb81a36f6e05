package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A Cluster is several nodes of Apache Kafka, numbered from 1, for one test. Node 1 is the
// controller, a broker, and the coordinator of all groups; tests do not break it. There is a wall,
// which a test can close, between each other broker and the controller, and between each broker and
// the clients of Addrs. The methods of Broker reach the brokers without passing a wall.
type Cluster struct {
	*Broker
	Addrs []string // host:port of each broker, through its wall

	nodes []*node
}

// A node is one process and its walls.
type node struct {
	*server
	clients, controller *wall
}

// clusterSettings are the settings of one node: its roles and number, the address at which it
// reaches the controller, two listeners (the second one advertises the address of its wall), and
// the number of brokers. Elections must be quick: a broker that is silent for three seconds is out.
const clusterSettings = `process.roles=%[1]s
node.id=%[2]d
listeners=%[3]s
advertised.listeners=PLAINTEXT://%[4]s,WALLED://%[5]s
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,WALLED:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
controller.quorum.voters=1@%[6]s
controller.listener.names=CONTROLLER
log.dirs=%[7]s
auto.create.topics.enable=false
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
controlled.shutdown.enable=true
replica.lag.time.max.ms=5000
group.initial.rebalance.delay.ms=0
offsets.topic.num.partitions=1
`

// OpenCluster starts so many nodes. They end with the test.
func OpenCluster(t testing.TB, nodes int) *Cluster {
	t.Helper()
	if os.Getenv("ROLLCALL_TEST_KAFKA") != "real" {
		t.Fatal("several brokers are Apache Kafka's: set ROLLCALL_TEST_KAFKA=real, as make test-kafka does")
	}
	jars, err := libraries(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c := &Cluster{}
	if err := c.prepare(t.Context(), jars, nodes); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, n := range c.nodes {
			n.process.signal(syscall.SIGKILL)
			os.RemoveAll(n.dir)
		}
	})
	if err := c.each(func(n *node) error { return n.start(t.Context()) }); err != nil {
		t.Fatal(err)
	}
	c.Broker = &Broker{Addr: c.nodes[0].addr, Real: true, t: t, backend: c.nodes[0].server}
	c.client = c.newClient()
	c.CreateReplicated("__consumer_offsets", []int32{1}, "cleanup.policy", "compact")
	return c
}

// prepare chooses ports and writes the files with which the nodes start.
func (c *Cluster) prepare(ctx context.Context, jars string, nodes int) error {
	ports, err := freePorts(2*nodes + 1)
	if err != nil {
		return err
	}
	controller := "127.0.0.1:" + ports[2*nodes]
	for i := range nodes {
		n := &node{server: &server{addr: "127.0.0.1:" + ports[2*i], jars: jars, heap: "-Xmx256m"}}
		var err error
		if n.dir, err = os.MkdirTemp("", "rollcall-kafka-"); err != nil {
			return err
		}
		var err1, err2 error
		n.clients, err1 = newWall()
		n.controller, err2 = newWall()
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		walled := "127.0.0.1:" + ports[2*i+1]
		n.clients.to = walled
		n.controller.to = controller
		roles := "broker"
		listeners := "PLAINTEXT://" + n.addr + ",WALLED://" + walled
		voter := n.controller.addr()
		if i == 0 {
			roles = "broker,controller"
			listeners = listeners + ",CONTROLLER://" + controller
			voter = controller
		}
		n.properties = fmt.Sprintf(clusterSettings,
			roles, i+1, listeners, n.addr, n.clients.addr(), voter, filepath.Join(n.dir, "data"))
		c.nodes = append(c.nodes, n)
		c.Addrs = append(c.Addrs, n.clients.addr())
	}
	return c.each(func(n *node) error { return n.format(ctx) })
}

// each calls do for all nodes at once.
func (c *Cluster) each(do func(*node) error) error {
	errs := make([]error, len(c.nodes))
	var all sync.WaitGroup
	for i, n := range c.nodes {
		all.Go(func() { errs[i] = do(n) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// Down ends a node's process with a signal. The node stays down until up is called.
func (c *Cluster) Down(id int32, how syscall.Signal) (up func()) {
	c.t.Helper()
	n := c.nodes[id-1]
	if err := n.stop(how); err != nil {
		c.t.Fatalf("stop broker %d: %v", id, err)
	}
	return func() {
		c.t.Helper()
		if err := n.start(c.t.Context()); err != nil {
			c.t.Fatalf("start broker %d again: %v", id, err)
		}
	}
}

// CutFromController closes the wall between a broker and the controller, in both directions, until
// heal is called. The broker continues to answer all others.
func (c *Cluster) CutFromController(id int32) (heal func()) { return c.cut(c.nodes[id-1].controller) }

// CutFromClients closes the wall between a broker and the clients of Addrs in the same way.
func (c *Cluster) CutFromClients(id int32) (heal func()) { return c.cut(c.nodes[id-1].clients) }

func (c *Cluster) cut(w *wall) (heal func()) {
	w.set(true)
	return func() { w.set(false) }
}

// Data is the directory of a partition's log on a broker.
func (c *Cluster) Data(id int32, topic string, partition int32) string {
	return filepath.Join(c.nodes[id-1].dir, "data", fmt.Sprintf("%s-%d", topic, partition))
}

// CreateReplicated creates a topic of one partition on these brokers. The first one leads it.
func (c *Cluster) CreateReplicated(topic string, brokers []int32, settings ...string) {
	c.t.Helper()
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis = int32(requestTimeout.Milliseconds())
	rt := kmsg.NewCreateTopicsRequestTopic()
	rt.Topic = topic
	rt.NumPartitions = -1
	rt.ReplicationFactor = -1
	rt.ReplicaAssignment = []kmsg.CreateTopicsRequestTopicReplicaAssignment{{Replicas: brokers}}
	for i := 0; i+1 < len(settings); i += 2 {
		rt.Configs = append(rt.Configs, kmsg.CreateTopicsRequestTopicConfig{Name: settings[i], Value: &settings[i+1]})
	}
	req.Topics = append(req.Topics, rt)
	c.until("create topic "+topic, func(ctx context.Context) error {
		res, err := req.RequestWith(ctx, c.client)
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(res.Topics[0].ErrorCode)
	})
	c.AwaitLeader(topic, brokers[0])
}

// AwaitLeader waits until a broker leads partition 0 of a topic, according to the controller's own
// broker.
func (c *Cluster) AwaitLeader(topic string, broker int32) {
	c.t.Helper()
	c.until(fmt.Sprintf("broker %d leads %s", broker, topic), func(ctx context.Context) error {
		p, err := c.partition(ctx, topic)
		if err == nil && p.Leader != broker {
			err = fmt.Errorf("%d leads it", p.Leader)
		}
		return err
	})
}

// AwaitReplicas waits until exactly these brokers are in sync with the leader of partition 0.
func (c *Cluster) AwaitReplicas(topic string, brokers ...int32) {
	c.t.Helper()
	c.until(fmt.Sprintf("brokers %v are in sync with %s", brokers, topic), func(ctx context.Context) error {
		p, err := c.partition(ctx, topic)
		if slices.Sort(p.ISR); err == nil && !slices.Equal(p.ISR, brokers) {
			err = fmt.Errorf("%v are", p.ISR)
		}
		return err
	})
}

func (c *Cluster) partition(ctx context.Context, topic string) (p kmsg.MetadataResponseTopicPartition, err error) {
	req := kmsg.NewPtrMetadataRequest()
	rt := kmsg.NewMetadataRequestTopic()
	rt.Topic = &topic
	req.Topics = append(req.Topics, rt)
	res, err := c.client.SeedBrokers()[0].Request(ctx, req)
	if err != nil {
		return p, err
	}
	t := res.(*kmsg.MetadataResponse).Topics[0]
	if len(t.Partitions) == 0 {
		return p, errors.Join(kerr.ErrorForCode(t.ErrorCode), errors.New("it has no partition"))
	}
	return t.Partitions[0], nil
}

// Client makes a client that passes no wall and starts with these brokers. Its records go to the
// partitions that they name.
func (c *Cluster) Client(opts ...kgo.Opt) *kgo.Client {
	c.t.Helper()
	return c.newClient(opts...)
}
