//go:build faults && linux

package faults

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// failing makes the broker answer requests of some kinds with an error for a while.
func failing(e *kerr.Error, keys ...kmsg.Key) func(*world) {
	return func(w *world) {
		for _, key := range keys {
			w.broker.do(command{Do: "fail", Key: int16(key), Error: e.Code, Count: 5})
			w.pause(300)
		}
	}
}

// several asks for a fault a few times.
func several(c command) func(*world) {
	return func(w *world) {
		for range 4 {
			w.broker.do(c)
			w.pause(600)
		}
	}
}

func halfOpen(w *world) {
	w.broker.do(command{Do: "hang", Millis: 4000})
	<-time.After(4100 * time.Millisecond)
}

func slowAnswers(w *world) {
	w.broker.do(command{Do: "slow", Millis: 400})
	<-time.After(3 * time.Second)
	w.broker.do(command{Do: "slow"})
}

// corruptBatches corrupts answers until a few were corrupted.
func corruptBatches(w *world) {
	w.broker.do(command{Do: "corrupt", Count: 5})
	eventually(w.t, "answers were spoilt", func() bool {
		w.pause(50)
		return w.broker.corrupted() >= 5
	})
}

// partitionsAdded raises the partitions of a topic while it is read and written.
func partitionsAdded(w *world) {
	topic := w.topics[w.rand.IntN(len(w.topics))]
	count := len(w.broker.Ends(topic)) + 1
	w.broker.CreatePartitions(topic, count)
	w.producer.grown(topic, count)
}

// brokerFaults are those of the broker and of the network in front of it.
var brokerFaults = []fault{
	{"lost acknowledgements", failing(kerr.RequestTimedOut, kmsg.Produce, kmsg.OffsetCommit, kmsg.Produce)},
	{"not the leader", failing(kerr.NotLeaderForPartition, kmsg.Fetch, kmsg.ListOffsets, kmsg.Produce, kmsg.Fetch)},
	{"failing coordinator", failing(kerr.CoordinatorNotAvailable, kmsg.OffsetCommit, kmsg.FindCoordinator,
		kmsg.Heartbeat)},
	{"not the coordinator", failing(kerr.NotCoordinator, kmsg.OffsetCommit, kmsg.Heartbeat, kmsg.JoinGroup,
		kmsg.SyncGroup)},
	{"leaders moved", several(command{Do: "move leaders"})},
	{"coordinators moved", several(command{Do: "move coordinators"})},
	{"connections dropped", several(command{Do: "drop connections"})},
	{"half-open connections", halfOpen},
	{"slow broker", slowAnswers},
	{"corrupt batches", corruptBatches},
	{"partitions added", partitionsAdded},
	{"broker killed", func(w *world) { w.pause(500); w.killBroker() }},
}

// quietFaults happen while nothing is produced. They remove records, but the same events are
// elsewhere, so exports must not change.
var quietFaults = []fault{
	{"records deleted ahead of the consumer", deletedAhead},
	{"topic created anew", topicRecreated},
	{"workers race while exports are read", race},
}

// deletedAhead removes records that nobody has read yet.
func deletedAhead(w *world) {
	for _, m := range w.ingests {
		m.kill()
	}
	topic := w.topics[0]
	must(w.t, w.producer.produce(w.t.Context(), w.rand.Uint64(), 100))
	must(w.t, w.producer.resend(w.t.Context(), w.held(topic), w.topics[1]))
	for p, end := range w.broker.Ends(topic) {
		w.broker.DeleteRecords(topic, int32(p), end-min(end, 3))
	}
	w.heal()
}

// topicRecreated deletes a topic under its readers and creates it again: its offsets start at 0.
func topicRecreated(w *world) {
	topic := w.topics[0]
	must(w.t, w.producer.resend(w.t.Context(), w.held(topic), w.topics[1]))
	w.broker.RecreateTopic(topic, partitions, "retention.ms", "-1")
	w.producer.grown(topic, partitions)
}
