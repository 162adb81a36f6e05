package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	kafkago "github.com/segmentio/kafka-go"

	"rollcall/ingest/backoff"
	"rollcall/ingest/kafka"
)

// join is a member of the group for the topics of a layout. It serves generation after generation
// until ctx ends or the topics change (errTopics). It subscribes only to topics that exist: one
// that does not exist would empty the assignments of all members.
func (i *Ingest) join(ctx context.Context, known *kafka.Layout) error {
	group, err := kafkago.NewConsumerGroup(kafkago.ConsumerGroupConfig{
		ID: i.cfg.Group, Brokers: i.cfg.Brokers, Topics: known.Topics(i.cfg.Topics), StartOffset: kafkago.FirstOffset,
		Dialer: &kafkago.Dialer{
			ClientID: "rollcall", Timeout: kafka.AnswerTime, DialFunc: kafka.Dial(i.cfg.TLS), SASLMechanism: i.cfg.SASL,
		},
		HeartbeatInterval: min(time.Second, i.cfg.SessionTimeout/5), SessionTimeout: i.cfg.SessionTimeout,
		RebalanceTimeout: i.cfg.StopTimeout + 5*time.Second, JoinGroupBackoff: 250 * time.Millisecond,
		Timeout: kafka.AnswerTime,
	})
	if err != nil {
		return err
	}
	var member string
	defer func() { i.leave(group, member) }()
	// This ends the generation: its pipeline stores its last batch, then the member leaves.
	defer context.AfterFunc(ctx, func() { group.Close() })()
	for failures := 0; ; {
		generation, err := group.Next(ctx)
		switch {
		case ctx.Err() != nil, errors.Is(err, kafkago.ErrGroupClosed):
			return ctx.Err()
		case err != nil:
			i.metrics.retries.WithLabelValues(string(stepFetch)).Inc()
			i.waits.group.Failed(kafka.Reason(err), err, "group", i.cfg.Group)
			failures++
			_ = backoff.Sleep(ctx, backoff.Delay(failures, 50*time.Millisecond, 2*time.Second))
			continue
		}
		failures = 0
		i.waits.group.Passed()
		member = generation.MemberID
		if err := i.serve(generation, known); err != nil && !errors.Is(err, errGeneration) {
			return err
		}
	}
}

// leaveTime limits how long leaving may take, after the pipeline has ended.
const leaveTime = 3 * time.Second

// leave gives the member's partitions back.
//
// Closing the group is not enough while the group rebalances: kafka-go first waits for the other
// members to join, and does not leave if the rebalance starts over. The other members would then
// wait for this one until a timeout. So leave tells the coordinator itself, too. If a broker does
// not answer a join, Close waits; after leaveTime the group is left to find out by its own timeout.
func (i *Ingest) leave(group *kafkago.ConsumerGroup, member string) {
	ctx, cancel := context.WithTimeout(context.Background(), leaveTime)
	defer cancel()
	closed := make(chan struct{})
	go func() {
		group.Close()
		close(closed)
	}()
	if member != "" {
		if err := i.cluster.Leave(ctx, i.cfg.Group, member); err != nil {
			i.log.Warn("the group was not told that this member left", "group", i.cfg.Group, "error", err)
		}
	}
	select {
	case <-closed:
	case <-ctx.Done():
		i.log.Warn("the group was not left in time; its other members wait for the session timeout",
			"group", i.cfg.Group)
	}
}

// serve runs one pipeline for one generation.
func (i *Ingest) serve(generation *kafkago.Generation, known *kafka.Layout) error {
	defer i.assigned.Store(false)
	done := make(chan error, 1)
	generation.Start(func(ctx context.Context) {
		done <- i.runPipeline(ctx, generation, known)
	})
	return <-done
}

func (i *Ingest) runPipeline(ctx context.Context, generation *kafkago.Generation, known *kafka.Layout) error {
	partitions, err := i.resume(ctx, generation.Assignments, known)
	if err != nil {
		return err
	}
	pl := &pipeline{
		cfg: i.cfg, log: i.log, waits: i.waits, metrics: i.metrics, report: i.report(), cluster: i.cluster,
		committer: kafka.Committer{
			Cluster: i.cluster, Group: i.cfg.Group, Member: generation.MemberID, Generation: generation.ID,
		},
		known: known, assignment: kafka.NewAssignment(partitions, known, i.passOver, i.report()),
		clock: i.clock, progress: i.progress, erasures: i.erasures, storer: i.storer, publisher: i.publisher,
		tellMissing: i.tellMissing,
		responses:   make(chan *kafka.Response), full: make(chan *batch), free: make(chan *batch, 2),
	}
	pl.free <- newBatch()
	pl.free <- newBatch()
	i.progress.assign(partitions)
	i.assigned.Store(true)
	i.log.Info("assigned", "group", i.cfg.Group, "generation", generation.ID, "partitions", len(partitions))
	return pl.run(ctx)
}

