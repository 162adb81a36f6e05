package ingest

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// errCorrupt says that a record batch is not what the producer sent. It is fetched again, never stepped over.
var errCorrupt = errors.New("corrupt record batch")

var errChecksum = errors.New("wrong checksum")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A recordBatch is one batch of a partition's log: Kafka's message format 2.
//
//	0 base offset | 8 length of what follows | 12 leader epoch | 16 magic | 17 CRC-32C of what follows | 21 attributes | 23 last offset's delta |
//	27 base time | 35 max time | 43 producer id | 51 epoch | 53 sequence | 57 number of records | 61 records
type recordBatch struct {
	base, last        int64
	epoch             int32 // of the leader that took it
	attributes        uint16
	baseTime, maxTime int64
	producer          int64
	count             int32
	records           []byte // compressed as the attributes say
	checksum          uint32
	covered           []byte // what the checksum is of
}

const batchHead = 61

func (b *recordBatch) codec() codec          { return codec(b.attributes & 7) }
func (b *recordBatch) logTime() bool         { return b.attributes&(1<<3) != 0 }
func (b *recordBatch) transactional() bool   { return b.attributes&(1<<4) != 0 }
func (b *recordBatch) control() bool         { return b.attributes&(1<<5) != 0 }
func (b *recordBatch) next() int64           { return b.last + 1 }
func (b *recordBatch) isBefore(o int64) bool { return b.last < o }

// cutBatch takes the first batch off a record set. ok is false at its end, or where the answer's size limit cut the last batch off: it comes again.
func cutBatch(set []byte) (b recordBatch, rest []byte, ok bool, err error) {
	if len(set) < 17 {
		return b, nil, false, nil
	}
	b.base = int64(binary.BigEndian.Uint64(set))
	size := int64(int32(binary.BigEndian.Uint32(set[8:]))) + 12
	if magic := set[16]; magic != 2 {
		return b, nil, false, unreadable(b.base, "message format %d; only format 2 (Kafka 0.11 and newer) is read", magic)
	}
	if size < batchHead {
		return b, nil, false, unreadable(b.base, "%d bytes", size)
	}
	if size > int64(len(set)) {
		return b, nil, false, nil
	}
	batch, rest := set[:size], set[size:]
	b.epoch = int32(binary.BigEndian.Uint32(batch[12:]))
	b.checksum = binary.BigEndian.Uint32(batch[17:])
	b.attributes = binary.BigEndian.Uint16(batch[21:])
	b.last = b.base + int64(int32(binary.BigEndian.Uint32(batch[23:])))
	b.baseTime = int64(binary.BigEndian.Uint64(batch[27:]))
	b.maxTime = int64(binary.BigEndian.Uint64(batch[35:]))
	b.producer = int64(binary.BigEndian.Uint64(batch[43:]))
	b.count = int32(binary.BigEndian.Uint32(batch[57:]))
	b.records, b.covered = batch[batchHead:], batch[21:]
	if b.base < 0 || b.last < b.base || b.count < 0 {
		return b, nil, false, unreadable(b.base, "it ends at %d with %d records", b.last, b.count)
	}
	return b, rest, true, nil
}

func (b *recordBatch) check() error {
	if crc32.Checksum(b.covered, castagnoli) != b.checksum {
		return corrupt(b, errChecksum)
	}
	return nil
}

// checkSet checks the whole batches of a record set, from an offset on. It gives those before the first that is cut off or corrupt, the offset after them, and
// the leader epoch of the last one (−1 if there is none).
func checkSet(set []byte, from int64) (good []byte, next int64, epoch int32, err error) {
	next, epoch = from, -1
	for rest := set; ; {
		b, after, ok, err := cutBatch(rest)
		if err == nil && ok && !b.isBefore(from) && b.check() != nil {
			err = (&corruptBatch{b.base, b.last, errChecksum}).before(after)
		}
		if err != nil || !ok {
			return set[:len(set)-len(rest)], next, epoch, err
		}
		next, epoch = max(next, b.next()), b.epoch
		rest = after
	}
}
