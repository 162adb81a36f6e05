package ingest

import (
	"encoding/binary"
	"errors"
	"log/slog"
	"testing"
	"time"
)

type noCounters struct{}

func (noCounters) Retried()                  {}
func (noCounters) Missed(slot, int64)        {}
func (noCounters) WaitsAtCorrupt(slot, bool) {}

// What could not be read is fetched again after a pause, unless the partition has gone elsewhere.
func TestUnreadIsFetchedAgain(t *testing.T) {
	p := newPartition(slot{"t", 0}, 7, -1)
	a := newAssignment([]*partition{p}, newLayout(time.Time{}), nil, Report{slog.New(slog.DiscardHandler), noCounters{}})
	p.next = 9 // the fetcher went past it
	a.Unread(p, position{8, 0, 3}, 9, errors.New("broken off"))
	if p.next != 8 || p.epoch != 3 || !p.waits() {
		t.Errorf("it goes on at %d, epoch %d, waits: %v", p.next, p.epoch, p.waits())
	}
	a.gap(p, Gap{8, 20, 12, gapDeleted})
	a.Unread(p, position{8, 0, 3}, 9, errors.New("broken off"))
	if p.next != 20 {
		t.Errorf("it goes on at %d, where it was before the gap", p.next)
	}
}

// A position has the leader epoch of the last record batch below it, also when an answer without
// records follows: a new leader is asked about that epoch.
func TestPositionsKeepTheEpoch(t *testing.T) {
	for _, want := range []int32{0, 4} {
		p := newPartition(slot{"t", 0}, 5, -1)
		a := newAssignment([]*partition{p}, newLayout(time.Time{}), nil, Report{slog.New(slog.DiscardHandler), noCounters{}})
		records := testBatch{base: 5, records: []testRecord{{"k", "a"}}}.bytes()
		binary.BigEndian.PutUint32(records[12:], uint32(want)) // the checksum does not cover it
		for _, fetched := range []part{{of: p, set: cutWhole(t, 5, records), end: 6}, {of: p, set: cutWhole(t, 6, nil), end: 6}} {
			if !a.advance(&fetched) || p.next != 6 || p.epoch != want {
				t.Fatalf("the part from %d brings it to %d in epoch %d, not to 6 in %d", fetched.set.from, p.next, p.epoch, want)
			}
		}
		p.next, p.epoch = 9, want+1
		a.Rewind(p, position{6, 0, want})
		if p.next != 6 || p.epoch != want {
			t.Errorf("fetching goes back to %d in epoch %d, not to 6 in %d", p.next, p.epoch, want)
		}
		if !a.jump(p, 6, 2) || p.epoch != -1 {
			t.Errorf("after a jump the epoch is %d, not unknown", p.epoch)
		}
	}
}
