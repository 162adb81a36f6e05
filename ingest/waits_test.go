package ingest

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"rollcall/deploy/demo/embedded"
)

// told checks the log of an ingest that has ended: each text stands in it so many times.
func (h *harness) told(log *bytes.Buffer, times int, texts ...string) {
	h.Helper()
	for _, text := range texts {
		if n := strings.Count(log.String(), text); n != times {
			h.Errorf("%q stands in the log %d times, want %d:\n%s", text, n, times, log)
		}
	}
}

// While ClickHouse is away, ingest tries again many times. The log has a line when that begins, and
// one when it has ended.
func TestAnOutageIsTwoLines(t *testing.T) {
	const topic = "usage.messages"
	h := newHarness(t, topic)
	log := &bytes.Buffer{}
	h.log = log
	away := clickhouseAway(h)
	h.produce(topic, 0, message("a", "ann", time.Now()))
	m := h.start()
	h.eventually("ingest has tried again and again", func() bool { return m.metric("retries_total", "step=log") > 8 })
	away.Store(false)
	h.stored(1)
	m.passes()
	if err := m.stop(); err != nil {
		t.Fatal(err)
	}
	h.told(log, 1, `level=WARN msg="ClickHouse failed; trying again" step=log class=passing do=`, ` reason=NO_ANSWER`,
		`level=INFO msg="ClickHouse takes the statements of ingest again" lasted=`)
	h.told(log, 0, "the watermark was not stored")
}

// A topic that Kafka does not have is a metric, and a line in the log. Both end when it is there.
func TestTopicThatDoesNotExist(t *testing.T) {
	const (
		topic = "usage.messages"
		other = "usage.actions"
	)
	h, broker := newEmbedded(t, embedded.BrokerOptions{Topics: []string{topic, other}, Partitions: 1})
	log := &bytes.Buffer{}
	h.log = log
	missed := missing(t, broker.Cluster(), topic)
	missed.Store(true)
	m := h.start()
	shows := func(value float64) func() bool {
		return func() bool { return m.metric("topic_missing", "topic="+topic) == value && m.ingest.assigned.Load() }
	}
	h.eventually("the topic is missing", shows(1))
	if m.metric("topic_missing") != 1 {
		t.Errorf("%s is missing, too", other)
	}
	missed.Store(false)
	h.eventually("all topics are there", shows(0))
	if err := m.stop(); err != nil {
		t.Fatal(err)
	}
	h.told(log, 1, `level=WARN msg="a topic does not exist yet; the others are read meanwhile" topics=`+topic,
		`level=INFO msg="all topics exist" lasted=`)
}
