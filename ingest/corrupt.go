package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
)

// A corruptBatch is a record batch that cannot be read.
type corruptBatch struct {
	base, last int64 // last is −1 where its header is damaged, so that nobody can say where it ends
	why        error
}

func (c *corruptBatch) Error() string {
	return fmt.Sprintf("%v at offset %d: %v", errCorrupt, c.base, c.why)
}

func (c *corruptBatch) Unwrap() []error { return []error{errCorrupt, c.why} }

func corrupt(b recordBatch, err error) error { return &corruptBatch{b.base(), b.last(), err} }

// unreadable is a batch whose header is damaged.
func unreadable(base int64, format string, a ...any) error {
	return &corruptBatch{base, -1, fmt.Errorf(format, a...)}
}

// before takes the end of a batch from the whole one that follows it in the set: the batch's own
// word for it may be what is damaged.
func (c *corruptBatch) before(rest []byte) *corruptBatch {
	if next, _, ok, err := cutBatch(rest); ok && err == nil && next.check() == nil {
		c.last = max(c.base, next.base()-1)
	}
	return c
}

const noBatchNamed = "%q names no record batch to pass over; write topic/partition/offset, as the log does"

// parsePassOver reads Config.PassOver.
func parsePassOver(all []string) (map[slot][]int64, error) {
	passOver := map[slot][]int64{}
	for _, text := range all {
		parts := strings.Split(text, "/")
		if len(parts) != 3 || parts[0] == "" {
			return nil, fmt.Errorf(noBatchNamed, text)
		}
		partition, err1 := strconv.ParseInt(parts[1], 10, 32)
		offset, err2 := strconv.ParseInt(parts[2], 10, 64)
		if err1 != nil || err2 != nil || partition < 0 || offset < 0 {
			return nil, fmt.Errorf(noBatchNamed, text)
		}
		s := slot{parts[0], int32(partition)}
		passOver[s] = append(passOver[s], offset)
	}
	return passOver, nil
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

// isRead ends what notRead began.
func (a *assignment) isRead(p *partition) {
	a.fine(p)
	a.report.Counters.WaitsAtCorrupt(p.slot, false)
}
