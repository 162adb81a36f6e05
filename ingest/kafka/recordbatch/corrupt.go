package recordbatch

import "fmt"

// A Corrupt is a record batch that cannot be read.
type Corrupt struct {
	Base, Last int64 // last is −1 where its header is damaged, so that nobody can say where it ends
	why        error
}

func (c *Corrupt) Error() string {
	return fmt.Sprintf("%v at offset %d: %v", errCorrupt, c.Base, c.why)
}

func (c *Corrupt) Unwrap() []error { return []error{errCorrupt, c.why} }

func corrupt(b Batch, err error) error { return &Corrupt{b.base(), b.last(), err} }

// Unreadable is a batch whose header is damaged.
func Unreadable(base int64, format string, a ...any) error {
	return &Corrupt{base, -1, fmt.Errorf(format, a...)}
}

// before takes the end of a batch from the whole one that follows it in the set: the batch's own
// word for it may be what is damaged.
func (c *Corrupt) before(rest []byte) *Corrupt {
	if next, _, ok, err := firstBatch(rest); ok && err == nil && next.check() == nil {
		c.Last = max(c.Base, next.base()-1)
	}
	return c
}
