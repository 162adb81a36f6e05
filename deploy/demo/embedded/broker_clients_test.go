package embedded_test

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"rollcall/deploy/demo/embedded"
)

// TestBrokerHidesAbortedRecords reads a log of committed and aborted transactions in small answers,
// each as large as the request allows.
func TestBrokerHidesAbortedRecords(t *testing.T) {
	b := startBroker(t, embedded.BrokerOptions{Topics: []string{"t"}, Partitions: 1})
	producer := client(t, b, kgo.TransactionalID("p"), kgo.DefaultProduceTopic("t"))
	want := map[string]bool{}
	for round := range 6 {
		commit := round%2 == 0
		if err := producer.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		for n := range 50 {
			v := fmt.Sprintf("round %d, record %d", round, n)
			want[v] = commit
			if err := producer.ProduceSync(t.Context(), kgo.StringRecord(v)).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		if err := producer.EndTransaction(t.Context(), kgo.TransactionEndTry(commit)); err != nil {
			t.Fatal(err)
		}
	}
	consumer := client(t, b, kgo.ConsumeTopics("t"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxBytes(1000))
	for read := 0; read < 150; {
		fetches := consumer.PollFetches(t.Context())
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			read++
			if !want[string(r.Value)] {
				t.Errorf("read what was aborted, or read twice: %s", r.Value)
			}
			delete(want, string(r.Value))
		})
	}
}

func client(t *testing.T, b *embedded.Broker, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append(opts, kgo.SeedBrokers(b.Addr()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}
