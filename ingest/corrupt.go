package ingest

import "fmt"

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
