package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// admin is the broker's administration, over the test's present client.
func (b *Broker) admin() *kadm.Client {
	admin := kadm.NewClient(b.client)
	admin.SetTimeoutMillis(int32(requestTimeout.Milliseconds()))
	return admin
}

// CreateTopic creates a topic and returns when it takes records. Settings are pairs of a Kafka name
// and value, such as retention.ms and 1000.
func (b *Broker) CreateTopic(topic string, partitions int, settings ...string) {
	b.t.Helper()
	configs := map[string]*string{}
	for i := 0; i+1 < len(settings); i += 2 {
		configs[settings[i]] = &settings[i+1]
	}
	b.until("create topic "+topic, func(ctx context.Context) error {
		// It is TOPIC_ALREADY_EXISTS while an earlier topic of that name is being deleted.
		_, err := b.admin().CreateTopic(ctx, int32(partitions), 1, configs, topic)
		return err
	})
	b.awaitPartitions(topic, partitions)
}

// DeleteTopic deletes a topic with its records and its committed offsets, and returns when it is
// gone. If there is no such topic, DeleteTopic does nothing.
func (b *Broker) DeleteTopic(topic string) {
	b.t.Helper()
	b.until("delete topic "+topic, func(ctx context.Context) error {
		switch _, err := b.admin().DeleteTopic(ctx, topic); {
		case err == nil:
			return errors.New("it was still there") // ask again, until the broker no longer knows the topic
		case errors.Is(err, kerr.UnknownTopicOrPartition):
			return nil
		default:
			return err
		}
	})
}

// RecreateTopic deletes a topic, if there is one, and creates it again. Its offsets start at 0.
func (b *Broker) RecreateTopic(topic string, partitions int, settings ...string) {
	b.t.Helper()
	b.DeleteTopic(topic)
	b.CreateTopic(topic, partitions, settings...)
	// A client that knows the old topic's id would continue to use it.
	b.client = b.newClient()
}

// CreatePartitions raises a topic's number of partitions to count.
func (b *Broker) CreatePartitions(topic string, count int) {
	b.t.Helper()
	b.must(fmt.Sprintf("raise topic %s to %d partitions", topic, count), func(ctx context.Context) error {
		raised, err := b.admin().UpdatePartitions(ctx, count, topic)
		return errors.Join(err, raised.Error())
	})
	b.awaitPartitions(topic, count)
}

// DeleteRecords removes a partition's records below an offset, as retention would.
func (b *Broker) DeleteRecords(topic string, partition int32, below int64) {
	b.t.Helper()
	offsets := kadm.Offsets{}
	offsets.AddOffset(topic, partition, below, -1)
	b.must(fmt.Sprintf("delete the records of %s/%d below %d", topic, partition, below), func(ctx context.Context) error {
		deleted, err := b.admin().DeleteRecords(ctx, offsets)
		return errors.Join(err, deleted.Error())
	})
}

// Expire makes retention by time remove everything that a topic holds, and returns when it is gone.
// Later records are kept.
func (b *Broker) Expire(topic string) {
	b.t.Helper()
	ends := b.Ends(topic)
	b.configure(topic, "retention.ms", "1")
	b.until("expire the records of "+topic, func(context.Context) error {
		b.backend.applyRetention()
		if starts := b.Starts(topic); !slices.Equal(starts, ends) {
			return fmt.Errorf("the partitions start at %d, not yet at %d", starts, ends)
		}
		return nil
	})
	b.configure(topic, "retention.ms", "-1")
}

func (b *Broker) configure(topic, name, value string) {
	b.t.Helper()
	change := []kadm.AlterConfig{{Op: kadm.SetConfig, Name: name, Value: &value}}
	b.must(fmt.Sprintf("set %s of topic %s to %s", name, topic, value), func(ctx context.Context) error {
		changed, err := b.admin().AlterTopicConfigs(ctx, change, topic)
		if err != nil {
			return err
		}
		_, err = changed.On(topic, func(r *kadm.AlterConfigsResponse) error { return r.Err })
		return err
	})
}

