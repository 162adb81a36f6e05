package ingest

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rollcall/deploy/demo/embedded"
)

// missing makes the brokers say, while its result is true, that a topic does not exist.
func missing(t *testing.T, cluster *kfake.Cluster, topic string) *atomic.Bool {
	t.Helper()
	missed := new(atomic.Bool)
	var whole *kmsg.MetadataResponse // what they say otherwise
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ask := kmsg.NewPtrMetadataRequest()
	ask.Topics = nil
	if whole, err = ask.RequestWith(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	cluster.ControlKey(int16(kmsg.Metadata), func(req kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		if !missed.Load() {
			return nil, nil, false
		}
		asked := req.(*kmsg.MetadataRequest)
		res := req.ResponseKind().(*kmsg.MetadataResponse)
		res.Brokers = whole.Brokers
		res.ClusterID = whole.ClusterID
		res.ControllerID = whole.ControllerID
		for _, rt := range asked.Topics {
			response := kmsg.NewMetadataResponseTopic()
			response.Topic = rt.Topic
			response.ErrorCode = kerr.UnknownTopicOrPartition.Code
			for _, there := range whole.Topics {
				if *there.Topic == *rt.Topic && *rt.Topic != topic {
					response = there
				}
			}
			res.Topics = append(res.Topics, response)
		}
		return res, nil, true
	})
	return missed
}

// The brokers miss a topic for a while, and then have it again. Records that came to it meanwhile
// do not count as stored before they are stored.
func TestWatermarkOfAMissedTopic(t *testing.T) {
	const topic = "usage.messages"
	h, broker := newEmbedded(t, embedded.BrokerOptions{Topics: []string{topic, "usage.actions"}, Partitions: 1})
	h.produce(topic, 0, message("a", "ann", time.Now()))
	missed := missing(t, broker.Cluster(), topic)
	away := clickhouseAway(h)
	away.Store(false)
	m := h.start()
	h.stored(1)
	m.passes()

	missed.Store(true)
	h.eventually("the group is joined anew, without it", func() bool { return m.ingest.progress.owned() == 1 })
	produced := time.Now()
	h.produce(topic, 0, message("b", "ann", produced)) // by a producer that still knows the topic
	m.stands(produced)
	if n := h.count("SELECT count() FROM progress FINAL WHERE gone"); n != 0 {
		t.Errorf("%d partitions are given up", n)
	}
	away.Store(true)
	missed.Store(false)
	h.eventually("it is read again", func() bool { return m.metric("lag_records", "topic="+topic) == 1 })
	if w := m.metric("complete_through_seconds"); w > float64(produced.UnixMilli())/1000 {
		t.Errorf("the watermark is %v s beyond a record that is not stored", w-float64(produced.UnixMilli())/1000)
	}
	away.Store(false)
	m.passes()
}
