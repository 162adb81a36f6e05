package tables_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"

	"rollcall/schema/tables"
)

// markAgo writes a mark with a time in the past.
func (db *database) markAgo(writer uuid.UUID, seq uint64, ago time.Duration) {
	db.Helper()
	db.exec("INSERT INTO marks (org_id, day, writer, seq, marked_at) SELECT 'acme', {day:Date}, {writer:UUID}, {seq:UInt64}, now64(3) - toIntervalSecond({ago:Int64})",
		named("day", db.today.String()), named("writer", writer.String()), named("seq", seq),
		named("ago", int64(ago.Seconds())))
}

// A slice is dirty since the oldest mark that its best manifest does not cover, and settled since
// its newest mark.
func TestSliceStatesSaySinceWhen(t *testing.T) {
	db := newDatabase(t)
	w1 := uuid.New()
	w2 := uuid.New()
	w3 := uuid.New()
	db.markAgo(w1, 7, 4*time.Hour)
	db.markAgo(w2, 5, 3*time.Hour)
	db.markAgo(w3, 9, 1*time.Hour)
	for _, step := range []struct {
		name    string
		covered map[uuid.UUID]uint64
		dirty   time.Duration
	}{
		{"no manifest", nil, 4 * time.Hour},
		{"the oldest is not covered", map[uuid.UUID]uint64{w1: 6, w2: 5, w3: 9}, 4 * time.Hour},
		{"one covers the oldest alone, and a writer that left no mark", map[uuid.UUID]uint64{w1: 7, uuid.New(): 1},
			3 * time.Hour},
		{"one covers all but the newest", map[uuid.UUID]uint64{w1: 8, w2: 5, w3: 8}, time.Hour},
		{"one covers all", map[uuid.UUID]uint64{w1: 7, w2: 5, w3: 9}, 0},
	} {
		if step.covered != nil {
			db.manifest("acme", db.today, manifest{covered: step.covered, version: 1})
		}
		dirty, err := tables.SliceStates(db.ctx, db, tables.Filter{}, true, time.Now())
		if err != nil || len(dirty) != min(1, int(step.dirty)) {
			t.Fatalf("%s: %+v, %v", step.name, dirty, err)
		}
		for _, s := range dirty {
			if s.Dirty.Round(5*time.Minute) != step.dirty || s.Settled.Round(5*time.Minute) != time.Hour {
				t.Errorf("%s: dirty since %s, settled since %s; want %s and 1h", step.name, s.Dirty, s.Settled, step.dirty)
			}
		}
	}
}

// A crash loop of ingest leaves one writer per start. Planning and looking for dirty slices with
// thousands of writers takes little memory: it does not grow with the square of their number.
func TestManyWritersOfOneSlice(t *testing.T) {
	db := newDatabase(t)
	const (
		writers = 5000
		writer  = "reinterpretAsUUID(sipHash128(number))"
	)
	db.exec(fmt.Sprintf("INSERT INTO marks (org_id, day, writer, seq) SELECT 'acme', {day:Date}, %s, number FROM numbers(%d)", writer, writers), named("day", db.today.String()))
	for _, missing := range []int{0, 1} {
		db.exec(fmt.Sprintf("INSERT INTO slices (org_id, day, generation, revision, covered, version) SELECT 'acme', {day:Date}, generateUUIDv7(), %d, mapFromArrays(groupArray(%s), groupArray(number)), 1 FROM numbers(%d)",
			tables.Revision, writer, writers-missing), named("day", db.today.String()))
	}
	ctx := clickhouse.Context(db.ctx, clickhouse.WithSettings(clickhouse.Settings{"max_memory_usage": 256 << 20}))
	if p, err := tables.ReadPlan(ctx, db, tables.Span{Org: "acme", From: db.today, To: db.today},
		time.Now()); err != nil || len(p.Generations) != 1 {
		t.Errorf("covered by one of two manifests: %+v, %v", p, err)
	}
	db.mark("acme", db.today, uuid.New(), 1)
	if p, err := tables.ReadPlan(ctx, db, tables.Span{Org: "acme", From: db.today, To: db.today},
		time.Now()); err != nil || len(p.Live) != 1 {
		t.Errorf("one more mark: %+v, %v", p, err)
	}
	if dirty, err := tables.SliceStates(ctx, db, tables.Filter{}, true, time.Now()); err != nil || len(dirty) != 1 {
		t.Errorf("one more mark: %+v, %v", dirty, err)
	}
}