// Ends returns the offset after the last record of each partition of a topic, including aborted
// records and markers.
func (b *Broker) Ends(topic string) []int64 {
	b.t.Helper()
	return b.offsets(topic, (*kadm.Client).ListEndOffsets)
}

// Stable returns, for each partition, the offset below which no transaction is open. Readers of
// committed records get no further.
func (b *Broker) Stable(topic string) []int64 {
	b.t.Helper()
	return b.offsets(topic, (*kadm.Client).ListCommittedOffsets)
}

// Starts returns the offset of the first record that each partition of a topic still has.
func (b *Broker) Starts(topic string) []int64 {
	b.t.Helper()
	return b.offsets(topic, (*kadm.Client).ListStartOffsets)
}

// lister is the method of kadm.Client that lists one kind of offset.
type lister func(admin *kadm.Client, ctx context.Context, topics ...string) (kadm.ListedOffsets, error)

func (b *Broker) offsets(topic string, list lister) (offsets []int64) {
	b.t.Helper()
	b.until("offsets of "+topic, func(ctx context.Context) error {
		listed, err := list(b.admin(), ctx, topic)
		offsets = nil
		for _, o := range listed.Offsets().Sorted() {
			offsets = append(offsets, o.At)
		}
		return errors.Join(err, listed.Error())
	})
	return offsets
}

// Committed returns a group's committed offset in each partition of a topic, −1 where there is
// none.
func (b *Broker) Committed(group, topic string) (offsets []int64) {
	b.t.Helper()
	b.until("offsets of group "+group, func(ctx context.Context) error {
		count, err := b.partitions(ctx, topic)
		if err != nil {
			return err
		}
		committed, err := b.admin().FetchOffsets(ctx, group)
		if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
			return err
		}
		offsets = make([]int64, count)
		for p := range offsets {
			offsets[p] = -1
			if o, found := committed.Lookup(topic, int32(p)); found {
				offsets[p] = o.At
			}
		}
		return committed.Error()
	})
	return offsets
}

func (b *Broker) partitions(ctx context.Context, topic string) (int, error) {
	topics, err := b.admin().ListTopics(ctx, topic)
	if err != nil {
		return 0, err
	}
	t := topics[topic]
	for _, p := range t.Partitions {
		if p.Err != nil {
			return 0, p.Err
		}
	}
	return len(t.Partitions), t.Err
}

func (b *Broker) awaitPartitions(topic string, count int) {
	b.t.Helper()
	b.until(fmt.Sprintf("topic %s with %d partitions", topic, count), func(ctx context.Context) error {
		got, err := b.partitions(ctx, topic)
		if err == nil && got != count {
			err = fmt.Errorf("it has %d", got)
		}
		return err
	})
}

func (b *Broker) deleteAll(topics []string) {
	admin, err := kadm.NewOptClient(kgo.SeedBrokers(b.Addr))
	if err != nil {
		b.t.Error(err)
		return
	}
	defer admin.Close()
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	if _, err := admin.DeleteTopics(ctx, topics...); err != nil {
		b.t.Errorf("delete the test's topics: %v", err)
	}
}

func (b *Broker) must(what string, do func(context.Context) error) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), requestTimeout)
	defer cancel()
	// With this context kadm asks the broker for metadata each time. Otherwise it may take a topic's
	// state before a change from the client's cache.
	if err := do(kadm.WithAuthorizedOps(ctx)); err != nil {
		b.t.Fatalf("%s: %v", what, err)
	}
}

// until repeats do until it succeeds: some changes take a moment in a distributed broker.
func (b *Broker) until(what string, do func(context.Context) error) {
	b.t.Helper()
	b.must(what, func(ctx context.Context) error {
		for poll := time.NewTicker(20 * time.Millisecond); ; {
			err := do(ctx)
			if err == nil {
				return nil
			}
			select {
			case <-poll.C:
			case <-ctx.Done():
				return err
			}
		}
	})
}
