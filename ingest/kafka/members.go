package kafka

import (
	"context"
	"errors"
	"slices"
	"strings"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ErrRebalancing says that a group's members are being assigned anew. Until that ends, nobody can
// say what they read.
var ErrRebalancing = errors.New("the group's members are rebalancing")

// Readers returns the hosts of a group's members that subscribe to a topic.
func (c *Cluster) Readers(ctx context.Context, group, topic string) (hosts []string, err error) {
	members, err := c.members(ctx, group)
	if err != nil {
		return nil, err
	}
	for _, m := range members {
		topics, ok := subscription(m.ProtocolMetadata)
		if !ok {
			return nil, ErrRebalancing
		}
		if slices.Contains(topics, topic) {
			hosts = append(hosts, strings.TrimPrefix(m.ClientHost, "/"))
		}
	}
	return hosts, nil
}

// subscription reads a member's topics. Every client encodes them in this way; what follows them
// differs between clients.
func subscription(metadata []byte) (topics []string, ok bool) {
	w := &wire{b: metadata}
	w.int16() // the version
	for n := w.int32(); n > 0 && !w.short; n-- {
		topics = append(topics, string(w.bytes(int(w.int16()))))
	}
	return topics, !w.short
}

// members returns the members of a group.
func (c *Cluster) members(ctx context.Context, group string) ([]kmsg.DescribeGroupsResponseGroupMember, error) {
	find := kmsg.NewPtrFindCoordinatorRequest()
	find.CoordinatorKey = group
	res, err := c.send(ctx, anyBroker, find, 0, 2)
	if err != nil {
		return nil, err
	}
	coordinator := res.(*kmsg.FindCoordinatorResponse)
	if err := kafkaError(coordinator.ErrorCode); err != nil {
		return nil, err
	}
	describe := kmsg.NewPtrDescribeGroupsRequest()
	describe.Groups = []string{group}
	if res, err = c.send(ctx, coordinator.NodeID, describe, 0, 4); err != nil {
		return nil, err
	}
	described := res.(*kmsg.DescribeGroupsResponse).Groups[0]
	if err := kafkaError(described.ErrorCode); err != nil && !errors.Is(err, kafkago.GroupIdNotFound) {
		return nil, err
	}
	return described.Members, nil
}
