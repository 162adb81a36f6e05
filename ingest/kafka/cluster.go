package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/sasl"
)

// A TopicPartition names a partition of a topic.
type TopicPartition struct {
	Topic     string
	Partition int32
}

func (s TopicPartition) String() string { return fmt.Sprintf("%s/%d", s.Topic, s.Partition) }

// LogValue is the partition in logs. Without it a JSON log would not use String.
func (s TopicPartition) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Number is the partition's number as a label of metrics.
func (s TopicPartition) Number() string { return strconv.Itoa(int(s.Partition)) }

const (
	AnswerTime   = 5 * time.Second // how long a response may take beyond the wait that was granted
	metadataTime = 2 * time.Second // how old kafka-go's own list of brokers may be
)

// A Cluster talks to the brokers. kafka-go handles the membership in the group, except for leaving
// it (Leave).
type Cluster struct {
	topics    []string
	addr      []string
	transport *kafkago.Transport
	clock     func() time.Time
	newest    newest
}

// A Config says how a cluster is reached.
type Config struct {
	Brokers []string           // host:port of some brokers; the others are learned from them
	Topics  []string           // the topics that are asked about
	TLS     func() *tls.Config // see Dial
	SASL    sasl.Mechanism
	Clock   func() time.Time // gives the time of a layout
}

func NewCluster(c Config) *Cluster {
	return &Cluster{
		topics: c.Topics, addr: c.Brokers, clock: c.Clock, newest: newest{topics: map[string]*topicLayout{}},
		transport: &kafkago.Transport{
			ClientID: "rollcall", Dial: Dial(c.TLS), SASL: c.SASL, MetadataTTL: metadataTime, MetadataTopics: c.Topics,
			DialTimeout: AnswerTime,
		},
	}
}

func (c *Cluster) Close() { c.transport.CloseIdleConnections() }

// ask sends one request. It takes at most wait and AnswerTime together.
func (c *Cluster) ask(ctx context.Context, req kafkago.Request, wait time.Duration) (kafkago.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, wait+AnswerTime)
	defer cancel()
	return c.transport.RoundTrip(ctx, kafkago.TCP(c.addr...), req)
}

// brokerOf finds a broker in kafka-go's own list, which is at most metadataTime old.
func brokerOf(cluster protocol.Cluster, id int32) (protocol.Broker, error) {
	broker, known := cluster.Brokers[id]
	if !known {
		return broker, fmt.Errorf("broker %d is not in the cluster's metadata", id)
	}
	return broker, nil
}

// Bounds returns the first offset of a partition's log, and the one after its last.
func (c *Cluster) Bounds(ctx context.Context, s TopicPartition) (first, end int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, AnswerTime)
	defer cancel()
	client := kafkago.Client{Addr: kafkago.TCP(c.addr...), Transport: c.transport}
	res, err := client.ListOffsets(ctx, &kafkago.ListOffsetsRequest{
		Topics: map[string][]kafkago.OffsetRequest{
			s.Topic: {kafkago.FirstOffsetOf(int(s.Partition)), kafkago.LastOffsetOf(int(s.Partition))},
		},
	})
	if err != nil {
		return 0, 0, fmt.Errorf("ask for the bounds of %s: %w", s, err)
	}
	for _, p := range res.Topics[s.Topic] {
		if p.Partition == int(s.Partition) {
			if p.Error != nil || p.FirstOffset < 0 || p.LastOffset < 0 {
				return 0, 0, fmt.Errorf("ask for the bounds of %s: %w", s, errors.Join(p.Error, errNoBounds))
			}
			return p.FirstOffset, p.LastOffset, nil
		}
	}
	return 0, 0, fmt.Errorf("ask for the bounds of %s: %w", s, errNoBounds)
}

// Leave removes a member from its group. A member that is not in the group has left it already.
func (c *Cluster) Leave(ctx context.Context, group, member string) error {
	client := kafkago.Client{Addr: kafkago.TCP(c.addr...), Transport: c.transport}
	res, err := client.LeaveGroup(ctx, &kafkago.LeaveGroupRequest{
		GroupID: group, Members: []kafkago.LeaveGroupRequestMember{{ID: member}},
	})
	if err != nil {
		return err
	}
	if err := errors.Join(res.Error, res.Members[0].Error); err != nil && !errors.Is(err, kafkago.UnknownMemberId) {
		return err
	}
	return nil
}

var errNoBounds = errors.New("the brokers did not say where the log starts and ends")

func kafkaError(code int16) error {
	if code == 0 {
		return nil
	}
	return kafkago.Error(code)
}
