package ingest

import (
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Equal copies of one event are one event. Differing copies are one event too, and the same copy
// wins in every order of arrival.
func TestDuplicatesAndConflicts(t *testing.T) {
	now := time.Now()
	first := message("a", "ann", now)
	second := message("a", "bob", now)
	third := message("b", "ann", now)
	var winners []uint64
	for name, order := range map[string][]string{
		"one order": {first, second, first, third, third}, "another": {third, second, second, first, third},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, "usage.messages")
			h.config.BatchAge = time.Second // all in one batch
			records := make([]*kgo.Record, len(order))
			for i, v := range order {
				records[i] = &kgo.Record{Topic: "usage.messages", Value: []byte(v)}
			}
			h.send(records...)
			m := h.start()
			h.eventually("all committed", func() bool { return h.committed("usage.messages", 0) == 5 })
			if n := h.count("SELECT count() FROM events"); n != 2 {
				t.Errorf("%d rows, not 2: copies within a batch are left out", n)
			}
			if conflicts, duplicates := m.metric("conflicts_total", "type=message"), m.metric("duplicates_total",
				"type=message"); conflicts != 1 || duplicates != 2 {
				t.Errorf("%v conflicts and %v duplicates, not 1 and 2", conflicts, duplicates)
			}
			if n := m.metric("events_total", "outcome=stored"); n != 5 {
				t.Errorf("%v records stored, not 5", n)
			}
			winners = append(winners, h.count("SELECT max(version) FROM events FINAL WHERE id = 'a'"))
		})
	}
	if winners[0] != winners[1] {
		t.Errorf("the order of arrival decides: versions %v", winners)
	}
}

// All records are delivered again, to a new group, and nothing changes.
func TestRedeliveryChangesNothing(t *testing.T) {
	h := newHarness(t, "usage.messages")
	for _, id := range numbered("a", 50) {
		h.produce("usage.messages", 0, message(id, "ann", time.Now()))
	}
	m := h.start()
	h.stored(50)
	if err := m.stop(); err != nil {
		t.Fatal(err)
	}
	before := h.count("SELECT sum(version) FROM events FINAL")
	h.config.Group += "-again"
	m = h.start()
	h.eventually("all committed", func() bool { return h.committed("usage.messages", 0) == 50 })
	if after := h.count("SELECT sum(version) FROM events FINAL"); after != before {
		t.Errorf("the log's version moved from %d to %d", before, after)
	}
	if n := h.count("SELECT uniqExact(writer) FROM marks FINAL"); n != 2 {
		t.Errorf("%d writers of marks, not 2: each start is one", n)
	}
	if n := m.metric("gap_records_total"); n != 0 {
		t.Errorf("%v records counted as gaps", n)
	}
}

// A batch of several months becomes one block, and so one part, per month. Each slice gets its
// mark.
func TestSeveralMonths(t *testing.T) {
	h := newHarness(t, "usage.messages")
	h.config.BatchAge = time.Second
	var records []*kgo.Record
	now := time.Now()
	for i, id := range numbered("a", 300) {
		records = append(records, &kgo.Record{
			Topic: "usage.messages", Value: []byte(message(id, "ann", now.AddDate(0, 0, -i))),
		})
	}
	h.send(records...)
	m := h.start()
	h.eventually("all committed", func() bool { return h.committed("usage.messages", 0) == 300 })
	months := h.count("SELECT uniqExact(toYYYYMM(day)) FROM events")
	if n := m.metric("batches_total", "table=events"); n != float64(months) {
		t.Errorf("%v blocks for %d months", n, months)
	}
	if n := h.count("SELECT count() FROM (SELECT day FROM marks FINAL) AS m ANY INNER JOIN (SELECT DISTINCT day FROM events) AS e USING (day)"); n != 300 {
		t.Errorf("%d slices of 300 have a mark", n)
	}
}

// Records of aborted transactions are not events. Records of committed ones are, once the
// transaction has ended.
func TestAbortedTransactions(t *testing.T) {
	h := newHarness(t, "usage.messages")
	producer := h.client(kgo.TransactionalID("p"))
	now := time.Now()
	for i, commit := range []bool{true, false, true, false, false, true} {
		if err := producer.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		for _, id := range numbered(string(rune('a'+i)), 3) {
			value := message(id, map[bool]string{true: "kept", false: "aborted"}[commit], now)
			if err := producer.ProduceSync(t.Context(),
				&kgo.Record{Topic: "usage.messages", Value: []byte(value)}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		if err := producer.EndTransaction(t.Context(), kgo.TransactionEndTry(commit)); err != nil {
			t.Fatal(err)
		}
		h.produce("usage.messages", 0, message(string(rune('A'+i)), "plain", now))
	}
	m := h.start()
	h.stored(3*3 + 6)
	if n := h.count("SELECT count() FROM events WHERE user_id = 'aborted'"); n != 0 {
		t.Errorf("%d aborted events are in the log", n)
	}
	end := int64(6*3 + 6 + 6) // records, markers, plain records
	h.eventually("markers are committed past", func() bool { return h.committed("usage.messages", 0) == end })
	if n := m.metric("gap_records_total"); n != 0 {
		t.Errorf("%v records counted as gaps; holes within the log are none", n)
	}
	h.eventually("no lag", func() bool { return m.metric("lag_records") == 0 })
}

func TestAllCodecs(t *testing.T) {
	h := newHarness(t, "usage.messages")
	now := time.Now()
	n := uint64(0)
	for name, codec := range map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	} {
		producer := h.client(kgo.ProducerBatchCompression(codec), kgo.ProducerLinger(20*time.Millisecond))
		var records []*kgo.Record
		for _, id := range numbered(name, 200) {
			records = append(records, &kgo.Record{
				Topic: "usage.messages", Value: []byte(message(id, "ann", now, `,"client":"`+strings.Repeat("x", 50)+`"`)),
			})
			n++
		}
		if err := producer.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	m := h.start()
	h.stored(n)
	if retries := m.metric("retries_total", "step=fetch"); retries != 0 {
		t.Errorf("%v fetches were repeated", retries)
	}
}