// resume finds where to go on in each partition: at the committed offset, or, if there is none, at
// the start of the log, as a new group does.
func (i *Ingest) resume(
	ctx context.Context, assignments map[string][]kafkago.PartitionAssignment, known *kafka.Layout,
) ([]*kafka.Partition, error) {
	assigned := map[string][]int32{}
	for topic, partitions := range assignments {
		for _, a := range partitions {
			assigned[topic] = append(assigned[topic], int32(a.ID))
		}
	}
	var offsets map[kafka.TopicPartition]kafka.CommittedOffset
	err := i.askTopics(ctx, func() (err error) {
		offsets, err = i.cluster.Committed(ctx, i.cfg.Group, assigned)
		return err
	})
	if err != nil {
		return nil, err
	}
	var partitions []*kafka.Partition
	for topic, ids := range assigned {
		for _, id := range ids {
			s := kafka.TopicPartition{Topic: topic, Partition: id}
			at, has := offsets[s]
			if remade := has && isAnother(at.TopicID, known.TopicIDs[topic]); !has || remade {
				first, err := i.start(ctx, s, at.Offset, remade, known)
				if err != nil {
					return nil, err
				}
				at.Offset = first
				at.Epoch = -1
			}
			partitions = append(partitions, kafka.NewPartition(s, at.Offset, at.Epoch))
		}
	}
	return partitions, nil
}

// isAnother says whether two topic ids are both known and differ.
func isAnother(a, b uuid.UUID) bool { return a != b && a != (uuid.UUID{}) && b != (uuid.UUID{}) }

// startTries is how often the brokers are asked where to go on. After that the topics are looked at
// again, because one may be gone.
const startTries = 5

// askTopics repeats a question about topics until it is answered. After startTries failures it
// returns errTopics.
func (i *Ingest) askTopics(ctx context.Context, ask func() error) error {
	for failures := 1; ; failures++ {
		err := ask()
		switch {
		case err == nil:
			i.waits.offsets.Passed()
			return nil
		case ctx.Err() != nil:
			return errGeneration
		case failures == startTries:
			return fmt.Errorf("%w: %w", errTopics, err)
		}
		i.metrics.retries.WithLabelValues(string(stepFetch)).Inc()
		i.waits.offsets.Failed(kafka.Reason(err), err)
		_ = backoff.Sleep(ctx, backoff.Delay(failures, 100*time.Millisecond, 2*time.Second))
	}
}

// start returns the first offset of a partition's log. Reading begins there if nothing of the
// partition was committed, or if the committed offset belongs to an earlier topic of the same name.
//
// Committed offsets can be missing although records were stored before: they expire, and they go
// with a deleted topic. start therefore compares the log with the progress that was stored, and
// reports the records between as a gap.
func (i *Ingest) start(
	ctx context.Context, s kafka.TopicPartition, before int64, remade bool, known *kafka.Layout,
) (first int64, err error) {
	var end int64
	err = i.askTopics(ctx, func() (err error) {
		first, end, err = i.cluster.Bounds(ctx, s)
		return err
	})
	if err != nil {
		return 0, err
	}
	if !remade {
		before, remade = i.progress.storedBefore(s, known.TopicIDs[s.Topic])
	}
	switch {
	case remade || before > end:
		i.report().Gap(s, kafka.Gap{From: before, To: first, Records: 1, Why: kafka.GapRemade})
	case before >= 0 && before < first:
		i.report().Gap(s, kafka.Gap{From: before, To: first, Records: first - before, Why: kafka.GapDeleted})
	}
	return first, nil
}

// changed says whether the group must be joined anew: since this member joined, a topic or a
// partition was added or removed, or a topic was made anew.
func (pl *pipeline) changed(l *kafka.Layout) bool {
	return len(l.Unclear) == 0 && !l.SameTopics(pl.known)
}
