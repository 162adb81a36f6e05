package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"

	"rollcall/schema"
)

// store takes batches until there are no more, one after the other; between them it stores the watermark. It gives an error if one could not be stored.
func (s *session) store(ctx context.Context) error {
	tick := time.NewTicker(s.cfg.ProgressEvery)
	defer tick.Stop()
	for {
		select {
		case b, more := <-s.full:
			if !more {
				s.storeProgress(ctx)
				return nil
			}
			if err := s.storeBatch(ctx, b); err != nil {
				return fmt.Errorf("batch %d: %w", b.number, err)
			}
			s.free <- b.again(s.cfg.BatchBytes)
		case <-tick.C:
			s.refreshErasures(ctx)
			s.storeProgress(ctx)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// storeBatch makes one batch durable, then commits it. A crash between two steps means redelivery, and each step may be repeated without changing anything.
// It is the only place that writes events or commits offsets; the order of its steps is what makes exports exact (DESIGN.md §2).
func (s *session) storeBatch(ctx context.Context, b *batch) (err error) {
	s.batches++
	b.number = s.batches
	started := time.Now()
	var slices []markedSlice
	ctx, endTrace := s.traceBatch(ctx, b)
	defer func() { endTrace(len(slices), err) }()

	// 1. The log and the attribute history. After it the rows are there: one block per month, each either whole or not at all; a repeated block adds rows
	//    that are equal to those that are there, and the log is a set.
	if slices, err = s.insertEvents(ctx, b); err != nil {
		return err
	}
	if err := s.insertEntities(ctx, b); err != nil {
		return err
	}

	// 2. The erasure list, read again. After it no row of a person stays whose erasure began before now: an erasure that begins later finds the rows of
	//    step 1 by itself; one that began earlier and did not see them is made good here.
	if err := s.eraseAgain(ctx, b); err != nil {
		return err
	}

	// 3. The marks. After it every rollup of these slices counts as out of date until it is computed again from a log that has the rows of step 1. The
	//    sequence number is taken now, after those rows were acknowledged: a mark must never be older than what it speaks of.
	s.sequence++
	if err := s.insertMarks(ctx, slices); err != nil {
		return err
	}

	// 4. The rejects. After it every record of the batch is in one of the tables, or counted as erased.
	if err := s.insertRejects(ctx, b); err != nil {
		return err
	}

	s.metrics.stored(b)

	// 5. The commit. After it the records are not delivered again; nothing is lost by it, since all of it is stored.
	if err := s.commit(ctx, b); err != nil {
		return err
	}
	s.progress.stored(b.ends)
	s.log.Debug("batch stored", "batch", b.number, "rows", b.len(), "slices", len(slices), "took", time.Since(started))
	return nil
}

// insertEvents writes the log, and gives the slices that changed.
func (s *session) insertEvents(ctx context.Context, b *batch) (slices []markedSlice, err error) {
	var blocks []monthBlock
	b.rows, blocks = b.events.blocks(b.rows, func(row uint32, conflict bool) { s.metrics.twice(b.events.typ.values[row], conflict) })
	for _, block := range blocks {
		if err := s.insert(ctx, stepLog, &b.events.table, block.rows); err != nil {
			return nil, fmt.Errorf("store events: %w", err)
		}
	}
	return b.events.slices(b.rows), nil
}

func (s *session) insertEntities(ctx context.Context, b *batch) error {
	b.rows = b.entities.sorted(b.rows, func(_ uint32, conflict bool) { s.metrics.twice(schema.EntityState, conflict) })
	if err := s.insert(ctx, stepLog, &b.entities.table, b.rows); err != nil {
		return fmt.Errorf("store entities: %w", err)
	}
	return nil
}

// eraseAgain puts tombstones over what persons sent who were erased while the batch was under way, and has their rows removed.
func (s *session) eraseAgain(ctx context.Context, b *batch) error {
	list, err := s.readErasures(ctx)
	if err != nil {
		return err
	}
	log, history, persons := b.tombstones(list)
	if len(persons) == 0 {
		return nil
	}
	_, blocks := log.blocks(nil, ignoreCopies)
	for _, block := range blocks {
		if err := s.insert(ctx, stepLog, &log.table, block.rows); err != nil {
			return fmt.Errorf("store tombstones of events: %w", err)
		}
	}
	if err := s.insert(ctx, stepLog, &history.table, history.sorted(nil, ignoreCopies)); err != nil {
		return fmt.Errorf("store tombstones of entities: %w", err)
	}
	for person, rows := range persons {
		if err := s.deletePerson(ctx, person, *rows); err != nil {
			return fmt.Errorf("delete an erased person's rows: %w", err)
		}
	}
	for row := range log.len() {
		b.recount(log.typ.values[row])
	}
	for range history.len() {
		b.recount(schema.EntityState)
	}
	return nil
}

func ignoreCopies(uint32, bool) {}

func (b *batch) recount(t schema.Type) {
	b.stored[t]--
	b.erased[t]++
}

// insertRejects writes the refused records, then takes out again those of persons whose erasure began before they were there.
func (s *session) insertRejects(ctx context.Context, b *batch) error {
	if b.rejects.len() == 0 {
		return nil
	}
	b.rows = b.rejects.all(b.rows)
	for _, rows := range b.rejects.blocks(b.rows) {
		if err := s.insert(ctx, stepRejects, &b.rejects.table, rows); err != nil {
			return fmt.Errorf("store rejects: %w", err)
		}
	}
	list, err := s.readErasures(ctx)
	if err != nil {
		return err
	}
	for _, row := range b.newlyErasedRejects(list) {
		if err := s.deleteReject(ctx, b.rejects, row); err != nil {
			return fmt.Errorf("erase a reject: %w", err)
		}
		b.withdrawn++
	}
	return nil
}

// commitTries is how often a commit is tried before the generation is given up; its rows are stored, so nothing is lost by that.
const commitTries = 5

// commit stores the offsets in the group. The brokers refuse it if the group has gone on without this member: then the batch comes again to someone else.
func (s *session) commit(ctx context.Context, b *batch) (err error) {
	ctx, span := s.traceStep(ctx, "commit")
	defer func() { end(span, err) }()
	var offsets []groupOffset
	for p, end := range b.ends {
		if s.assignment.stands(p, end) {
			offsets = append(offsets, groupOffset{p.slot, end.offset, end.epoch, s.known.ids[p.topic]})
		}
	}
	for failures := 1; ; failures++ {
		err := s.committer.commit(ctx, offsets)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, kafka.UnknownTopicOrPartition): // a topic went; the others' offsets are stored
			s.log.Warn("an offset was not committed: its topic is gone", "batch", b.number)
			return nil
		case errors.Is(err, kafka.IllegalGeneration), errors.Is(err, kafka.UnknownMemberId), errors.Is(err, kafka.RebalanceInProgress), failures == commitTries:
			s.log.Warn("batch not committed; it will be delivered again", "batch", b.number, "error", err)
			return fmt.Errorf("%w: %w", errGeneration, err)
		}
		s.metrics.retries.WithLabelValues(string(stepCommit)).Inc()
		s.log.Warn("commit failed; trying again", "batch", b.number, "error", err)
		if err := sleep(ctx, delay(failures, 50*time.Millisecond, time.Second)); err != nil {
			return fmt.Errorf("commit: %w", err)
		}
	}
}
