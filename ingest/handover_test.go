package ingest

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// The records of a record batch that were committed are not read again; the remaining ones are.
// Here a second start reads them, because ClickHouse accepted only the first of many inserts.
func TestGoesOnWithinARecordBatch(t *testing.T) {
	h := newHarness(t, "usage.messages")
	h.config.BatchRows = 3
	h.config.StopTimeout = time.Second
	var inserts atomic.Int64
	p := newProxy(h)
	p.set(func(statement string) fault {
		if strings.HasPrefix(statement, "INSERT INTO events") && inserts.Add(1) > 1 {
			return fault{before: abort}
		}
		return fault{}
	})
	const records = 20
	var sent []*kgo.Record
	for i := range records {
		sent = append(sent, &kgo.Record{Topic: "usage.messages", Value: []byte(message(fmt.Sprint(i), "ann", time.Now()))})
	}
	h.producer = h.client(kgo.ProducerLinger(100*time.Millisecond), kgo.ProducerBatchCompression(kgo.ZstdCompression()))
	h.send(sent...) // one record batch

	m := h.start()
	h.eventually("the second insert is repeated", func() bool { return m.metric("retries_total", "step=log") >= 1 })
	h.eventually("the first rows are committed", func() bool { return h.committed("usage.messages", 0) == 3 })
	_ = m.stop()
	if at := h.committed("usage.messages", 0); at != 3 {
		t.Fatalf("offset %d is committed with 3 rows in the log", at)
	}
	if n := h.count("SELECT count() FROM events"); n != 3 {
		t.Fatalf("%d rows are in the log", n)
	}

	p.set(nil)
	m = h.start()
	h.stored(records)
	h.eventually("all is committed", func() bool { return h.committed("usage.messages", 0) == records })
	if n := m.metric("events_total", "outcome=stored"); n != records-3 {
		t.Errorf("%v records were read after the second start, not those behind the position, %d", n, records-3)
	}
	h.eventually("no lag", func() bool { return m.metric("lag_records") == 0 })
}
