package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/metadata"
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

// A layout is what the brokers say of the configured topics at one moment.
type layout struct {
	asked   time.Time      // just before the question left
	leaders map[slot]int32 // of every partition; −1 where none leads
	missing []string       // topics that do not exist
	unclear []string       // topics of which the brokers could not speak
}

func (l *layout) topics(configured []string) (present []string) {
	for _, topic := range configured {
		if _, exists := l.leaders[slot{topic, 0}]; exists {
			present = append(present, topic)
		}
	}
	return present
}

// knows says whether the brokers spoke of a topic: that it is missing, or which partitions it has.
func (l *layout) knows(topic string) bool {
	_, exists := l.leaders[slot{topic, 0}]
	return exists || slices.Contains(l.missing, topic)
}

const (
	answerTime   = 5 * time.Second // how long a broker may take beyond the wait it was granted
	metadataTime = 2 * time.Second // how old kafka-go's own list of brokers may be
)

// A cluster talks to the brokers about everything but membership, which is kafka-go's but for its end (leave).
type cluster struct {
	topics    []string
	addr      []string
	transport *kafka.Transport
}

func newCluster(c Config) *cluster {
	return &cluster{topics: c.Topics, addr: c.Brokers, transport: &kafka.Transport{
		ClientID: "rollcall", TLS: c.TLS, SASL: c.SASL, MetadataTTL: metadataTime, MetadataTopics: c.Topics, DialTimeout: answerTime,
	}}
}

func (c *cluster) close() { c.transport.CloseIdleConnections() }

// ask sends one request. It takes at most wait and answerTime.
func (c *cluster) ask(ctx context.Context, req kafka.Request, wait time.Duration) (kafka.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, wait+answerTime)
	defer cancel()
	return c.transport.RoundTrip(ctx, kafka.TCP(c.addr...), req)
}

// layout asks the brokers; what kafka-go remembers is of unknown age.
func (c *cluster) layout(ctx context.Context) (*layout, error) {
	l := &layout{asked: time.Now(), leaders: map[slot]int32{}}
	res, err := c.ask(ctx, &metadataRequest{topics: c.topics}, 0)
	if err != nil {
		return nil, fmt.Errorf("ask for the topics' partitions: %w", err)
	}
	for _, t := range res.(*metadataAnswer).Topics {
		switch kafka.Error(t.ErrorCode) {
		case 0:
			for _, p := range t.Partitions {
				l.leaders[slot{t.Name, p.PartitionIndex}] = p.LeaderID
			}
		case kafka.UnknownTopicOrPartition:
			l.missing = append(l.missing, t.Name)
		case kafka.TopicAuthorizationFailed, kafka.InvalidTopic:
			return nil, fmt.Errorf("the topic %s: %w", t.Name, kafkaError(t.ErrorCode))
		default:
			l.unclear = append(l.unclear, t.Name)
		}
	}
	return l, nil
}

// metadataRequest goes past the transport's cache, which knows requests and answers by their types.
type metadataRequest struct {
	topics  []string
	version int16
}

type metadataAnswer struct{ *metadata.Response }

func (*metadataRequest) ApiKey() protocol.ApiKey { return protocol.Metadata }

func (r *metadataRequest) Required(versions map[protocol.ApiKey]int16) bool {
	r.version = versions[protocol.Metadata]
	return true
}

func (r *metadataRequest) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	res, err := protocol.RoundTrip(rw, r.version, 1, "rollcall", &metadata.Request{TopicNames: r.topics})
	if err != nil {
		return nil, err
	}
	return &metadataAnswer{res.(*metadata.Response)}, nil
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
