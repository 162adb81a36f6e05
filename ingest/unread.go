package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
)

// Unread has a partition wait, and be fetched again from a position at which it could not be read.
// end is the log's, or −1. A corrupt batch that the operator named is passed over instead.
func (a *assignment) Unread(p *partition, at position, end int64, err error) {
	a.Rewind(p, at)
	if !a.passesOver(p, at.offset, end, err) {
		a.hold(p)
		a.notRead(p, at.offset, err)
	}
}

// passesOver leaves a corrupt batch out if the operator named it, and counts its records as a gap.
// One that can be read is never left out, whatever is named.
func (a *assignment) passesOver(p *partition, next, end int64, err error) bool {
	var bad *corruptBatch
	if !errors.As(err, &bad) || bad.last < bad.base || end > 0 && bad.last >= end {
		return false
	}
	for _, offset := range a.passOver[p.slot] {
		if bad.base <= offset && offset <= bad.last {
			a.gap(p, Gap{next, bad.last + 1, bad.last + 1 - max(bad.base, next), gapPassedOver})
			return true
		}
	}
	return false
}

// notRead counts and logs that a partition waits for what could not be read.
func (a *assignment) notRead(p *partition, offset int64, err error) {
	attributes := []any{"partition", p.slot, "offset", offset, "error", err}
	var bad *corruptBatch
	if !errors.As(err, &bad) {
		a.report.retried("partition not read; trying again", attributes...)
		return
	}
	a.report.Counters.Retried()
	a.report.Counters.WaitsAtCorrupt(p.slot, true)
	if bad.last >= bad.base {
		attributes = append(attributes,
			"last_offset", bad.last, "to_pass_over", fmt.Sprintf("--kafka-pass-over=%s/%d", p.slot, bad.base))
	}
	a.report.Log.Log(context.Background(), slog.LevelError, "record batch not read; fetching it again", attributes...)
}

// IsRead ends what notRead began.
func (a *assignment) IsRead(p *partition) {
	a.fine(p)
	a.report.Counters.WaitsAtCorrupt(p.slot, false)
}
