package recordbatch

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// errCorrupt says that a record batch is not what the producer sent. It is fetched again, and not
// passed over unless an operator names it.
var errCorrupt = errors.New("corrupt record batch")

var errChecksum = errors.New("wrong checksum")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A Batch is one batch of a partition's log, as it is on the wire: Kafka's message format 2.
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
type Batch struct{ wire []byte }

const batchHead = 61

func (b Batch) base() int64        { return int64(binary.BigEndian.Uint64(b.wire)) }
func (b Batch) epoch() int32       { return int32(binary.BigEndian.Uint32(b.wire[12:])) }
func (b Batch) checksum() uint32   { return binary.BigEndian.Uint32(b.wire[17:]) }
func (b Batch) attributes() uint16 { return binary.BigEndian.Uint16(b.wire[21:]) }
func (b Batch) last() int64 {
	return b.base() + int64(int32(binary.BigEndian.Uint32(b.wire[23:])))
}
func (b Batch) baseTime() int64 { return int64(binary.BigEndian.Uint64(b.wire[27:])) }
func (b Batch) maxTime() int64  { return int64(binary.BigEndian.Uint64(b.wire[35:])) }
func (b Batch) producer() int64 { return int64(binary.BigEndian.Uint64(b.wire[43:])) }
func (b Batch) count() int32    { return int32(binary.BigEndian.Uint32(b.wire[57:])) }
func (b Batch) records() []byte { return b.wire[batchHead:] }

func (b Batch) codec() codec          { return codec(b.attributes() & 7) }
func (b Batch) logTime() bool         { return b.attributes()&(1<<3) != 0 }
func (b Batch) transactional() bool   { return b.attributes()&(1<<4) != 0 }
func (b Batch) control() bool         { return b.attributes()&(1<<5) != 0 }
func (b Batch) next() int64           { return b.last() + 1 }
func (b Batch) isBefore(o int64) bool { return b.last() < o }

// firstBatch splits the first batch off a record set, without checking its checksum. ok is false at
// the set's end, and if the response's size limit cut the last batch off: that batch comes again.
func firstBatch(set []byte) (b Batch, rest []byte, ok bool, err error) {
	if len(set) < 17 {
		return b, nil, false, nil
	}
	base := int64(binary.BigEndian.Uint64(set))
	size := int64(int32(binary.BigEndian.Uint32(set[8:]))) + 12
	if magic := set[16]; magic != 2 {
		return b, nil, false, Unreadable(base, "message format %d; only format 2 (Kafka 0.11 and newer) is read", magic)
	}
	if size < batchHead {
		return b, nil, false, Unreadable(base, "%d bytes", size)
	}
	if size > int64(len(set)) {
		return b, nil, false, nil
	}
	b = Batch{set[:size:size]}
	if base < 0 || b.last() < base || b.count() < 0 {
		return b, nil, false, Unreadable(base, "it ends at %d with %d records", b.last(), b.count())
	}
	return b, set[size:], true, nil
}

func (b Batch) check() error {
	if crc32.Checksum(b.wire[21:], castagnoli) != b.checksum() {
		return corrupt(b, errChecksum)
	}
	return nil
}

// A Set is what a response has of a partition: whole record batches, which are views into the
// response.
type Set struct {
	Topic     string
	Partition int32
	From      int64 // the offset that was asked for; records below it are left out
	Batches   []Batch
	Next      int64     // the offset after the last batch
	Epoch     int32     // the leader epoch of the last batch; −1: no batch
	Aborted   []Aborted // sorted by First
}

// An Aborted is an aborted transaction: a producer's records from the offset First to its next
// marker.
type Aborted struct{ Producer, First int64 }

// Split splits a record set, as it is on the wire, into its whole batches, and checks those at or
// after From. It ends before the first batch that is cut off, which is no error, or that is
// corrupt. It appends the batches to memory, which the caller uses again, and returns it.
func (s *Set) Split(wire []byte, memory []Batch) ([]Batch, error) {
	first := len(memory)
	s.Next = s.From
	s.Epoch = -1
	for {
		b, rest, ok, err := firstBatch(wire)
		if err == nil && ok && !b.isBefore(s.From) && b.check() != nil {
			err = (&Corrupt{b.base(), b.last(), errChecksum}).before(rest)
		}
		if err != nil || !ok {
			s.Batches = memory[first:len(memory):len(memory)]
			return memory, err
		}
		memory = append(memory, b)
		s.Next = max(s.Next, b.next())
		s.Epoch = b.epoch()
		wire = rest
	}
}
