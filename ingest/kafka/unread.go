package kafka

import (
	"errors"
	"fmt"

	"rollcall/ingest/kafka/recordbatch"
)

// Unread makes a partition wait, and has it fetched again from a position where it could not be
// read. end is the end of the log, or −1. A corrupt batch that the operator named is passed over
// instead.
func (a *Assignment) Unread(p *Partition, at Position, end int64, err error) {
	a.Rewind(p, at)
	if !a.passesOver(p, at.Offset, end, err) {
		a.hold(p)
		a.notRead(p, at.Offset, err)
	}
}

// passesOver leaves a corrupt batch out if the operator named it, and counts its records as a gap.
// A batch that can be read is never left out, even if it is named.
func (a *Assignment) passesOver(p *Partition, next, end int64, err error) bool {
	var bad *recordbatch.Corrupt
	if !errors.As(err, &bad) || bad.Last < bad.Base || end > 0 && bad.Last >= end {
		return false
	}
	for _, offset := range a.passOver[p.TopicPartition] {
		if bad.Base <= offset && offset <= bad.Last {
			a.gap(p, Gap{next, bad.Last + 1, bad.Last + 1 - max(bad.Base, next), gapPassedOver})
			return true
		}
	}
	return false
}

// notRead counts and logs that a partition could not be read and waits.
func (a *Assignment) notRead(p *Partition, offset int64, err error) {
	attributes := []any{"partition", p.TopicPartition, "offset", offset}
	var bad *recordbatch.Corrupt
	if !errors.As(err, &bad) {
		a.report.Counters.Retried()
		p.unread.Failed(Reason(err), err, attributes...)
		return
	}
	a.report.Counters.Retried()
	a.report.Counters.WaitsAtCorrupt(p.TopicPartition, true)
	if bad.Last >= bad.Base {
		attributes = append(attributes,
			"last_offset", bad.Last, "to_pass_over", fmt.Sprintf("--kafka-pass-over=%s/%d", p.TopicPartition, bad.Base))
	}
	p.corrupt.Failed("corrupt", err, attributes...)
}

// IsRead notes that a partition can be read again, after notRead.
func (a *Assignment) IsRead(p *Partition) {
	a.fine(p)
	p.unread.Passed()
	a.isPast(p)
}

// isPast notes that a partition does not wait at a corrupt record batch, or no longer.
func (a *Assignment) isPast(p *Partition) {
	p.corrupt.Passed()
	a.report.Counters.WaitsAtCorrupt(p.TopicPartition, false)
}
