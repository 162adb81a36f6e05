package ingest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Several producers' transactions are interleaved, on two partitions, with records outside of
// transactions; half of them are committed. One transaction stays open before all others of the
// first partition. One is abandoned on the second partition, and is larger than a fetch. Exactly
// the committed records become events. Records behind an open transaction become events only after
// it ends.
func TestInterleavedTransactions(t *testing.T) {
	const (
		topic  = "usage.messages"
		rounds = 6
	)
	h := newHarness(t, topic)
	h.config.FetchBytes = 64 << 10
	first := h.kafka.OpenTransaction(event(topic, 0, "kept", "first"))
	abandoned := h.client(kgo.TransactionalID("abandoned"), kgo.TransactionTimeout(2*time.Second),
		kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err := abandoned.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	for _, id := range numbered("abandoned", 40) {
		if err := abandoned.ProduceSync(t.Context(), event(topic, 1, "aborted", id)).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}

	var producing sync.WaitGroup
	for p, name := range numbered("producer", 4) {
		client := h.client(kgo.TransactionalID(name), kgo.ProducerBatchCompression(kgo.NoCompression()))
		producing.Go(func() {
			for round := range rounds {
				if err := transaction(t.Context(), client, topic, fmt.Sprintf("%s-%d", name, round), (p+round)%2 == 0); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for _, id := range numbered("plain", 30) {
		h.send(event(topic, 0, "plain", id), event(topic, 1, "plain", id))
	}
	producing.Wait()

	const onEach = 4*rounds/2*perTransaction + 30
	m := h.start()
	h.eventually("all of the second partition is stored",
		func() bool { return h.count("SELECT count() FROM events FINAL WHERE id LIKE '1-%'") == onEach })
	if n := h.kafka.Stable(topic)[0]; n != 0 {
		t.Fatalf("the first partition is stable up to %d: its transaction is over", n)
	}
	if n, offset := h.count("SELECT count() FROM events WHERE id LIKE '0-%'"), h.committed(topic, 0); n != 0 ||
		offset > 0 {
		t.Errorf("%d events behind an open transaction are stored, and offset %d is committed", n, offset)
	}
	first(true)
	h.stored(2*onEach + 1)
	if n := h.count("SELECT countIf(user_id NOT IN ('kept', 'plain')) FROM events"); n != 0 {
		t.Errorf("%d aborted events are in the log", n)
	}
	h.allCommitted(topic)
	if n := m.metric("gap_records_total"); n != 0 {
		t.Errorf("%v records counted as gaps; holes within the log are none", n)
	}
	h.eventually("no lag", func() bool { return m.metric("lag_records") == 0 })
}

// perTransaction is how many records a transaction has on each partition.
const perTransaction = 5

// transaction writes events to the first two partitions in turn, and then ends as `commit` says.
func transaction(ctx context.Context, client *kgo.Client, topic, name string, commit bool) error {
	user := map[bool]string{true: "kept", false: "aborted"}[commit]
	if err := client.BeginTransaction(); err != nil {
		return err
	}
	for _, id := range numbered(name, perTransaction) {
		if err := client.ProduceSync(ctx, event(topic, 0, user, id), event(topic, 1, user, id)).FirstErr(); err != nil {
			return err
		}
	}
	return client.EndTransaction(ctx, kgo.TransactionEndTry(commit))
}

// event is a record of 4 KiB. The id of its event says where the record was written.
func event(topic string, partition int32, user, id string) *kgo.Record {
	value := message(fmt.Sprintf("%d-%s", partition, id), user, time.Now(), `,"unknown":"`+strings.Repeat("x", 4000)+`"`)
	return &kgo.Record{Topic: topic, Partition: partition, Value: []byte(value)}
}
