package kafka

import (
	"encoding/binary"
	"errors"
	"log/slog"
	"testing"
	"time"

	"rollcall/ingest/kafka/recordbatch"
	"rollcall/ingest/kafka/recordbatch/batchtest"
)

type noCounters struct{}

func (noCounters) Retried()                            {}
func (noCounters) Missed(TopicPartition, int64)        {}
func (noCounters) WaitsAtCorrupt(TopicPartition, bool) {}

// A partition that could not be read is fetched again after a pause, unless it has jumped
// meanwhile.
func TestUnreadIsFetchedAgain(t *testing.T) {
	p := NewPartition(TopicPartition{"t", 0}, 7, -1)
	a := NewAssignment([]*Partition{p}, newLayout(time.Time{}), nil, Report{slog.New(slog.DiscardHandler), noCounters{}})
	p.next = 9 // the fetcher has moved past offset 8
	a.Unread(p, Position{8, 0, 3}, 9, errors.New("broken off"))
	if p.next != 8 || p.lastEpoch != 3 || !p.waits() {
		t.Errorf("it goes on at %d, epoch %d, waits: %v", p.next, p.lastEpoch, p.waits())
	}
	a.gap(p, Gap{8, 20, 12, GapDeleted})
	a.Unread(p, Position{8, 0, 3}, 9, errors.New("broken off"))
	if p.next != 20 {
		t.Errorf("it goes on at %d, where it was before the gap", p.next)
	}
}

// A position has the leader epoch of the last record batch below it, and keeps it when a response
// without records follows. A new leader is asked about that epoch.
func TestPositionsKeepTheEpoch(t *testing.T) {
	splitAt := func(from int64, wire []byte) recordbatch.Set {
		s := recordbatch.Set{From: from}
		if _, err := s.Split(wire, nil); err != nil {
			t.Fatal(err)
		}
		return s
	}
	for _, want := range []int32{0, 4} {
		p := NewPartition(TopicPartition{"t", 0}, 5, -1)
		a := NewAssignment([]*Partition{p}, newLayout(time.Time{}), nil, Report{slog.New(slog.DiscardHandler), noCounters{}})
		records := batchtest.Batch{Base: 5, Records: []batchtest.Record{{Key: "k", Value: "a"}}}.Wire()
		binary.BigEndian.PutUint32(records[12:], uint32(want)) // the checksum does not cover it
		for _, fetched := range []Fetched{
			{Partition: p, Set: splitAt(5, records), HighWatermark: 6}, {Partition: p, Set: splitAt(6, nil), HighWatermark: 6},
		} {
			if !a.advance(&fetched) || p.next != 6 || p.lastEpoch != want {
				t.Fatalf("what was fetched from %d brings it to %d in epoch %d, not to 6 in %d",
					fetched.Set.From, p.next, p.lastEpoch, want)
			}
		}
		p.next = 9
		p.lastEpoch = want + 1
		a.Rewind(p, Position{6, 0, want})
		if p.next != 6 || p.lastEpoch != want {
			t.Errorf("fetching goes back to %d in epoch %d, not to 6 in %d", p.next, p.lastEpoch, want)
		}
		if !a.jump(p, 6, 2) || p.lastEpoch != -1 {
			t.Errorf("after a jump the epoch is %d, not unknown", p.lastEpoch)
		}
	}
}

// A corrupt batch is passed over if the operator named one of its offsets. If the batch's end is
// unknown, it is not passed over.
func TestWhatIsPassedOver(t *testing.T) {
	spoilt := func(at int) error {
		wire := batchtest.Batch{Base: 10, Records: []batchtest.Record{{}, {}, {}}}.Wire()
		wire[at] ^= 0xff
		s := recordbatch.Set{From: 10}
		_, err := s.Split(wire, nil)
		return err
	}
	for name, c := range map[string]struct {
		err   error
		named int64
		want  bool
	}{
		"an offset of it is named":    {spoilt(70), 11, true},
		"another offset is named":     {spoilt(70), 13, false},
		"nothing tells where it ends": {spoilt(16), 11, false},
	} {
		p := NewPartition(TopicPartition{"t", 0}, 10, -1)
		passOver := map[TopicPartition][]int64{p.TopicPartition: {c.named}}
		a := NewAssignment([]*Partition{p}, newLayout(time.Time{}), passOver,
			Report{slog.New(slog.DiscardHandler), noCounters{}})
		if a.passesOver(p, 10, 0, c.err) != c.want || (p.next == 13) != c.want {
			t.Errorf("%s: it goes on at %d", name, p.next)
		}
	}
}
