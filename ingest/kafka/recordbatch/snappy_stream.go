package recordbatch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// maxSnappyBlock is the largest block that is held whole, in inflated bytes. It is more than a
// block of 16 MiB can inflate to.
const maxSnappyBlock = 384 << 20

// A snappyStream inflates snappy blocks one after the other, into a buffer as large as the largest
// of them. It needs a whole block because snappy has no window: a copy may look back to the block's
// beginning, and the copies of some encoders do (klauspost's, and so franz-go's).
//
// Of a block larger than maxSnappyBlock, only the last half of the buffer is held. That is enough
// for snappy's own encoder (and so for librdkafka and Java), which looks back 64 KiB at most.
type snappyStream struct {
	blocks [][]byte // the next blocks
	block  []byte   // the unread rest of the current block
	size   int      // bytes of it that are not inflated yet
	left   int      // of these, the bytes of the current element
	back   int      // how far the element looks back, in bytes; 0: it is a literal
	buffer []byte
	begin  int // index in buffer where the block begins
	end    int // index in buffer where the inflated bytes end
	read   int // index in buffer up to which bytes were read
	err    error
}

var errSnappy = errors.New("malformed snappy block")

func newSnappyStream(packed []byte) (*snappyStream, error) {
	s := &snappyStream{}
	largest := 0
	err := eachBlock(packed, func(block []byte) error {
		size, err := snappySize(block)
		s.blocks = append(s.blocks, block)
		largest = max(largest, size)
		return err
	})
	s.buffer = make([]byte, min(largest, maxSnappyBlock))
	return s, err
}

func (s *snappyStream) Read(to []byte) (int, error) {
	for s.read == s.end {
		if s.err != nil {
			return 0, s.err
		}
		s.err = s.more()
	}
	n := copy(to, s.buffer[s.read:s.end])
	s.read += n
	return n, nil
}

// more inflates until half of the buffer is new, or the block ends. All bytes in the buffer must
// have been read before.
func (s *snappyStream) more() error {
	if s.size == 0 {
		return s.next()
	}
	if half := len(s.buffer) / 2; s.end > half {
		drop := s.end - half
		copy(s.buffer, s.buffer[drop:s.end])
		s.begin = max(0, s.begin-drop)
		s.end = half
		s.read = half
	}
	for s.size > 0 && s.end < len(s.buffer) {
		if err := s.element(); err != nil {
			return err
		}
	}
	return nil
}

// next begins the next block.
func (s *snappyStream) next() error {
	if len(s.block) > 0 {
		return errSnappy
	}
	if len(s.blocks) == 0 {
		return io.EOF
	}
	var err error
	if s.size, err = snappySize(s.blocks[0]); err != nil {
		return err
	}
	_, n := binary.Uvarint(s.blocks[0])
	s.block = s.blocks[0][n:]
	s.blocks = s.blocks[1:]
	s.begin = 0
	s.end = 0
	s.read = 0
	return nil
}

// element inflates as much of an element as there is room for. It begins the next element if none
// is in hand.
func (s *snappyStream) element() error {
	if s.left == 0 {
		if err := s.tag(); err != nil {
			return err
		}
	}
	n := min(s.left, len(s.buffer)-s.end)
	if s.back == 0 {
		copy(s.buffer[s.end:], s.block[:n])
		s.block = s.block[n:]
	} else if err := s.copyBack(n); err != nil {
		return err
	}
	s.end += n
	s.left -= n
	s.size -= n
	return nil
}

// copyBack repeats n bytes from s.back bytes earlier. If they reach into the bytes that are being
// written, the copy repeats itself. Each round therefore copies all that is there by then.
func (s *snappyStream) copyBack(n int) error {
	if s.back > s.end-s.begin {
		return fmt.Errorf("%w: a copy from %d bytes before; %d are held", errSnappy, s.back, s.end-s.begin)
	}
	for done := 0; done < n; {
		done += copy(s.buffer[s.end+done:s.end+n], s.buffer[s.end-s.back:s.end+done])
	}
	return nil
}

// The two low bits of an element's first byte are its kind.
const (
	snappyLiteral = iota
	snappyCopy1   // a copy; one more byte of the distance follows
	snappyCopy2   // two bytes follow
	snappyCopy4   // four bytes follow
)

// tag reads the head of an element: its length, and how far it looks back. 0 is a literal, and its
// bytes follow.
func (s *snappyStream) tag() error {
	if len(s.block) == 0 {
		return errSnappy
	}
	first := int(s.block[0])
	kind := first & 3
	length := first>>2 + 1
	extra := 0
	switch kind {
	case snappyLiteral:
		extra = max(0, length-60)
	case snappyCopy1:
		length = first>>2&7 + 4
		extra = 1
	case snappyCopy2:
		extra = 2
	case snappyCopy4:
		extra = 4
	}
	if len(s.block) < 1+extra {
		return errSnappy
	}
	var more [8]byte
	copy(more[:], s.block[1:1+extra])
	number := int(binary.LittleEndian.Uint64(more[:]))
	s.block = s.block[1+extra:]
	s.left = length
	s.back = number
	switch {
	case kind == snappyLiteral && extra > 0:
		s.left = number + 1
		s.back = 0
	case kind == snappyCopy1:
		s.back |= first >> 5 << 8
	}
	if s.left > s.size || (kind == snappyLiteral && s.left > len(s.block)) || (kind != snappyLiteral && s.back == 0) {
		return errSnappy
	}
	return nil
}
