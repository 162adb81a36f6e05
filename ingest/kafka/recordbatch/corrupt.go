package recordbatch

import "fmt"

// A Corrupt is the error of a record batch that cannot be read.
type Corrupt struct {
	Base int64 // the first offset
	Last int64 // the last offset; −1 if it is unknown, because the header is damaged
	why  error
}

func (c *Corrupt) Error() string {
	return fmt.Sprintf("%v at offset %d: %v", errCorrupt, c.Base, c.why)
}

func (c *Corrupt) Unwrap() []error { return []error{errCorrupt, c.why} }

func corrupt(b Batch, err error) error { return &Corrupt{b.base(), b.last(), err} }

// Unreadable is a Corrupt for a batch with a damaged header, so that its end is unknown.
func Unreadable(base int64, format string, a ...any) error {
	return &Corrupt{base, -1, fmt.Errorf(format, a...)}
}

// before sets the end of a batch from rest, if a whole batch follows: the batch's own statement of
// its end may be what is damaged.
func (c *Corrupt) before(rest []byte) *Corrupt {
	if next, _, ok, err := firstBatch(rest); ok && err == nil && next.check() == nil {
		c.Last = max(c.Base, next.base()-1)
	}
	return c
}
