package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// CreateTopic creates a topic and returns when it takes records. Settings are pairs of a Kafka name
// and value, such as retention.ms and 1000.
func (b *Broker) CreateTopic(topic string, partitions int, settings ...string) {
	b.t.Helper()
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis = int32(requestTimeout.Milliseconds())
	rt := kmsg.NewCreateTopicsRequestTopic()
	rt.Topic = topic
	rt.NumPartitions = int32(partitions)
	rt.ReplicationFactor = 1
	for i := 0; i+1 < len(settings); i += 2 {
		rt.Configs = append(rt.Configs, kmsg.CreateTopicsRequestTopicConfig{Name: settings[i], Value: &settings[i+1]})
	}
	req.Topics = append(req.Topics, rt)
	b.until("create topic "+topic, func(ctx context.Context) error {
		res, err := req.RequestWith(ctx, b.client)
		if err != nil {
			return err
		}
		// It is TOPIC_ALREADY_EXISTS while an earlier topic of that name is being deleted.
		return kerr.ErrorForCode(res.Topics[0].ErrorCode)
	})
	b.awaitPartitions(topic, partitions)
}

// DeleteTopic deletes a topic with its records and its committed offsets, and returns when it is
// gone. If there is no such topic, DeleteTopic does nothing.
func (b *Broker) DeleteTopic(topic string) {
	b.t.Helper()
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.TimeoutMillis = int32(requestTimeout.Milliseconds())
	req.TopicNames = []string{topic}
	req.Topics = []kmsg.DeleteTopicsRequestTopic{{Topic: &topic}}
	b.until("delete topic "+topic, func(ctx context.Context) error {
		res, err := req.RequestWith(ctx, b.client)
		if err != nil {
			return err
		}
		switch err := kerr.ErrorForCode(res.Topics[0].ErrorCode); {
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
	req := kmsg.NewPtrCreatePartitionsRequest()
	req.TimeoutMillis = int32(requestTimeout.Milliseconds())
	rt := kmsg.NewCreatePartitionsRequestTopic()
	rt.Topic = topic
	rt.Count = int32(count)
	req.Topics = append(req.Topics, rt)
	b.must(fmt.Sprintf("raise topic %s to %d partitions", topic, count), func(ctx context.Context) error {
		res, err := req.RequestWith(ctx, b.client)
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(res.Topics[0].ErrorCode)
	})
	b.awaitPartitions(topic, count)
}

// DeleteRecords removes a partition's records below an offset, as retention would.
func (b *Broker) DeleteRecords(topic string, partition int32, below int64) {
	b.t.Helper()
	req := kmsg.NewPtrDeleteRecordsRequest()
	req.TimeoutMillis = int32(requestTimeout.Milliseconds())
	rt := kmsg.NewDeleteRecordsRequestTopic()
	rt.Topic = topic
	rt.Partitions = append(rt.Partitions, kmsg.DeleteRecordsRequestTopicPartition{Partition: partition, Offset: below})
	req.Topics = append(req.Topics, rt)
	b.must(fmt.Sprintf("delete the records of %s/%d below %d", topic, partition, below), func(ctx context.Context) error {
		for _, shard := range b.client.RequestSharded(ctx, req) {
			if shard.Err != nil {
				return shard.Err
			}
			for _, t := range shard.Resp.(*kmsg.DeleteRecordsResponse).Topics {
				if err := kerr.ErrorForCode(t.Partitions[0].ErrorCode); err != nil {
					return err
				}
			}
		}
		return nil
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
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	rt := kmsg.NewIncrementalAlterConfigsRequestResource()
	rt.ResourceType = kmsg.ConfigResourceTypeTopic
	rt.ResourceName = topic
	rt.Configs = append(rt.Configs, kmsg.IncrementalAlterConfigsRequestResourceConfig{Name: name, Value: &value})
	req.Resources = append(req.Resources, rt)
	b.must(fmt.Sprintf("set %s of topic %s to %s", name, topic, value), func(ctx context.Context) error {
		res, err := req.RequestWith(ctx, b.client)
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(res.Resources[0].ErrorCode)
	})
}

// Ends returns the offset after the last record of each partition of a topic, including aborted
// records and markers.
func (b *Broker) Ends(topic string) []int64 { return b.offsets(topic, -1, readUncommitted) }

// Stable returns, for each partition, the offset below which no transaction is open. Readers of
// committed records get no further.
func (b *Broker) Stable(topic string) []int64 { return b.offsets(topic, -1, readCommitted) }

// Starts returns the offset of the first record that each partition of a topic still has.
func (b *Broker) Starts(topic string) []int64 { return b.offsets(topic, -2, readUncommitted) }

const (
	readUncommitted = 0
	readCommitted   = 1
)

func (b *Broker) offsets(topic string, at int64, isolation int8) (offsets []int64) {
	b.t.Helper()
	b.until("offsets of "+topic, func(ctx context.Context) error {
		count, err := b.partitions(ctx, topic)
		if err != nil {
			return err
		}
		offsets = make([]int64, count)
		req := kmsg.NewPtrListOffsetsRequest()
		req.IsolationLevel = isolation
		rt := kmsg.NewListOffsetsRequestTopic()
		rt.Topic = topic
		for p := range offsets {
			rp := kmsg.NewListOffsetsRequestTopicPartition()
			rp.Partition = int32(p)
			rp.Timestamp = at
			rt.Partitions = append(rt.Partitions, rp)
		}
		req.Topics = append(req.Topics, rt)
		for _, shard := range b.client.RequestSharded(ctx, req) {
			if shard.Err != nil {
				return shard.Err
			}
			for _, p := range shard.Resp.(*kmsg.ListOffsetsResponse).Topics[0].Partitions {
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
					return err
				}
				offsets[p.Partition] = p.Offset
			}
		}
		return nil
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
		req := kmsg.NewPtrOffsetFetchRequest()
		req.Group = group
		rt := kmsg.NewOffsetFetchRequestTopic()
		rt.Topic = topic
		for p := range int32(count) {
			rt.Partitions = append(rt.Partitions, p)
		}
		req.Topics = append(req.Topics, rt)
		res, err := req.RequestWith(ctx, b.client)
		if err != nil {
			return err
		}
		offsets = make([]int64, count)
		for i := range offsets {
			offsets[i] = -1
		}
		for _, t := range res.Topics {
			for _, p := range t.Partitions {
				offsets[p.Partition] = p.Offset
			}
		}
		if err := kerr.ErrorForCode(res.ErrorCode); !errors.Is(err, kerr.GroupIDNotFound) {
			return err
		}
		return nil
	})
	return offsets
}

func (b *Broker) partitions(ctx context.Context, topic string) (int, error) {
	req := kmsg.NewPtrMetadataRequest()
	rt := kmsg.NewMetadataRequestTopic()
	rt.Topic = &topic
	req.Topics = append(req.Topics, rt)
	res, err := req.RequestWith(ctx, b.client)
	if err != nil {
		return 0, err
	}
	t := res.Topics[0]
	for _, p := range t.Partitions {
		if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
			return 0, err
		}
	}
	return len(t.Partitions), kerr.ErrorForCode(t.ErrorCode)
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
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Addr))
	if err != nil {
		b.t.Error(err)
		return
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.TimeoutMillis = int32(requestTimeout.Milliseconds())
	for _, topic := range topics {
		req.TopicNames = append(req.TopicNames, topic)
		req.Topics = append(req.Topics, kmsg.DeleteTopicsRequestTopic{Topic: &topic})
	}
	if _, err := req.RequestWith(ctx, client); err != nil {
		b.t.Errorf("delete the test's topics: %v", err)
	}
}

func (b *Broker) must(what string, do func(context.Context) error) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), requestTimeout)
	defer cancel()
	if err := do(ctx); err != nil {
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
