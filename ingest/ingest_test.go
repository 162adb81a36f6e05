package ingest

import (
	"context"
	"testing"
	"time"
)

func TestEventsReachTheLog(t *testing.T) {
	h := newHarness(t, "usage.messages", "usage.entities")
	now := time.Now()
	for _, id := range numbered("a", 20) {
		h.produce("usage.messages", 0, message(id, "ann", now))
		h.produce("usage.messages", 1, message(id+"'", "bob", now.AddDate(0, -2, 0)))
	}
	h.produce("usage.entities", 1, userEvent("e", "ann", "Ann", now))
	h.produce("usage.messages", 1, `{"broken`)
	m := h.start()
	h.stored(40)
	h.eventually("all committed", func() bool {
		return h.committed("usage.messages", 0) == 20 && h.committed("usage.messages", 1) == 21
	})
	if n := h.count("SELECT count() FROM entities FINAL WHERE entity_id = 'ann' AND name = 'Ann'"); n != 1 {
		t.Errorf("entities: %d rows, not 1", n)
	}
	if n := h.count("SELECT count() FROM rejects FINAL WHERE topic = 'usage.messages' AND partition = 1 AND offset = 20 AND reason = 'malformed_json' AND value = '{\"broken'"); n != 1 {
		t.Errorf("rejects: %d rows, not 1", n)
	}
	if n := h.count("SELECT count() FROM marks FINAL"); n != 2 {
		t.Errorf("marks: %d slices, not 2", n)
	}
	for _, want := range []struct {
		name   string
		labels []string
		value  float64
	}{
		{"events_total", []string{"type=message", "outcome=stored"}, 40},
		{"events_total", []string{"type=entity", "outcome=stored"}, 1},
		{"events_total", []string{"outcome=rejected"}, 1},
		{"rejects_total", []string{"reason=malformed_json"}, 1},
		{"gap_records_total", nil, 0},
		{"retries_total", []string{"step=log"}, 0},
		{"retries_total", []string{"step=marks"}, 0},
		{"retries_total", []string{"step=rejects"}, 0},
		{"retries_total", []string{"step=commit"}, 0},
	} {
		if got := m.metric(want.name, want.labels...); got != want.value {
			t.Errorf("%s%v = %v, not %v", want.name, want.labels, got, want.value)
		}
	}
	h.eventually("no lag", func() bool { return m.metric("lag_records") == 0 })
	if err := m.ingest.Ready(context.Background()); err != nil {
		t.Errorf("not ready: %v", err)
	}
	produced := time.Now()
	h.eventually("the watermark passes",
		func() bool { return m.metric("complete_through_seconds") > float64(produced.Unix()+1) })
	if err := m.stop(); err != nil {
		t.Errorf("stopped with %v", err)
	}
}
