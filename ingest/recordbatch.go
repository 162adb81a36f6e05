package ingest

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// errCorrupt says that a record batch is not what the producer sent. It is fetched again, never
// stepped over.
var errCorrupt = errors.New("corrupt record batch")

var errChecksum = errors.New("wrong checksum")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A recordBatch is one batch of a partition's log, as it is on the wire: Kafka's message format 2.
//
//	 0 base offset
//	 8 length of what follows
//	12 leader epoch
//	16 magic
//	17 CRC-32C of what follows
//	21 attributes
//	23 last offset's delta
//	27 base time
//	35 max time
//	43 producer id
//	51 producer epoch
//	53 base sequence
//	57 number of records
//	61 records, compressed as the attributes say
type recordBatch struct{ wire []byte }

const batchHead = 61

func (b recordBatch) base() int64        { return int64(binary.BigEndian.Uint64(b.wire)) }
func (b recordBatch) epoch() int32       { return int32(binary.BigEndian.Uint32(b.wire[12:])) }
func (b recordBatch) checksum() uint32   { return binary.BigEndian.Uint32(b.wire[17:]) }
func (b recordBatch) attributes() uint16 { return binary.BigEndian.Uint16(b.wire[21:]) }
func (b recordBatch) last() int64 {
	return b.base() + int64(int32(binary.BigEndian.Uint32(b.wire[23:])))
}
func (b recordBatch) baseTime() int64 { return int64(binary.BigEndian.Uint64(b.wire[27:])) }
func (b recordBatch) maxTime() int64  { return int64(binary.BigEndian.Uint64(b.wire[35:])) }
func (b recordBatch) producer() int64 { return int64(binary.BigEndian.Uint64(b.wire[43:])) }
func (b recordBatch) count() int32    { return int32(binary.BigEndian.Uint32(b.wire[57:])) }
func (b recordBatch) records() []byte { return b.wire[batchHead:] }

func (b recordBatch) codec() codec          { return codec(b.attributes() & 7) }
func (b recordBatch) logTime() bool         { return b.attributes()&(1<<3) != 0 }
func (b recordBatch) transactional() bool   { return b.attributes()&(1<<4) != 0 }
func (b recordBatch) control() bool         { return b.attributes()&(1<<5) != 0 }
func (b recordBatch) next() int64           { return b.last() + 1 }
func (b recordBatch) isBefore(o int64) bool { return b.last() < o }

// cutBatch takes the first batch off a record set; its checksum is not looked at. ok is false at the
// set's end, or where the answer's size limit cut the last batch off: it comes again.
func cutBatch(set []byte) (b recordBatch, rest []byte, ok bool, err error) {
	if len(set) < 17 {
		return b, nil, false, nil
	}
	base := int64(binary.BigEndian.Uint64(set))
	size := int64(int32(binary.BigEndian.Uint32(set[8:]))) + 12
	if magic := set[16]; magic != 2 {
		return b, nil, false, unreadable(base, "message format %d; only format 2 (Kafka 0.11 and newer) is read", magic)
	}
	if size < batchHead {
		return b, nil, false, unreadable(base, "%d bytes", size)
	}
	if size > int64(len(set)) {
		return b, nil, false, nil
	}
	b = recordBatch{set[:size:size]}
	if base < 0 || b.last() < base || b.count() < 0 {
		return b, nil, false, unreadable(base, "it ends at %d with %d records", b.last(), b.count())
	}
	return b, set[size:], true, nil
}

func (b recordBatch) check() error {
	if crc32.Checksum(b.wire[21:], castagnoli) != b.checksum() {
		return corrupt(b, errChecksum)
	}
	return nil
}

// A recordSet is what an answer has of a partition: whole record batches, which are views into the
// answer.
type recordSet struct {
	topic     string
	partition int32
	from      int64 // the offset that was asked for: what is below it is left out
	batches   []recordBatch
	next      int64                // the offset after the last of them
	epoch     int32                // the leader epoch of the last of them; −1: there is none
	aborted   []abortedTransaction // by their first offset
}

// An abortedTransaction is the records of a producer from an offset on, up to its next marker.
type abortedTransaction struct{ producer, first int64 }

// cut takes the whole batches of a record set as it is on the wire, and checks those that are asked
// for. It ends before the first that is cut off, which is no error, or corrupt. The batches are
// appended to memory that is used again, which it gives back.
func (s *recordSet) cut(wire []byte, memory []recordBatch) ([]recordBatch, error) {
	first := len(memory)
	s.next, s.epoch = s.from, -1
	for {
		b, rest, ok, err := cutBatch(wire)
		if err == nil && ok && !b.isBefore(s.from) && b.check() != nil {
			err = (&corruptBatch{b.base(), b.last(), errChecksum}).before(rest)
		}
		if err != nil || !ok {
			s.batches = memory[first:len(memory):len(memory)]
			return memory, err
		}
		memory = append(memory, b)
		s.next, s.epoch = max(s.next, b.next()), b.epoch()
		wire = rest
	}
}
