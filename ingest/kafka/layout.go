package kafka

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A Layout is what the brokers say of the configured topics at one moment.
type Layout struct {
	Asked    time.Time                // just before the first request was sent, by Config.Clock
	Leaders  map[TopicPartition]int32 // of every partition; −1 if none leads it
	Epochs   map[TopicPartition]int32 // the leaders' epochs; −1 if the brokers do not say
	TopicIDs map[string]uuid.UUID     // another id if a topic is made anew; zero before Kafka 2.8
	Missing  []string                 // topics that do not exist
	Unclear  []string                 // brokers fail to describe them, disagree, or say less
	Partial  bool                     // at most half of the brokers responded: others may know more
}

func newLayout(asked time.Time) *Layout {
	return &Layout{
		Asked: asked, Leaders: map[TopicPartition]int32{}, Epochs: map[TopicPartition]int32{},
		TopicIDs: map[string]uuid.UUID{},
	}
}

func (l *Layout) Topics(configured []string) (present []string) {
	for _, topic := range configured {
		if _, exists := l.Leaders[TopicPartition{topic, 0}]; exists {
			present = append(present, topic)
		}
	}
	return present
}

// LayoutEvery is how often the brokers are asked who leads what. It is also how long one of several
// brokers may take to respond. No statement about all records can be newer than the last layout.
const LayoutEvery = time.Second

// These versions of Metadata can be used: 8 is Kafka 2.3, and 10 has topic ids.
const (
	metadataLeast = 8
	metadataMost  = 12
)

// Layout asks all brokers. One broker alone may be cut off from the others without knowing it, and
// then names leaders that lead no longer. A broker that accepts records for a partition knows that
// it leads the partition. So, when the brokers were asked, none of those that responded can have
// accepted records under a newer leader than the responses name.
func (c *Cluster) Layout(ctx context.Context) (*Layout, error) {
	asked := c.clock()
	first, err := c.metadata(ctx, anyBroker, AnswerTime)
	if err != nil {
		return nil, fmt.Errorf("ask for the topics' partitions: %w", err)
	}
	responses := []*kmsg.MetadataResponse{first}
	responded := 1
	if len(first.Brokers) > 1 {
		others := c.metadataOfAll(ctx, first.Brokers)
		responses = append(responses, others...)
		responded = len(others)
	}
	brokers := map[int32]bool{}
	for _, r := range responses {
		for _, b := range r.Brokers {
			brokers[b.NodeID] = true
		}
	}
	l := newLayout(asked)
	l.Partial = 2*responded <= len(brokers)
	for _, topic := range c.topics {
		if err := c.newest.merge(l, topic, responses); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// metadataOfAll asks each of the brokers, and returns the responses that came in time.
func (c *Cluster) metadataOfAll(
	ctx context.Context, brokers []kmsg.MetadataResponseBroker,
) (responses []*kmsg.MetadataResponse) {
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, b := range brokers {
		all.Go(func() {
			r, err := c.metadata(ctx, b.NodeID, LayoutEvery)
			if err != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			responses = append(responses, r)
		})
	}
	all.Wait()
	return responses
}

func (c *Cluster) metadata(ctx context.Context, broker int32, limit time.Duration) (*kmsg.MetadataResponse, error) {
	req := kmsg.NewPtrMetadataRequest()
	req.AllowAutoTopicCreation = false
	for _, topic := range c.topics {
		rt := kmsg.NewMetadataRequestTopic()
		rt.Topic = kmsg.StringPtr(topic)
		req.Topics = append(req.Topics, rt)
	}
	res, err := c.within(ctx, limit, broker, req, metadataLeast, metadataMost)
	if err != nil {
		return nil, err
	}
	return res.(*kmsg.MetadataResponse), nil
}

// newest is the newest that was ever said of each topic. A broker that lags behind says something
// older.
type newest struct {
	mu     sync.Mutex
	topics map[string]*topicLayout
}

// A topicLayout is one topic in a layout.
type topicLayout struct {
	id      uuid.UUID
	leaders map[int32]int32
	epochs  map[int32]int32
}

// merge adds a topic to the layout: for each partition, the newest leader that any broker knows.
func (n *newest) merge(l *Layout, topic string, responses []*kmsg.MetadataResponse) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	told := &topicLayout{leaders: map[int32]int32{}, epochs: map[int32]int32{}}
	known := 0
	missing := 0
	unclear := 0
	for _, r := range responses {
		for _, t := range r.Topics {
			if t.Topic == nil || *t.Topic != topic {
				continue
			}
			switch kafkago.Error(t.ErrorCode) {
			case 0:
				if known++; known > 1 && told.id != t.TopicID {
					unclear++ // the topic is being made anew, and not all brokers know it yet
					continue
				}
				told.add(&t)
			case kafkago.UnknownTopicOrPartition:
				missing++
			case kafkago.TopicAuthorizationFailed, kafkago.InvalidTopic:
				return fmt.Errorf("the topic %s: %w", topic, kafkaError(t.ErrorCode))
			default:
				unclear++
			}
		}
	}
	before := n.topics[topic]
	switch {
	case known > 0 && unclear == 0 && told.follows(before):
		n.topics[topic] = told
	case known == 0 && unclear == 0 && missing > 0:
		l.Missing = append(l.Missing, topic)
		return nil
	default:
		l.Unclear = append(l.Unclear, topic)
		if told = before; told == nil {
			return nil
		}
	}
	l.TopicIDs[topic] = told.id
	for partition, leader := range told.leaders {
		l.Leaders[TopicPartition{topic, partition}] = leader
		l.Epochs[TopicPartition{topic, partition}] = told.epochs[partition]
	}
	return nil
}

// add adds what one broker says of the topic.
func (t *topicLayout) add(said *kmsg.MetadataResponseTopic) {
	t.id = said.TopicID
	for _, p := range said.Partitions {
		leader, known := t.leaders[p.Partition]
		if !known || p.LeaderEpoch > t.epochs[p.Partition] || p.LeaderEpoch == t.epochs[p.Partition] && leader < 0 {
			t.leaders[p.Partition] = p.Leader
			t.epochs[p.Partition] = p.LeaderEpoch
		}
	}
}

// follows says whether this layout can be later than the one before it. While a topic stays the
// same, it loses no partitions and its epochs do not fall.
func (t *topicLayout) follows(before *topicLayout) bool {
	if before == nil || before.id != t.id || t.id == (uuid.UUID{}) {
		return true
	}
	for partition, epoch := range before.epochs {
		if now, exists := t.epochs[partition]; !exists || now < epoch {
			return false
		}
	}
	return true
}

// SameTopics says whether two layouts have the same partitions of the same topics.
func (l *Layout) SameTopics(other *Layout) bool {
	any := func(int32, int32) bool { return true }
	return maps.EqualFunc(l.Leaders, other.Leaders, any) && maps.Equal(l.TopicIDs, other.TopicIDs)
}

// SpeaksOf says whether the brokers agreed on a topic.
func (l *Layout) SpeaksOf(topic string) bool { return !slices.Contains(l.Unclear, topic) }
