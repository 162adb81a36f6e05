package ingest

import (
	"time"

	"rollcall/ingest/kafka"
	"rollcall/ingest/rows"
	"rollcall/schema"
)

const (
	// more than any row takes. The largest is a reject of a record that is read whole (4 MiB), with
	// the fields that could be read from it
	maxRow        = 16 << 20
	maxBatchBytes = 1 << 30 // the most that BatchBytes may be
)

// A batch is full at maxBatchBytes, so a column exceeds that by at most one row. This constant
// compiles only if a column can hold that much text.
const _ = uint32(rows.MaxColumnBytes - maxBatchBytes - maxRow)

// A batch is stored and committed as one: rows, and the position to which they bring each
// partition. Its memory is used again.
type batch struct {
	number   uint64 // counts up within the process; for the log
	events   *rows.Events
	entities *rows.Entities
	rejects  *rows.Rejects

	// all records below these positions are in this batch, in one before it, or are not events
	ends  map[*kafka.Partition]kafka.Position
	since time.Time    // when its first record came
	list  *erasureList // the erasures as of its first record
	bytes int

	stored, erased [schema.TypesEnd]int // records by type
	erasedRejects  int                  // refused records that name an erased person
	withdrawn      int                  // rejects that were stored, then deleted as an erased person's
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

// reuse returns an empty batch. It uses the memory of b again, unless that has grown to more than
// twice the size that a batch may have.
func (b *batch) reuse(batchBytes int) *batch {
	b.reset()
	if b.held() > 2*batchBytes {
		return newBatch()
	}
	return b
}

// held is the memory that the batch takes, in bytes. It stays with the batch at a reset, so batches
// of one kind need no new memory. But each column keeps the largest size that it ever had. After
// batches of many kinds, the memory can be many times larger than any of them needed.
func (b *batch) held() int {
	return b.events.Held() + b.entities.Held() + b.rejects.Held()
}

func (b *batch) len() int { return b.events.Len() + b.entities.Len() + b.rejects.Len() }

// moved says whether there is anything to store or to commit. Rows without an end come from a
// record batch of which the rest could not be read.
func (b *batch) moved() bool { return len(b.ends) > 0 || b.len() > 0 }

// begin notes when the batch's first record came, and against which erasure list it was checked.
func (b *batch) begin(now time.Time, list *erasureList) {
	if b.since.IsZero() {
		b.since = now
		b.list = list
	}
}

func (b *batch) full(c *Config) bool { return b.len() >= c.BatchRows || b.bytes >= c.BatchBytes }

// add adds one valid event.
func (b *batch) add(ev *schema.Event) {
	b.stored[ev.Type]++
	b.put(ev)
}

// bury adds a tombstone for one event of an erased person. Dropping the event would not be enough:
// an earlier start of ingest may have stored it and died before it read the erasure list again.
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
