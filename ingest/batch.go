package ingest

import (
	"time"

	"rollcall/ingest/kafka"
	"rollcall/ingest/rows"
	"rollcall/schema"
)

const (
	// more than any row takes: a record of maxWhole as a reject, with what could be read of it beside
	maxRow        = 16 << 20
	maxBatchBytes = 1 << 30 // the most that BatchBytes may be
)

// A batch is full at maxBatchBytes, so a column holds one row more at most.
const _ = uint32(rows.MaxColumnBytes - maxBatchBytes - maxRow)

// A batch is what is stored and committed at once: rows, and how far they bring each partition. Its
// memory is used again.
type batch struct {
	number   uint64 // counts up within the process; for the log
	events   *rows.Events
	entities *rows.Entities
	rejects  *rows.Rejects

	ends  map[*kafka.Partition]kafka.Position // all records below are in this batch, in one before it, or are not events
	since time.Time                           // when its first record was taken
	list  *erasureList                        // what its first record was held against
	bytes int

	stored, erased [schema.TypesEnd]int // records by type
	erasedRejects  int                  // refused records that name an erased person
	withdrawn      int                  // rejects that were stored and taken out again, for the same reason
}

func newBatch() *batch {
	return &batch{
		events: rows.NewEvents(), entities: rows.NewEntities(), rejects: rows.NewRejects(),
		ends: map[*kafka.Partition]kafka.Position{},
	}
}

func (b *batch) reset() {
	b.events.Reset()
	b.entities.Reset()
	b.rejects.Reset()
	clear(b.ends)
	b.since = time.Time{}
	b.list = nil
	b.bytes = 0
	b.stored = [len(b.stored)]int{}
	b.erased = [len(b.erased)]int{}
	b.erasedRejects = 0
	b.withdrawn = 0
}

// reuse gives an empty batch, in the memory of this one unless that has grown to twice what a batch
// may hold.
func (b *batch) reuse(batchBytes int) *batch {
	b.reset()
	if b.held() > 2*batchBytes {
		return newBatch()
	}
	return b
}

// held is the memory that the batch takes, in bytes. It stays with the batch when it is reset:
// batches of one kind need no new memory. But each column remembers the largest that it ever was,
// and so batches of many kinds could make one many times as large as any of them.
func (b *batch) held() int {
	return b.events.Held() + b.entities.Held() + b.rejects.Held()
}

func (b *batch) len() int { return b.events.Len() + b.entities.Len() + b.rejects.Len() }

// moved says whether there is anything to store or to commit. Rows without an end are from a record
// batch whose rest could not be read.
func (b *batch) moved() bool { return len(b.ends) > 0 || b.len() > 0 }

// begin notes what is true of the batch's first record.
func (b *batch) begin(now time.Time, list *erasureList) {
	if b.since.IsZero() {
		b.since = now
		b.list = list
	}
}

func (b *batch) full(c *Config) bool { return b.len() >= c.BatchRows || b.bytes >= c.BatchBytes }

// add takes one valid event.
func (b *batch) add(ev *schema.Event) {
	b.stored[ev.Type]++
	b.put(ev)
}

// bury takes one event of an erased person: a tombstone of it. Dropping it would not do: an earlier
// start may have stored it and died before it read the erasure list again.
func (b *batch) bury(ev *schema.Event) {
	b.erased[ev.Type]++
	b.put(tombstone(ev))
}

func (b *batch) put(ev *schema.Event) {
	if ev.Type == schema.EntityState {
		b.entities.Add(ev)
	} else {
		b.events.Add(ev)
	}
}
