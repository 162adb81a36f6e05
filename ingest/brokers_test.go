//go:build brokers

package ingest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kgo"

	"rollcall/deploy/test/kafkatest"
)

// These tests need more than one broker. They use four of Apache Kafka.
func TestSeveralBrokers(t *testing.T) {
	c := kafkatest.OpenCluster(t, 4)
	for name, run := range map[string]func(*testing.T, *clustered){
		"a zombie leader":                         testZombieLeader,
		"an unclean leader while ingest is down":  testUncleanLeaderWhileDown,
		"an unclean leader while ingest is there": testUncleanLeader,
		"a batch that the disk spoilt":            testSpoiltBatch,
	} {
		t.Run(name, func(t *testing.T) {
			topic := "t-" + uuid.NewString()
			h := &clustered{newDatabase(t), c, topic}
			h.connect([]string{topic}, c.Addrs...)
			run(t, h)
		})
	}
}

// clustered is a harness on several brokers, with one topic.
type clustered struct {
	*harness
	brokers *kafkatest.Cluster
	topic   string
}

// send produces events to all brokers, also those that ingest cannot reach. Each event is
// acknowledged by all replicas that are in sync.
func (h *clustered) send(prefix string, n int) {
	h.Helper()
	client := h.brokers.Client(kgo.ProducerBatchCompression(kgo.NoCompression()))
	for _, id := range numbered(prefix, n) {
		record := &kgo.Record{Topic: h.topic, Value: []byte(message(id, "ann", time.Now()))}
		if err := client.ProduceSync(h.Context(), record).FirstErr(); err != nil {
			h.Fatal(err)
		}
	}
}

// A leader that is cut off from the controller goes on answering with the end that it knew. The
// watermark does not advance by that leader's word, although it is the only broker that ingest
// knows at first. While ingest does not reach the new leader, this partition stands still and the
// others go on.
func testZombieLeader(t *testing.T, h *clustered) {
	const (
		zombie    = 2
		successor = 3
	)
	other := "u-" + uuid.NewString()
	h.brokers.CreateReplicated(h.topic, []int32{zombie, successor})
	h.brokers.CreateReplicated(other, []int32{1})
	h.config.Topics = []string{h.topic, other}
	h.config.Brokers = []string{h.brokers.Addrs[zombie-1]}
	h.send("a", 3)
	m := h.start()
	h.stored(3)
	m.passes()

	reach := h.brokers.CutFromClients(successor)
	defer reach()
	heal := h.brokers.CutFromController(zombie)
	defer heal()
	h.brokers.AwaitLeader(h.topic, successor)
	produced := time.Now()
	h.send("b", 3) // to the successor
	h.goesOn(other, produced.Add(3*time.Second))
	if w := m.metric("complete_through_seconds"); w > float64(produced.UnixMilli())/1000 {
		t.Errorf("the watermark is %v s past records that only the new leader has", w-float64(produced.UnixMilli())/1000)
	}
	if n := h.count("SELECT count() FROM events FINAL"); n != 3 {
		t.Fatalf("%d events are stored: the wall does not hold", n)
	}
	reach()
	h.stored(6)
	m.passes()
	heal()
	h.brokers.AwaitReplicas(h.topic, zombie, successor)
	m.passes()
	if n := m.metric("gap_records_total"); n != 0 {
		t.Errorf("%v records counted as a gap", n)
	}
}

// elected makes a leader that lacks the last ten of twenty records, and then accepts fifteen
// others. Its log becomes longer than the old one.
func (h *clustered) elected(read func()) {
	h.Helper()
	const (
		old     = 2
		unclean = 3
	)
	h.brokers.CreateReplicated(h.topic, []int32{old, unclean}, "unclean.leader.election.enable", "true",
		"min.insync.replicas", "1")
	h.send("both", 10)
	h.brokers.AwaitReplicas(h.topic, old, unclean)
	up := h.brokers.Down(unclean, syscall.SIGTERM)
	h.brokers.AwaitReplicas(h.topic, old)
	h.send("old", 10)
	read()
	back := h.brokers.Down(old, syscall.SIGKILL)
	up()
	h.brokers.AwaitLeader(h.topic, unclean)
	h.send("new", 15)
	back()
	h.brokers.AwaitReplicas(h.topic, old, unclean)
}

// An ingest that was stopped at offset 20 finds a log that ends at 25, with other records at 10 to
// 19. These records are read, and the break is counted.
func testUncleanLeaderWhileDown(t *testing.T, h *clustered) {
	h.elected(func() {
		m := h.start()
		h.stored(20)
		h.eventually("committed", func() bool { return h.brokers.Committed(h.config.Group, h.topic)[0] == 20 })
		if err := m.stop(); err != nil {
			t.Fatal(err)
		}
	})
	m := h.start()
	h.stored(35)
	if n := m.metric("gap_records_total", "topic="+h.topic, "partition=0"); n != 1 {
		t.Errorf("%v records counted as a gap", n)
	}
	m.passes()
	if err := m.stop(); err != nil {
		t.Fatal(err)
	}
	m = h.start()
	m.passes()
	if n := m.metric("gap_records_total"); n != 0 {
		t.Errorf("the next start counts %v records as a gap again", n)
	}
}

// The same happens while ingest runs.
func testUncleanLeader(t *testing.T, h *clustered) {
	var m *member
	h.elected(func() {
		m = h.start()
		h.stored(20)
	})
	h.stored(35)
	if n := m.metric("gap_records_total", "topic="+h.topic, "partition=0"); n < 1 {
		t.Error("no gap is counted")
	}
	m.passes()
}

// A record batch that is broken on the broker's disk is served as it is.
func testSpoiltBatch(t *testing.T, h *clustered) {
	const broker = 2
	h.brokers.CreateReplicated(h.topic, []int32{broker})
	h.send("a", 3)
	up := h.brokers.Down(broker, syscall.SIGTERM)
	segment := filepath.Join(h.brokers.Data(broker, h.topic, 0), fmt.Sprintf("%020d.log", 0))
	log, err := os.ReadFile(segment)
	at := bytes.Index(log, []byte(`"a-1"`))
	if err != nil || at < 0 {
		t.Fatalf("%v: the record is not in %s", err, segment)
	}
	log[at+1] ^= 1
	if err := os.WriteFile(segment, log, 0o644); err != nil {
		t.Fatal(err)
	}
	up()
	h.brokers.AwaitLeader(h.topic, broker)
	m := h.start()
	h.eventually("the partition is said to wait",
		func() bool { return m.metric("corrupt_batches", "topic="+h.topic, "partition=0") == 1 })
	h.stored(1)
	h.passesOver(m, h.topic+"/0/1", 1, 2)
}
