package kafkatest_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"

	"rollcall/deploy/test/kafkatest"
)

func records(topic string, partition int32, values ...string) (rs []*kgo.Record) {
	for _, v := range values {
		rs = append(rs, &kgo.Record{Topic: topic, Partition: partition, Value: []byte(v)})
	}
	return rs
}

// read returns the committed values of a partition up to its end.
func read(t *testing.T, b *kafkatest.Broker, topic string, partition int32) (values []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	start := map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().AtStart()}}
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Addr), kgo.ConsumePartitions(start),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.FetchMaxWait(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for end := b.Ends(topic)[partition]; end > 0; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() {
				values = append(values, string(r.Value))
			}
			if r.Offset == end-1 {
				end = 0
			}
		})
	}
	return values
}

func expect(t *testing.T, b *kafkatest.Broker, topic string, partition int32, want ...string) {
	t.Helper()
	if got := read(t, b, topic, partition); !slices.Equal(got, want) {
		t.Errorf("%s/%d holds %q, want %q", topic, partition, got, want)
	}
}

func TestRecordsOutliveRestartAndKill(t *testing.T) {
	b := kafkatest.Open(t, "t")
	b.Produce(records("t", 0, "a")...)
	b.Restart()
	b.Produce(records("t", 0, "b")...)
	b.Kill()
	b.Produce(records("t", 0, "c")...)
	expect(t, b, "t", 0, "a", "b", "c")
}

func TestTransactions(t *testing.T) {
	b := kafkatest.Open(t, "t")
	b.Transaction(true, records("t", 0, "committed")...)
	b.Transaction(false, records("t", 0, "aborted")...)
	finish := b.OpenTransaction(records("t", 0, "late")...)
	b.Produce(records("t", 0, "plain")...)
	finish(true)
	expect(t, b, "t", 0, "committed", "late", "plain")
}

func TestTopicRecreated(t *testing.T) {
	b := kafkatest.Open(t, "t")
	b.Produce(records("t", 1, "old", "older")...)
	b.RecreateTopic("t", kafkatest.Partitions)
	b.Produce(records("t", 1, "new")...)
	expect(t, b, "t", 1, "new")
}

func TestPartitionsAdded(t *testing.T) {
	b := kafkatest.Open(t, "t")
	b.CreatePartitions("t", kafkatest.Partitions+2)
	b.Produce(records("t", kafkatest.Partitions+1, "new")...)
	expect(t, b, "t", kafkatest.Partitions+1, "new")
}

func TestRecordsDeleted(t *testing.T) {
	b := kafkatest.Open(t, "t")
	b.Produce(records("t", 2, "a", "b", "c")...)
	b.DeleteRecords("t", 2, 2)
	if got := b.Starts("t"); !slices.Equal(got, []int64{0, 0, 2, 0}) {
		t.Errorf("the partitions start at %d", got)
	}
	expect(t, b, "t", 2, "c")
}

func TestRecordsExpire(t *testing.T) {
	b := kafkatest.Open(t, "t")
	b.Produce(records("t", 2, "a", "b")...)
	b.Expire("t")
	b.Produce(records("t", 2, "c")...)
	b.Expire("t")
	b.Produce(records("t", 2, "d")...)
	expect(t, b, "t", 2, "d")
	if got := b.Starts("t"); !slices.Equal(got, []int64{0, 0, 3, 0}) {
		t.Errorf("the partitions start at %d", got)
	}
}

func TestTopicsAreEmptyInTheNextTest(t *testing.T) {
	for range 2 {
		t.Run("one test", func(t *testing.T) {
			b := kafkatest.Open(t, "t")
			expect(t, b, "t", 0)
			b.Produce(records("t", 0, "x")...)
			if got := b.Committed("nobody", "t"); !slices.Equal(got, []int64{-1, -1, -1, -1}) {
				t.Errorf("committed offsets of a new group: %d", got)
			}
		})
	}
}

// TestConsumerGroup tests the broker with the client that ingest uses: it joins, commits, and finds
// the commit again.
func TestConsumerGroup(t *testing.T) {
	b := kafkatest.Open(t, "t")
	group, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID: "g", Brokers: []string{b.Addr}, Topics: []string{"t"}, SessionTimeout: 6 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer group.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	gen, err := group.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(gen.Assignments["t"]); n != kafkatest.Partitions {
		t.Fatalf("assigned %d partitions", n)
	}
	b.Produce(records("t", 3, "a", "b")...)
	if err := gen.CommitOffsets(map[string]map[int]int64{"t": {3: 2}}); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(b.Committed("g", "t")); got != "[-1 -1 -1 2]" {
		t.Errorf("committed %s", got)
	}
}
