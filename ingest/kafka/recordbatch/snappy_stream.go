package recordbatch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// maxSnappyBlock is the largest block that is held whole, inflated: more than what 16 MiB can hold.
const maxSnappyBlock = 384 << 20

// A snappyStream inflates snappy blocks one after the other, in a buffer that is as large as the
// largest of them. A block has no window: a copy may look back to its beginning, and some encoders'
// do (klauspost's, and so franz-go's). Of a block that is larger than any buffer may be, the last
// half of the buffer is held: that is enough for what snappy itself encodes (and so librdkafka and
// Java), which looks back 64 KiB at most.
type snappyStream struct {
	blocks [][]byte // that follow
	block  []byte   // what is left of the one in hand
	size   int      // what is still to come of it, inflated
	left   int      // of that: what belongs to the element in hand
	back   int      // how far that element looks back; 0: it is a literal
	buffer []byte
	begin  int // in buffer: of this block
	end    int // in buffer: what is inflated
	read   int // in buffer: what was read
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

// more inflates until half of the buffer is new, or the block ends. Everything before was read.
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

// element begins the next element, unless one is in hand, and inflates as much of it as there is
// room for.
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

// copyBack repeats n bytes. Where they reach into what is being written, the copy repeats itself,
// so each round copies all that is there by then.
func (s *snappyStream) copyBack(n int) error {
	if s.back > s.end-s.begin {
		return fmt.Errorf("%w: a copy from %d bytes before; %d are held", errSnappy, s.back, s.end-s.begin)
	}
	for done := 0; done < n; {
		done += copy(s.buffer[s.end+done:s.end+n], s.buffer[s.end-s.back:s.end+done])
	}
	return nil
}

// The two low bits of an element's first byte say what it is.
const (
	snappyLiteral = iota
	snappyCopy1   // with one byte of the distance behind it,
	snappyCopy2   // two,
	snappyCopy4   // or four
)

// tag reads the head of an element: how long it is, and how far it looks back (0: it is a literal,
// which follows).
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
