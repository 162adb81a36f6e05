package kafkatest

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const requestTimeout = 30 * time.Second

func (b *Broker) newClient(opts ...kgo.Opt) *kgo.Client {
	b.t.Helper()
	client, err := kgo.NewClient(append(opts, kgo.SeedBrokers(b.Addr), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.MetadataMinAge(50*time.Millisecond),
		kgo.ProducerBatchMaxBytes(16<<20))...)
	if err != nil {
		b.t.Fatalf("client of the test's broker: %v", err)
	}
	b.t.Cleanup(client.Close)
	return client
}

// Produce writes records to the topics and partitions that they name, and returns when all are
// acknowledged. Then the records have their offsets.
func (b *Broker) Produce(records ...*kgo.Record) {
	b.t.Helper()
	b.produce(b.client, records)
}

func (b *Broker) produce(client *kgo.Client, records []*kgo.Record) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), requestTimeout)
	defer cancel()
	if err := client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		b.t.Fatalf("produce %d records: %v", len(records), err)
	}
}

var transactions atomic.Int64

// Transaction writes records in a transaction of their own, and commits or aborts it.
func (b *Broker) Transaction(commit bool, records ...*kgo.Record) {
	b.t.Helper()
	finish := b.OpenTransaction(records...)
	finish(commit)
}

// OpenTransaction writes records in a transaction that stays open until finish is called.
func (b *Broker) OpenTransaction(records ...*kgo.Record) (finish func(commit bool)) {
	b.t.Helper()
	client := b.newClient(kgo.TransactionalID(fmt.Sprint("kafkatest-", transactions.Add(1))))
	if err := client.BeginTransaction(); err != nil {
		b.t.Fatalf("begin a transaction: %v", err)
	}
	b.produce(client, records)
	return func(commit bool) {
		b.t.Helper()
		ctx, cancel := context.WithTimeout(b.t.Context(), requestTimeout)
		defer cancel()
		if err := client.EndTransaction(ctx, kgo.TransactionEndTry(commit)); err != nil {
			b.t.Fatalf("end a transaction: %v", err)
		}
	}
}
