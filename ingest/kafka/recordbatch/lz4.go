package recordbatch

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/pierrec/lz4/v4"
)

// The frame around lz4 blocks has these parts: magic, flags, block size, [content size],
// [dictionary], header checksum; then blocks, each after its length; an empty block; [content
// checksum].
const (
	lz4Magic         = 0x184d2204
	lz4Version       = 1 << 6
	lz4VersionMask   = 3 << 6
	lz4Independent   = 1 << 5
	lz4BlockChecksum = 1 << 4
	lz4ContentSize   = 1 << 3
	lz4Dictionary    = 1
	lz4Plain         = 1 << 31 // in a block's length: the block is not compressed
	lz4Window        = 64 << 10
	lz4Ratio         = 255 // the highest compression
)

var errLZ4 = errors.New("malformed lz4 frame")

// lz4Frame inflates into f.out. The library's Reader would make new buffers for each frame, and
// producers send a batch every few milliseconds, often of a few records. lz4Frame needs no buffers
// of its own. It does not check the frame's checksums, because the record batch's checksum covers
// them.
func (f *inflater) lz4Frame(packed []byte) error {
	if len(packed) < 7 || binary.LittleEndian.Uint32(packed) != lz4Magic {
		return errLZ4
	}
	flags := packed[4]
	size := int(packed[5] >> 4 & 7)
	if flags&lz4VersionMask != lz4Version || flags&lz4Dictionary != 0 || size < 4 {
		return errLZ4
	}
	most := 1 << (8 + 2*size) // bytes of a block, inflated: 64 KiB to 4 MiB
	head := 7
	if flags&lz4ContentSize != 0 {
		head += 8
	}
	if head > len(packed) {
		return errLZ4
	}
	f.out = f.out[:0]
	for packed = packed[head:]; ; {
		if len(packed) < 4 {
			return errLZ4
		}
		length := binary.LittleEndian.Uint32(packed)
		if packed = packed[4:]; length == 0 {
			return nil
		}
		n := int(length &^ lz4Plain)
		if n > len(packed) || n > most {
			return errLZ4
		}
		if err := f.lz4Block(packed[:n], length&lz4Plain != 0, flags&lz4Independent != 0, most); err != nil {
			return err
		}
		packed = packed[n:]
		if flags&lz4BlockChecksum != 0 {
			if len(packed) < 4 {
				return errLZ4
			}
			packed = packed[4:]
		}
	}
}

// lz4Block appends one block, which inflates to at most `most` bytes. A block that is not
// independent may copy from the output before it.
func (f *inflater) lz4Block(block []byte, plain, independent bool, most int) error {
	if plain {
		f.out = append(f.out, block...)
	} else {
		from := len(f.out)
		f.out = lengthen(f.out, min(most, lz4Ratio*len(block)))
		var back []byte
		if !independent {
			back = f.out[max(0, from-lz4Window):from]
		}
		n, err := lz4.UncompressBlockWithDict(block, f.out[from:], back)
		if err != nil {
			return fmt.Errorf("%w: %w", errLZ4, err)
		}
		f.out = f.out[:from+n]
	}
	if len(f.out) > f.limit {
		return errInflated
	}
	return nil
}
