package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"rollcall/ingest/backoff"
	"rollcall/ingest/kafka"
)

// commitTries is how often a commit is tried before the generation is given up. Giving up loses
// nothing, because the rows are stored.
const commitTries = 5

// commit stores the offsets in the group. The brokers refuse it if the group has moved on without
// this member. Then the batch is delivered again to another member.
func (pl *pipeline) commit(ctx context.Context, b *batch) (err error) {
	ctx, span := pl.storer.engine.traceStep(ctx, "commit")
	defer func() { end(span, err) }()
	var offsets []kafka.CommittedOffset
	for p, end := range b.ends {
		if pl.assignment.Stands(p, end) {
			offsets = append(offsets, kafka.CommittedOffset{
				TopicPartition: p.TopicPartition, Offset: end.Offset, Epoch: end.Epoch, TopicID: pl.known.TopicIDs[p.Topic],
			})
		}
	}
	for failures := 1; ; failures++ {
		err := pl.committer.Commit(ctx, offsets)
		switch {
		case err == nil:
			pl.waits.commits.Passed()
			return nil
		case errors.Is(err, kafkago.UnknownTopicOrPartition):
			// The offsets of the other topics are stored.
			pl.log.Warn("an offset was not committed: its topic is gone", "batch", b.number,
				"do", "if the topic was deleted for good: 'Topics that go' in OPERATIONS.md")
			return nil
		case errors.Is(err, kafkago.IllegalGeneration), errors.Is(err, kafkago.UnknownMemberId),
			errors.Is(err, kafkago.RebalanceInProgress), failures == commitTries:
			pl.log.Warn("batch not committed; it will be delivered again", "batch", b.number, "error", err,
				"do", "nothing: it is stored, and counts once; if it comes often, look why the group rebalances")
			return fmt.Errorf("%w: %w", errGeneration, err)
		}
		pl.metrics.retries.WithLabelValues(string(stepCommit)).Inc()
		pl.waits.commits.Failed(kafka.Reason(err), err, "batch", b.number)
		if err := backoff.Sleep(ctx, backoff.Delay(failures, 50*time.Millisecond, time.Second)); err != nil {
			return fmt.Errorf("commit: %w", err)
		}
	}
}
