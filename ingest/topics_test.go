package ingest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// passes waits until the watermark is past this moment.
func (m *member) passes() {
	m.Helper()
	now := float64(time.Now().UnixMilli()) / 1000
	m.eventually("the watermark goes on", func() bool { return m.metric("complete_through_seconds") > now })
}

// stands checks that the watermark is not past a moment, although ingest has worked since then.
func (m *member) stands(since time.Time) {
	m.Helper()
	id := "probe-" + time.Now().Format(time.RFC3339Nano)
	m.produce("usage.actions", 0, message(id, "ann", time.Now()))
	m.goesOn("usage.actions", time.Now())
	if w := m.metric("complete_through_seconds"); w > float64(since.UnixMilli())/1000 {
		m.Errorf("the watermark is %v s past what holds it", w-float64(since.UnixMilli())/1000)
	}
}

// goesOn waits until a partition of a topic is stored through a moment.
func (h *harness) goesOn(topic string, at time.Time) {
	h.Helper()
	const query = "SELECT count() FROM progress FINAL WHERE topic = ? AND complete_through > fromUnixTimestamp64Milli(?)"
	h.eventually(topic+" goes on", func() bool { return h.count(query, topic, at.UnixMilli()) > 0 })
}

func (h *harness) retire(topic string, leaveUnread bool) ([]string, error) {
	h.Helper()
	return Retire(context.Background(), h.config, h.conn, topic, leaveUnread)
}

// A topic that no ingest reads any more holds the watermark until it is retired. Before that, its
// unread records are reported. If ingest reads the topic again, the watermark waits for it again.
func TestRetiredTopic(t *testing.T) {
	const (
		old  = "usage.messages"
		kept = "usage.actions"
	)
	h := newHarness(t, old, kept)
	h.produce(old, 0, message("a", "ann", time.Now()))
	m := h.start()
	h.stored(1)
	m.passes()
	if _, err := h.retire(old, true); !errors.Is(err, ErrNotRetired) ||
		!strings.Contains(err.Error(), "members of the group") {
		t.Errorf("retired while it is read: %v", err)
	}
	if err := m.stop(); err != nil {
		t.Fatal(err)
	}

	h.config.Topics = []string{kept}
	left := time.Now()
	h.produce(old, 0, message("b", "ann", time.Now()), message("c", "ann", time.Now()))
	m = h.start()
	m.stands(left)
	topics, err := ListTopics(t.Context(), h.config, h.conn)
	if err != nil || len(topics) != 2 || topics[1].Name != old || topics[1].Unread != 2 || len(topics[1].Readers) > 0 ||
		topics[1].Retired || topics[1].Through.IsZero() || topics[1].Through.After(left) || len(topics[0].Readers) == 0 {
		t.Errorf("listed %+v, %v", topics, err)
	}
	if words, err := h.retire(old, false); !errors.Is(err, ErrNotRetired) || len(words) != 1 ||
		words[0] != old+"/0: offsets 1 to 2" {
		t.Errorf("retired with unread records: %v, %v", words, err)
	}
	m.stands(left)
	if words, err := h.retire(old, true); err != nil || len(words) != 1 {
		t.Fatalf("retire: %v, %v", words, err)
	}
	m.passes()
	if err := m.stop(); err != nil {
		t.Fatal(err)
	}

	h.config.Topics = []string{old, kept}
	m = h.start()
	h.eventually("what was left is read",
		func() bool { return h.count("SELECT count() FROM events FINAL WHERE id IN ('b', 'c')") == 2 })
	m.passes()
	if n := h.count("SELECT count() FROM progress FINAL WHERE gone"); n > 0 {
		t.Errorf("%d partitions are not waited for, though they are read", n)
	}
}

// A topic that another deployment reads, in a group of its own, is not retired by this one.
func TestTopicOfAnotherGroupIsNotRetired(t *testing.T) {
	h := newHarness(t, "usage.messages")
	m := h.start()
	m.passes()
	h.config.Group += "-other"
	if _, err := h.retire("usage.messages", true); !errors.Is(err, ErrNotRetired) ||
		!strings.Contains(err.Error(), "another group") {
		t.Errorf("retired: %v", err)
	}
	m.passes()
	if n := h.count("SELECT count() FROM progress FINAL WHERE gone"); n > 0 {
		t.Errorf("%d partitions are not waited for", n)
	}
}

// The watermark waits for a deleted topic, because the brokers may only have missed it, until
// somebody says that it was deleted on purpose.
func TestDeletedTopicIsRetired(t *testing.T) {
	const old = "usage.messages"
	h := newHarness(t, old, "usage.actions")
	m := h.start()
	m.passes()
	deleted := time.Now()
	h.kafka.DeleteTopic(old)
	h.producer = h.client()
	m.stands(deleted.Add(time.Second)) // brokers may still answer for it
	h.eventually("it is retired, once the group has settled", func() bool {
		_, err := h.retire(old, false)
		return err == nil
	})
	m.passes()
	if _, err := h.retire("usage.nothing", false); !errors.Is(err, ErrNotRetired) {
		t.Errorf("a topic that never was: %v", err)
	}
}
