package ingest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/sasl"
)

// A slot names a partition of a topic.
type slot struct {
	topic string
	id    int32
}

func (s slot) String() string { return fmt.Sprintf("%s/%d", s.topic, s.id) }

// LogValue is what logs show: JSON knows nothing of String.
func (s slot) LogValue() slog.Value { return slog.StringValue(s.String()) }

// number is the partition as a label.
func (s slot) number() string { return strconv.Itoa(int(s.id)) }

const (
	answerTime   = 5 * time.Second // how long a broker may take beyond the wait it was granted
	metadataTime = 2 * time.Second // how old kafka-go's own list of brokers may be
)

// A cluster talks to the brokers about everything but membership, which is kafka-go's but for its end (leave).
type cluster struct {
	topics    []string
	addr      []string
	transport *kafka.Transport
	clock     func() time.Time
	newest    newest
}

// A clusterConfig says how a cluster is reached.
type clusterConfig struct {
	Brokers []string // host:port of some; the others are learned from them
	Topics  []string // that are asked about
	TLS     *tls.Config
	SASL    sasl.Mechanism
	Clock   func() time.Time // what layouts are dated by
}

func newCluster(c clusterConfig) *cluster {
	return &cluster{
		topics: c.Topics, addr: c.Brokers, clock: c.Clock, newest: newest{topics: map[string]*topicLayout{}},
		transport: &kafka.Transport{
			ClientID: "rollcall", TLS: c.TLS, SASL: c.SASL, MetadataTTL: metadataTime, MetadataTopics: c.Topics,
			DialTimeout: answerTime,
		},
	}
}

func (c *cluster) close() { c.transport.CloseIdleConnections() }

// ask sends one request. It takes at most wait and answerTime.
func (c *cluster) ask(ctx context.Context, req kafka.Request, wait time.Duration) (kafka.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, wait+answerTime)
	defer cancel()
	return c.transport.RoundTrip(ctx, kafka.TCP(c.addr...), req)
}

// brokerOf finds a broker in kafka-go's own list, which is metadataTime old at most.
func brokerOf(cluster protocol.Cluster, id int32) (protocol.Broker, error) {
	broker, known := cluster.Brokers[id]
	if !known {
		return broker, fmt.Errorf("broker %d is not in the cluster's metadata", id)
	}
	return broker, nil
}

// bounds are the first offset of a partition's log and the one after its last.
func (c *cluster) bounds(ctx context.Context, s slot) (first, end int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	client := kafka.Client{Addr: kafka.TCP(c.addr...), Transport: c.transport}
	res, err := client.ListOffsets(ctx, &kafka.ListOffsetsRequest{
		Topics: map[string][]kafka.OffsetRequest{s.topic: {kafka.FirstOffsetOf(int(s.id)), kafka.LastOffsetOf(int(s.id))}},
	})
	if err != nil {
		return 0, 0, fmt.Errorf("ask for the bounds of %s: %w", s, err)
	}
	for _, p := range res.Topics[s.topic] {
		if p.Partition == int(s.id) {
			if p.Error != nil || p.FirstOffset < 0 || p.LastOffset < 0 {
				return 0, 0, fmt.Errorf("ask for the bounds of %s: %w", s, errors.Join(p.Error, errNoBounds))
			}
			return p.FirstOffset, p.LastOffset, nil
		}
	}
	return 0, 0, fmt.Errorf("ask for the bounds of %s: %w", s, errNoBounds)
}

// leave takes a member out of its group. One that is not in it has left.
func (c *cluster) leave(ctx context.Context, group, member string) error {
	client := kafka.Client{Addr: kafka.TCP(c.addr...), Transport: c.transport}
	res, err := client.LeaveGroup(ctx, &kafka.LeaveGroupRequest{GroupID: group, Members: []kafka.LeaveGroupRequestMember{{ID: member}}})
	if err != nil {
		return err
	}
	if err := errors.Join(res.Error, res.Members[0].Error); err != nil && !errors.Is(err, kafka.UnknownMemberId) {
		return err
	}
	return nil
}

var errNoBounds = errors.New("the brokers did not say where the log starts and ends")

func kafkaError(code int16) error {
	if code == 0 {
		return nil
	}
	return kafka.Error(code)
}
