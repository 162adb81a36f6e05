package ingest

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Kafka numbers the reigns of a partition's leaders: epochs. A leader that was elected uncleanly
// may lack records that the one before it had handed out, and take others at their offsets: an
// offset alone then means nothing. So before anything is fetched from a new leader, it is asked how
// far its log agrees with what was read (KIP-320), and whether it knows already how far records
// were acknowledged under the leader before it (KIP-207).

// A doubt is a position that a new leader has to confirm.
type doubt struct {
	*partition
	from  int64
	epoch int32 // of the last record below it
	under int32 // the leader's
}

// unchecked lists the positions that a broker has to confirm.
func (a *assignment) unchecked(broker int32) (doubts []doubt) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range a.partitions {
		if p.leader == broker && !p.checked && !p.lost && !p.waits() {
			doubts = append(doubts, doubt{p, p.next, p.epoch, p.under})
		}
	}
	return doubts
}

// confirm ends a doubt, unless the partition has gone elsewhere.
func (a *assignment) confirm(d doubt) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if p := d.partition; p.under == d.under && p.next == d.from {
		p.checked, p.failures = true, 0
	}
}

// check has the broker confirm positions that it leads newly.
func (f *fetcher) check(ctx context.Context) {
	doubts := f.assignment.unchecked(f.broker)
	if len(doubts) == 0 {
		return
	}
	ends, err := f.epochEnds(ctx, doubts)
	var problems map[slot]error
	if err == nil {
		problems, err = f.acknowledged(ctx, doubts)
	}
	for _, d := range doubts {
		end, answered := ends[d.slot]
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			f.doubted(d, err)
		case problems[d.slot] != nil:
			f.doubted(d, problems[d.slot])
		case end.problem != nil:
			f.doubted(d, end.problem)
		case !answered:
			f.assignment.confirm(d) // nothing of the position is known but its offset
		default:
			f.compare(ctx, d, end)
		}
	}
}

// doubted has a partition wait until its leader can confirm the position.
func (f *fetcher) doubted(d doubt, err error) {
	if errors.Is(err, kafka.UnknownTopicOrPartition) {
		f.assignment.lose(d.partition)
		f.topicsChanged()
	}
	f.assignment.hold(d.partition)
	f.report.retried("a new leader did not confirm the position; asking again",
		"partition", d.slot, "broker", f.broker, "epoch", d.under, "error", err)
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
func (f *fetcher) compare(ctx context.Context, d doubt, at epochEnd) {
	unknown := at.epoch < 0 || at.epoch > d.epoch                              // it cannot say
	remade := at.epoch < 0 && f.assignment.known.ids[d.topic] == (uuid.UUID{}) // brokers this old do not tell topics apart
	if unknown && !remade || at.epoch == d.epoch && at.end >= d.from {
		f.assignment.confirm(d)
		return
	}
	first, _, err := f.cluster.bounds(ctx, d.slot)
	if err != nil {
		f.doubted(d, err)
		return
	}
	lost := max(1, f.assignment.seenEnd(d.partition)-d.from)
	switch {
	case remade:
		f.assignment.gap(d.partition, Gap{d.from, first, lost, gapRemade})
	case at.end <= d.from:
		f.assignment.gap(d.partition, Gap{d.from, max(first, at.end), lost, gapCut})
	default:
		f.assignment.gap(d.partition, Gap{d.from, first, lost, gapCut})
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
func (f *fetcher) epochEnds(ctx context.Context, doubts []doubt) (map[slot]epochEnd, error) {
	req := kmsg.NewPtrOffsetForLeaderEpochRequest()
	req.ReplicaID = -1
	for _, d := range doubts {
		if d.epoch < 0 {
			continue
		}
		p := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
		p.Partition, p.CurrentLeaderEpoch, p.LeaderEpoch = d.id, d.under, d.epoch
		if n := len(req.Topics); n == 0 || req.Topics[n-1].Topic != d.topic {
			req.Topics = append(req.Topics, kmsg.OffsetForLeaderEpochRequestTopic{Topic: d.topic})
		}
		t := &req.Topics[len(req.Topics)-1]
		t.Partitions = append(t.Partitions, p)
	}
	ends := map[slot]epochEnd{}
	if len(req.Topics) == 0 {
		return ends, nil
	}
	res, err := f.cluster.send(ctx, f.broker, req, offsetForLeaderEpochVersion, offsetForLeaderEpochVersion)
	if err != nil {
		return nil, fmt.Errorf("ask for the ends of leader epochs: %w", err)
	}
	for _, t := range res.(*kmsg.OffsetForLeaderEpochResponse).Topics {
		for _, p := range t.Partitions {
			ends[slot{t.Topic, p.Partition}] = epochEnd{kafkaError(p.ErrorCode), p.LeaderEpoch, p.EndOffset}
		}
	}
	return ends, nil
}

// acknowledged asks for the ends of the logs, only to hear whether the leader knows them: for a
// moment after its election it may know of less than was acknowledged to producers, and the
// watermark would take that for all there is.
func (f *fetcher) acknowledged(ctx context.Context, doubts []doubt) (map[slot]error, error) {
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	for _, d := range doubts {
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Partition, p.CurrentLeaderEpoch, p.Timestamp = d.id, d.under, -1
		if n := len(req.Topics); n == 0 || req.Topics[n-1].Topic != d.topic {
			req.Topics = append(req.Topics, kmsg.ListOffsetsRequestTopic{Topic: d.topic})
		}
		t := &req.Topics[len(req.Topics)-1]
		t.Partitions = append(t.Partitions, p)
	}
	res, err := f.cluster.send(ctx, f.broker, req, listOffsetsVersion, listOffsetsVersion)
	if err != nil {
		return nil, fmt.Errorf("ask a new leader for the ends of its logs: %w", err)
	}
	problems := map[slot]error{}
	for _, t := range res.(*kmsg.ListOffsetsResponse).Topics {
		for _, p := range t.Partitions {
			problems[slot{t.Topic, p.Partition}] = kafkaError(p.ErrorCode)
		}
	}
	return problems, nil
}
