package recordbatch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/segmentio/kafka-go/compress"
)

// A codec is the compression of a record batch.
type codec uint8

const (
	codecNone codec = iota
	codecGzip
	codecSnappy
	codecLZ4
	codecZstd
)

// MaxWindow is the largest zstd window that a stream may use. It is the window of level 22, and the
// largest that brokers accept. A batch that inflates within the limit needs no memory for a window,
// so any window is accepted there (anyWindow).
const (
	MaxWindow = 128 << 20
	anyWindow = 1 << 41
)

// errInflated says that a batch is larger than may be held in memory. It is then read as a stream.
var errInflated = errors.New("the batch inflates beyond the limit")

// An inflater uncompresses record batches, up to a limit, into memory that it uses again.
type inflater struct {
	limit int
	out   []byte
	in    bytes.Reader
	gzip  gzip.Reader
	zstd  *zstd.Decoder
	wide  *zstd.Decoder // for windows beyond the limit; made when the first one comes
}

func newInflater(limit int) *inflater {
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderMaxMemory(uint64(limit)), zstd.WithDecoderMaxWindow(MaxWindow))
	if err != nil {
		panic(err) // the options are constants
	}
	return &inflater{limit: limit, zstd: decoder}
}

// inflate returns the uncompressed bytes. They are valid until the next call.
func (f *inflater) inflate(c codec, packed []byte) ([]byte, error) {
	f.in.Reset(packed)
	var err error
	switch c {
	case codecNone:
		return packed, nil
	case codecGzip:
		if err = f.gzip.Reset(&f.in); err == nil {
			err = f.readAll(&f.gzip)
		}
	case codecSnappy:
		err = f.snappy(packed)
	case codecLZ4:
		err = f.lz4Frame(packed)
	case codecZstd:
		err = f.zstdFrames(packed)
	default:
		err = fmt.Errorf("unknown codec %d", c)
	}
	return f.out, err
}

func (f *inflater) zstdFrames(packed []byte) (err error) {
	f.out, err = f.zstd.DecodeAll(packed, f.out[:0])
	if errors.Is(err, zstd.ErrWindowSizeExceeded) {
		f.out, err = f.wideZstd().DecodeAll(packed, roomFor(f.out, f.limit))
	}
	if errors.Is(err, zstd.ErrDecoderSizeExceeded) {
		return errInflated
	}
	return err
}

// wideZstd returns a decoder that accepts any window and inflates no further than the capacity of
// its output. The other decoder refuses windows that are larger than its limit.
func (f *inflater) wideZstd() *zstd.Decoder {
	if f.wide == nil {
		decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1),
			zstd.WithDecoderMaxMemory(anyWindow), zstd.WithDecoderMaxWindow(anyWindow), zstd.WithDecodeAllCapLimit(true))
		if err != nil {
			panic(err) // the options are constants
		}
		f.wide = decoder
	}
	return f.wide
}

// stream returns the uncompressed bytes piece by piece. It is used after inflate has found that
// they exceed the limit.
func (f *inflater) stream(c codec, packed []byte) (io.ReadCloser, error) {
	switch c {
	case codecZstd:
		decoder, err := zstd.NewReader(bytes.NewReader(packed),
			zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(MaxWindow))
		if err != nil {
			return nil, err
		}
		return decoder.IOReadCloser(), nil
	case codecSnappy:
		stream, err := newSnappyStream(packed)
		return io.NopCloser(stream), err
	}
	return compress.Compression(c).Codec().NewReader(bytes.NewReader(packed)), nil
}

func (f *inflater) readAll(r io.Reader) error {
	f.out = f.out[:0]
	for {
		if len(f.out) == cap(f.out) {
			f.out = append(f.out, make([]byte, max(64<<10, min(len(f.out), f.limit-len(f.out)+1)))...)[:len(f.out)]
		}
		n, err := r.Read(f.out[len(f.out):cap(f.out)])
		f.out = f.out[:len(f.out)+n]
		switch {
		case len(f.out) > f.limit:
			return errInflated
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

// xerial begins the frame that the Java client and kafka-go put around snappy blocks. Two versions
// follow it, then the blocks, each after its length.
var xerial = []byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0}

const xerialHead = 16

// snappyRatio is more than snappy can compress. A block that claims more was made to exhaust
// memory.
const snappyRatio = 32

var errImplausible = errors.New("a snappy block claims to be larger than it can be")

func (f *inflater) snappy(packed []byte) error {
	total := 0
	err := eachBlock(packed, func(block []byte) error {
		size, err := snappySize(block)
		total += size
		return err
	})
	if err != nil {
		return err
	}
	if total > f.limit {
		return errInflated
	}
	f.out = lengthen(f.out[:0], total)
	at := 0
	return eachBlock(packed, func(block []byte) error {
		out, err := s2.Decode(f.out[at:], block)
		at += len(out)
		return err
	})
}

// snappySize is how many bytes a block says that it holds.
func snappySize(block []byte) (int, error) {
	size, err := s2.DecodedLen(block)
	if err == nil && size > snappyRatio*len(block) {
		err = errImplausible
	}
	return size, err
}

// eachBlock visits the blocks of a frame, or the single block that came without a frame.
func eachBlock(packed []byte, visit func(block []byte) error) error {
	if !bytes.HasPrefix(packed, xerial) {
		return visit(packed)
	}
	if len(packed) < xerialHead {
		return io.ErrUnexpectedEOF
	}
	for packed = packed[xerialHead:]; len(packed) > 0; {
		if len(packed) < 4 {
			return io.ErrUnexpectedEOF
		}
		size := int64(binary.BigEndian.Uint32(packed))
		if packed = packed[4:]; size > int64(len(packed)) {
			return io.ErrUnexpectedEOF
		}
		if err := visit(packed[:size]); err != nil {
			return err
		}
		packed = packed[size:]
	}
	return nil
}

// roomFor returns an empty slice with room for n bytes, in the memory of b if that suffices.
func roomFor(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, 0, n)
	}
	return b[:0]
}

// lengthen adds n bytes with undefined content.
func lengthen(b []byte, n int) []byte { return slices.Grow(b, n)[:len(b)+n] }
