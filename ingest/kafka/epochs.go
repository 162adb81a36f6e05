package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Kafka counts the leaders of a partition: each election begins a new leader epoch.
//
// A leader that was elected uncleanly may lack records that the leader before it had served, and
// may accept other records at their offsets. An offset alone then means nothing. So before anything
// is fetched from a new leader, the leader is asked two things: how far its log agrees with what
// was read (KIP-320), and whether it knows already which records were acknowledged under the leader
// before it (KIP-207).

// A doubt is a position that a new leader has to confirm.
type doubt struct {
	*Partition
	from        int64
	lastEpoch   int32 // the leader epoch of the last record below `from`
	leaderEpoch int32 // the new leader's
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

// confirm ends a doubt, unless the partition has moved or has another leader by now.
func (a *Assignment) confirm(d doubt) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if p := d.Partition; p.leaderEpoch == d.leaderEpoch && p.next == d.from {
		p.checked = true
		p.failures = 0
	}
}

// check asks the broker to confirm the positions in the partitions that it leads newly.
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
			f.Assignment.confirm(d) // only the offset of the position is known
		default:
			f.compare(ctx, d, end)
		}
	}
}

// doubted makes a partition wait, and its leader is then asked again.
func (f *Fetcher) doubted(d doubt, err error) {
	if errors.Is(err, kafkago.UnknownTopicOrPartition) {
		f.Assignment.lose(d.Partition)
		f.TopicsChanged()
	}
	f.Assignment.hold(d.Partition)
	f.Report.Counters.Retried()
	d.unread.Failed(Reason(err), fmt.Errorf("a new leader does not confirm the position: %w", err),
		"partition", d.TopicPartition, "broker", f.Broker, "epoch", d.leaderEpoch)
}

// An epochEnd is the offset at which an epoch ends in the log of a leader.
type epochEnd struct {
	problem error
	epoch   int32 // the latest epoch in the log, up to the one that was asked for
	end     int64 // the offset after its last record
}

// compare checks a position against the leader's log. If that log has other records below the
// position, they are read: from where the logs part, or, if nobody can say where that is, from the
// log's start. Reading records twice is harmless, since they count once. How many records the old
// log had beyond the position is unknown: at least one is counted.
func (f *Fetcher) compare(ctx context.Context, d doubt, at epochEnd) {
	unknown := at.epoch < 0 || at.epoch > d.lastEpoch // the leader cannot say where the epoch ends
	// without ids, a topic that was made anew cannot be told from the old one
	tellsApart := f.Assignment.known.TopicIDs[d.Topic] != (uuid.UUID{})
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

// offsetForLeaderEpochVersion is of Kafka 2.3, like fetchVersion. listOffsetsVersion is of Kafka
// 2.2: since then a new leader refuses the request until it knows which records were acknowledged
// before its election.
const (
	offsetForLeaderEpochVersion = 3
	listOffsetsVersion          = 5
)

// epochEnds asks where the epochs of the positions end in the broker's log. It leaves out positions
// with an unknown epoch.
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

// acknowledged asks for the ends of the logs, but uses only whether the leader refuses. For a
// moment after its election, a leader may know of fewer records than were acknowledged to
// producers. Its log would seem complete without the others.
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
