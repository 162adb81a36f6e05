package ingest

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"rollcall/ingest/rows"
	"rollcall/schema"
)

// A storer makes batches durable. It outlives pipelines, so the numbers of marks and batches
// continue from one to the next.
type storer struct {
	engine   *engine
	erasures *erasures
	marks    *rows.Marks
	writer   uuid.UUID // names this start of the process in the marks
	sequence uint64    // of the last mark
	batches  uint64    // how many were begun

	erasuresEvery time.Duration // how old the erasure list may be while nothing is stored
	erasuresRead  time.Time
}

func newStorer(engine *engine, erasures *erasures, erasuresEvery time.Duration) *storer {
	return &storer{
		engine: engine, erasures: erasures, marks: rows.NewMarks(), writer: uuid.New(), erasuresEvery: erasuresEvery,
	}
}

// store makes one batch durable, then commits it. After a crash between two steps the records are
// delivered again, and each step may be repeated without changing anything. Only store writes
// events and commits offsets. The order of its steps is what makes exports exact (DESIGN.md §2).
func (s *storer) store(
	ctx context.Context, b *batch, commit func(ctx context.Context, b *batch) error,
) (err error) {
	s.batches++
	b.number = s.batches
	started := time.Now()
	var slices []rows.Slice
	ctx, endTrace := s.traceBatch(ctx, b)
	defer func() { endTrace(len(slices), err) }()

	// 1. The log and the attribute history. After this step the rows are there. There is one block per
	//    month, and each is stored whole or not at all. A repeated block adds rows that are equal to
	//    rows that are there, and the log is a set.
	if slices, err = s.insertEvents(ctx, b); err != nil {
		return err
	}
	if err := s.insertEntities(ctx, b); err != nil {
		return err
	}

	// 2. The erasure list, read again. After this step no rows remain of a person whose erasure began
	//    before now. An erasure that begins later finds the rows of step 1 by itself. One that began
	//    earlier may have missed the rows, so they are erased here.
	if err := s.eraseAgain(ctx, b); err != nil {
		return err
	}

	// 3. The marks. After this step every rollup of these slices counts as out of date, until it is
	//    computed again from a log that has the rows of step 1. The sequence number is incremented
	//    here, after those rows were acknowledged: a mark must never be older than the rows that it
	//    announces.
	s.sequence++
	if err := s.insertMarks(ctx, slices); err != nil {
		return err
	}

	// 4. The rejects. After this step every record of the batch is in one of the tables, or is counted
	//    as erased.
	if err := s.insertRejects(ctx, b); err != nil {
		return err
	}

	s.engine.metrics.stored(b)

	// 5. The commit. After this step the records are not delivered again. Nothing is lost by that,
	//    since all of them are stored.
	if err := commit(ctx, b); err != nil {
		return err
	}
	s.engine.log.Debug("batch stored",
		"batch", b.number, "rows", b.len(), "slices", len(slices), "took", time.Since(started))
	return nil
}

// insertEvents writes the log, and returns the slices that changed.
func (s *storer) insertEvents(ctx context.Context, b *batch) (slices []rows.Slice, err error) {
	blocks := b.events.Blocks(s.engine.metrics.twice)
	if err := s.engine.insert(ctx, stepLog, blocks); err != nil {
		return nil, fmt.Errorf("store events: %w", err)
	}
	return b.events.Slices(blocks), nil
}

func (s *storer) insertEntities(ctx context.Context, b *batch) error {
	if err := s.engine.insert(ctx, stepLog, b.entities.Blocks(s.engine.metrics.twice)); err != nil {
		return fmt.Errorf("store entities: %w", err)
	}
	return nil
}

// insertMarks announces that the slices changed.
func (s *storer) insertMarks(ctx context.Context, slices []rows.Slice) error {
	if err := s.engine.insert(ctx, stepMarks, s.marks.Blocks(slices, s.writer, s.sequence)); err != nil {
		return fmt.Errorf("store marks: %w", err)
	}
	return nil
}

// eraseAgain handles persons who were erased after the batch read its erasure list: it stores
// tombstones for their events in the batch, and deletes the rows.
func (s *storer) eraseAgain(ctx context.Context, b *batch) error {
	list, err := s.readErasures(ctx)
	if err != nil {
		return err
	}
	log, history, persons := b.tombstones(list)
	if len(persons) == 0 {
		return nil
	}
	if err := s.engine.insert(ctx, stepLog, log.Blocks(ignoreCopies)); err != nil {
		return fmt.Errorf("store tombstones of events: %w", err)
	}
	if err := s.engine.insert(ctx, stepLog, history.Blocks(ignoreCopies)); err != nil {
		return fmt.Errorf("store tombstones of entities: %w", err)
	}
	for person, rows := range persons {
		if err := s.engine.deletePerson(ctx, person, *rows); err != nil {
			return fmt.Errorf("delete an erased person's rows: %w", err)
		}
	}
	for row := range uint32(log.Len()) {
		b.recount(log.Event(row).Type)
	}
	for range history.Len() {
		b.recount(schema.EntityState)
	}
	return nil
}

func ignoreCopies(schema.Type, bool) {}

func (b *batch) recount(t schema.Type) {
	b.stored[t]--
	b.erased[t]++
}

// insertRejects writes the refused records. Then it deletes those that name a person whose erasure
// began before the rejects were stored.
func (s *storer) insertRejects(ctx context.Context, b *batch) error {
	if b.rejects.Len() == 0 {
		return nil
	}
	if err := s.engine.insert(ctx, stepRejects, b.rejects.Blocks()); err != nil {
		return fmt.Errorf("store rejects: %w", err)
	}
	list, err := s.readErasures(ctx)
	if err != nil {
		return err
	}
	for _, row := range b.newlyErasedRejects(list) {
		if err := s.engine.deleteReject(ctx, b.rejects.Reject(row)); err != nil {
			return fmt.Errorf("erase a reject: %w", err)
		}
		b.withdrawn++
	}
	return nil
}
