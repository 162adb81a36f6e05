package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Kafka numbers the reigns of a partition's leaders: epochs. A leader that was elected uncleanly
// may lack records that the one before it had handed out, and take others at their offsets: an
// offset alone then means nothing. So before anything is fetched from a new leader, it is asked how
// far its log agrees with what was read (KIP-320), and whether it knows already how far records
// were acknowledged under the leader before it (KIP-207).

// A doubt is a position that a new leader has to confirm.
type doubt struct {
	*Partition
	from        int64
	lastEpoch   int32 // of the last record below it
	leaderEpoch int32 // the leader's
}

// unchecked lists the positions that a broker has to confirm.
func (a *Assignment) unchecked(broker int32) (doubts []doubt) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range a.partitions {
		if p.leader == broker && !p.checked && !p.lost && !p.waits() {
			doubts = append(doubts, doubt{p, p.next, p.lastEpoch, p.leaderEpoch})
		}
	}
	return doubts
}

// confirm ends a doubt, unless the partition has gone elsewhere.
func (a *Assignment) confirm(d doubt) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if p := d.Partition; p.leaderEpoch == d.leaderEpoch && p.next == d.from {
		p.checked = true
		p.failures = 0
	}
}

// check has the broker confirm positions that it leads newly.
func (f *Fetcher) check(ctx context.Context) {
	doubts := f.Assignment.unchecked(f.Broker)
	if len(doubts) == 0 {
		return
	}
	ends, err := f.epochEnds(ctx, doubts)
	var problems map[TopicPartition]error
	if err == nil {
		problems, err = f.acknowledged(ctx, doubts)
	}
	for _, d := range doubts {
		end, has := ends[d.TopicPartition]
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			f.doubted(d, err)
		case problems[d.TopicPartition] != nil:
			f.doubted(d, problems[d.TopicPartition])
		case end.problem != nil:
			f.doubted(d, end.problem)
		case !has:
			f.Assignment.confirm(d) // nothing of the position is known but its offset
		default:
			f.compare(ctx, d, end)
		}
	}
}

// doubted has a partition wait until its leader can confirm the position.
func (f *Fetcher) doubted(d doubt, err error) {
	if errors.Is(err, kafkago.UnknownTopicOrPartition) {
		f.Assignment.lose(d.Partition)
		f.TopicsChanged()
	}
	f.Assignment.hold(d.Partition)
	f.Report.retried("a new leader did not confirm the position; asking again",
		"partition", d.TopicPartition, "broker", f.Broker, "epoch", d.leaderEpoch, "error", err)
}

// An epochEnd is where the log of a leader leaves an epoch.
type epochEnd struct {
	problem error
	epoch   int32 // the latest that the log has, up to the one asked for
	end     int64 // where its records end
}

// compare holds a position against the leader's log. If that has other records below the position,
// they are read: from where the logs part, or, if nobody can say where that is, from the log's
// start, since what is read twice counts once. How many records the old log held beyond the
// position nobody knows: at least one is counted.
func (f *Fetcher) compare(ctx context.Context, d doubt, at epochEnd) {
	unknown := at.epoch < 0 || at.epoch > d.lastEpoch                   // it cannot say
	tellsApart := f.Assignment.known.TopicIDs[d.Topic] != (uuid.UUID{}) // an old broker cannot tell topics apart
	remade := at.epoch < 0 && !tellsApart
	if unknown && !remade || at.epoch == d.lastEpoch && at.end >= d.from {
		f.Assignment.confirm(d)
		return
	}
	first, _, err := f.Cluster.Bounds(ctx, d.TopicPartition)
	if err != nil {
		f.doubted(d, err)
		return
	}
	lost := max(1, f.Assignment.seenEnd(d.Partition)-d.from)
	switch {
	case remade:
		f.Assignment.gap(d.Partition, Gap{d.from, first, lost, GapRemade})
	case at.end <= d.from:
		f.Assignment.gap(d.Partition, Gap{d.from, max(first, at.end), lost, gapTruncated})
	default:
		f.Assignment.gap(d.Partition, Gap{d.from, first, lost, gapTruncated})
	}
}

// offsetForLeaderEpochVersion is of Kafka 2.3, as is fetchVersion; listOffsetsVersion of 2.2: since
// then a new leader refuses until it knows what was acknowledged before it.
const (
	offsetForLeaderEpochVersion = 3
	listOffsetsVersion          = 5
)

// epochEnds asks where the epochs of the positions end in the broker's log. Positions whose epoch
// is not known are left out.
func (f *Fetcher) epochEnds(ctx context.Context, doubts []doubt) (map[TopicPartition]epochEnd, error) {
	req := kmsg.NewPtrOffsetForLeaderEpochRequest()
	req.ReplicaID = -1
	for _, d := range doubts {
		if d.lastEpoch < 0 {
			continue
		}
		p := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
		p.Partition = d.TopicPartition.Partition
		p.CurrentLeaderEpoch = d.leaderEpoch
		p.LeaderEpoch = d.lastEpoch
		if n := len(req.Topics); n == 0 || req.Topics[n-1].Topic != d.Topic {
			req.Topics = append(req.Topics, kmsg.OffsetForLeaderEpochRequestTopic{Topic: d.Topic})
		}
		t := &req.Topics[len(req.Topics)-1]
		t.Partitions = append(t.Partitions, p)
	}
	ends := map[TopicPartition]epochEnd{}
	if len(req.Topics) == 0 {
		return ends, nil
	}
	res, err := f.Cluster.send(ctx, f.Broker, req, offsetForLeaderEpochVersion, offsetForLeaderEpochVersion)
	if err != nil {
		return nil, fmt.Errorf("ask for the ends of leader epochs: %w", err)
	}
	for _, t := range res.(*kmsg.OffsetForLeaderEpochResponse).Topics {
		for _, p := range t.Partitions {
			ends[TopicPartition{t.Topic, p.Partition}] = epochEnd{kafkaError(p.ErrorCode), p.LeaderEpoch, p.EndOffset}
		}
	}
	return ends, nil
}

// acknowledged asks for the ends of the logs, only to hear whether the leader knows them: for a
// moment after its election it may know of less than was acknowledged to producers, and the
// watermark would take that for all there is.
func (f *Fetcher) acknowledged(ctx context.Context, doubts []doubt) (map[TopicPartition]error, error) {
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	for _, d := range doubts {
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Partition = d.TopicPartition.Partition
		p.CurrentLeaderEpoch = d.leaderEpoch
		p.Timestamp = -1
		if n := len(req.Topics); n == 0 || req.Topics[n-1].Topic != d.Topic {
			req.Topics = append(req.Topics, kmsg.ListOffsetsRequestTopic{Topic: d.Topic})
		}
		t := &req.Topics[len(req.Topics)-1]
		t.Partitions = append(t.Partitions, p)
	}
	res, err := f.Cluster.send(ctx, f.Broker, req, listOffsetsVersion, listOffsetsVersion)
	if err != nil {
		return nil, fmt.Errorf("ask a new leader for the ends of its logs: %w", err)
	}
	problems := map[TopicPartition]error{}
	for _, t := range res.(*kmsg.ListOffsetsResponse).Topics {
		for _, p := range t.Partitions {
			problems[TopicPartition{t.Topic, p.Partition}] = kafkaError(p.ErrorCode)
		}
	}
	return problems, nil
}
