package kafka

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/offsetcommit"
	"github.com/segmentio/kafka-go/protocol/offsetfetch"
)

// A CommittedOffset says how far the group is in a partition: all records below the offset are
// stored. The topic's id and the leader epoch of the last record below the offset say which log the
// offset belongs to. A log that was truncated or made anew has other records there.
type CommittedOffset struct {
	TopicPartition
	Offset  int64
	Epoch   int32     // −1: not known
	TopicID uuid.UUID // zero: not known
}

// A Committer stores offsets in the group, for one generation only. The brokers refuse a member of
// an older generation.
type Committer struct {
	Cluster    *Cluster
	Group      string
	Member     string
	Generation int32
}

const topicMark = "topic_id="

// Commit stores offsets. If the brokers refuse several for different reasons, it returns a reason
// that concerns the group before one that concerns a partition.
func (c Committer) Commit(ctx context.Context, offsets []CommittedOffset) error {
	if len(offsets) == 0 {
		return nil
	}
	req := &offsetcommit.Request{GroupID: c.Group, GenerationID: c.Generation, MemberID: c.Member, RetentionTimeMs: -1}
	topics := map[string][]offsetcommit.RequestPartition{}
	for _, o := range offsets {
		p := offsetcommit.RequestPartition{
			PartitionIndex: o.Partition, CommittedOffset: o.Offset, CommittedLeaderEpoch: o.Epoch,
		}
		if o.TopicID != (uuid.UUID{}) {
			p.CommittedMetadata = topicMark + o.TopicID.String()
		}
		topics[o.Topic] = append(topics[o.Topic], p)
	}
	for name, partitions := range topics {
		req.Topics = append(req.Topics, offsetcommit.RequestTopic{Name: name, Partitions: partitions})
	}
	res, err := c.Cluster.ask(ctx, req, 0)
	if err != nil {
		return err
	}
	var refused error
	for _, t := range res.(*offsetcommit.Response).Topics {
		for _, p := range t.Partitions {
			err := kafkaError(p.ErrorCode)
			if err != nil && (refused == nil || errors.Is(refused, kafkago.UnknownTopicOrPartition)) {
				refused = err
			}
		}
	}
	return refused
}

// Committed reads the group's offsets of partitions. Partitions without an offset are left out.
func (c *Cluster) Committed(
	ctx context.Context, group string, partitions map[string][]int32,
) (map[TopicPartition]CommittedOffset, error) {
	req := &offsetfetch.Request{GroupID: group}
	for topic, ids := range partitions {
		req.Topics = append(req.Topics, offsetfetch.RequestTopic{Name: topic, PartitionIndexes: ids})
	}
	offsets := map[TopicPartition]CommittedOffset{}
	if len(req.Topics) == 0 {
		return offsets, nil
	}
	message, err := c.ask(ctx, req, 0)
	if err != nil {
		return nil, fmt.Errorf("ask for the group's offsets: %w", err)
	}
	res := message.(*offsetfetch.Response)
	if err := kafkaError(res.ErrorCode); errors.Is(err, kafkago.GroupIdNotFound) {
		return offsets, nil
	} else if err != nil {
		return nil, fmt.Errorf("ask for the group's offsets: %w", err)
	}
	for _, t := range res.Topics {
		for _, p := range t.Partitions {
			s := TopicPartition{t.Name, p.PartitionIndex}
			if err := kafkaError(p.ErrorCode); err != nil {
				return nil, fmt.Errorf("ask for the group's offset of %s: %w", s, err)
			}
			if p.CommittedOffset >= 0 {
				offsets[s] = CommittedOffset{s, p.CommittedOffset, p.ComittedLeaderEpoch, topicIn(p.Metadata)}
			}
		}
	}
	return offsets, nil
}

// topicIn reads the topic's id from the metadata of a committed offset. It is zero if an operator
// or an older Rollcall set the offset.
func topicIn(metadata string) uuid.UUID {
	text, has := strings.CutPrefix(metadata, topicMark)
	if !has {
		return uuid.UUID{}
	}
	id, err := uuid.Parse(text)
	if err != nil {
		return uuid.UUID{}
	}
	return id
}
