package recordbatch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"rollcall/schema"
)

var errRecord = errors.New("malformed record")

// A visit is called with each committed record, in order. The record's bytes are valid until it
// returns.
type visit func(rec *schema.Record) error

// maxWhole is the largest record, in bytes with key and headers, that is visited as it came. A
// larger one is read in pieces, see large.go.
const maxWhole = 4 << 20

// A Reader visits the records of partitions' sets. It uses its memory again, and is not safe for
// concurrent use.
type Reader struct {
	inflater *inflater
	Stopped  <-chan struct{} // closing it stops inflating: a few KiB may hold gigabytes
	rec      schema.Record
	last     int64          // offset of the last record of the batch in hand
	held     []byte         // memory of rec's fields, if it came from a stream or in pieces
	aborted  map[int64]bool // producers whose open transaction will be aborted
}

func NewReader(inflateBytes int) *Reader {
	return &Reader{inflater: newInflater(inflateBytes), aborted: map[int64]bool{}}
}

// Read visits every committed record of a set at or above the offset that was asked for, batch by
// batch. It calls done with the next offset after each batch. Records of aborted transactions and
// control records are left out, because they are not events. If Read returns a Corrupt, the records
// before the unreadable one have been visited.
func (r *Reader) Read(s *Set, visit visit, done func(next int64) error) error {
	clear(r.aborted)
	r.rec.Topic = s.Topic
	r.rec.Partition = s.Partition
	waiting := s.Aborted
	for _, b := range s.Batches {
		if b.isBefore(s.From) {
			continue
		}
		waiting = r.abort(waiting, b.last())
		var err error
		switch {
		case b.control():
			err = r.marker(b)
		case b.transactional() && r.aborted[b.producer()]:
		default:
			err = r.batch(b, s.From, visit)
		}
		if err != nil {
			return err
		}
		if err := done(b.next()); err != nil {
			return err
		}
	}
	return nil
}

// abort moves the transactions that start at or before last from waiting into r.aborted. They are
// sorted by their first offset.
func (r *Reader) abort(waiting []Aborted, last int64) []Aborted {
	for len(waiting) > 0 && waiting[0].First <= last {
		r.aborted[waiting[0].Producer] = true
		waiting = waiting[1:]
	}
	return waiting
}

// marker reads a control batch. After an abort marker, the producer's next transaction counts
// again.
func (r *Reader) marker(b Batch) error {
	if b.count() == 0 {
		return nil
	}
	records, err := r.inflater.inflate(b.codec(), b.records())
	if err == nil {
		_, err = r.record(records)
	}
	if err != nil {
		return corrupt(b, err)
	}
	if key := r.rec.Key; len(key) >= 4 && binary.BigEndian.Uint16(key[2:]) == 0 {
		delete(r.aborted, b.producer())
	}
	return nil
}

// batch visits the records of one batch from an offset on.
func (r *Reader) batch(b Batch, from int64, visit visit) error {
	if b.count() == 0 { // compaction removed all records
		return nil
	}
	records, err := r.inflater.inflate(b.codec(), b.records())
	if errors.Is(err, errInflated) {
		return r.stream(b, from, visit)
	}
	if err != nil {
		return corrupt(b, err)
	}
	r.last = b.base() - 1
	for n := b.count(); n > 0; n-- {
		if records, err = r.record(records); err != nil {
			return corrupt(b, err)
		}
		if err := r.place(b); err != nil {
			return err
		}
		if r.rec.Offset < from {
			continue
		}
		if err := visit(&r.rec); err != nil {
			return err
		}
	}
	return nil
}

// place adds the batch's base to the record's offset and time, which the wire has as differences.
// Offsets in a batch only grow. Therefore the offset after a record may be committed before the
// rest of its batch was read.
func (r *Reader) place(b Batch) error {
	r.rec.Offset += b.base()
	r.rec.Time += schema.Millis(b.baseTime())
	if b.logTime() {
		r.rec.Time = schema.Millis(b.maxTime())
	}
	if r.rec.Offset <= r.last || r.rec.Offset > b.last() {
		return corrupt(b, fmt.Errorf("a record of offset %d after one of %d", r.rec.Offset, r.last))
	}
	r.last = r.rec.Offset
	return nil
}

// record reads the first record of a batch's inflated bytes into r.rec. The record's offset and
// time are still differences.
func (r *Reader) record(b []byte) (rest []byte, err error) {
	size, n := binary.Varint(b)
	if n <= 0 || size < 1 || size > int64(len(b)-n) {
		return nil, errRecord
	}
	rest = b[n+int(size):]
	b = b[n : n+int(size)]
	if size > maxWhole {
		return rest, r.inPieces(bytes.NewReader(b), size)
	}
	f := fields{b: b[1:]} // Kafka does not use a record's own attributes yet
	r.rec.Time = schema.Millis(f.varint())
	r.rec.Offset = f.varint()
	r.rec.Key = f.bytes()
	r.rec.Value = f.bytes()
	r.rec.Headers = f.headers(r.rec.Headers[:0])
	r.rec.Cut = nil
	if f.bad {
		return nil, errRecord
	}
	return rest, nil
}

// fields reads the parts of a record. After an error every part is empty and bad is set.
type fields struct {
	b   []byte
	bad bool
}

func (f *fields) varint() int64 {
	if len(f.b) > 0 && f.b[0] < 0x80 { // nearly all varints are one byte
		v := int64(f.b[0])
		f.b = f.b[1:]
		return v>>1 ^ -(v & 1)
	}
	v, n := binary.Varint(f.b)
	if n <= 0 {
		f.bad = true
		f.b = nil
		return 0
	}
	f.b = f.b[n:]
	return v
}

// bytes returns nil for Kafka's null.
func (f *fields) bytes() []byte {
	n := f.varint()
	if n < 0 || f.bad {
		return nil
	}
	if n > int64(len(f.b)) {
		f.bad = true
		f.b = nil
		return nil
	}
	v := f.b[:n:n]
	f.b = f.b[n:]
	return v
}

func (f *fields) headers(to []schema.Header) []schema.Header {
	n := f.varint()
	if n < 0 || n > int64(len(f.b)) { // a header takes at least two bytes
		f.bad = true
	}
	for ; n > 0 && !f.bad; n-- {
		h := schema.Header{Key: f.bytes(), Value: f.bytes()}
		if len(to) < maxHeaders {
			to = append(to, h)
		} else {
			to = keepLate(to, maxHeaders, h)
		}
	}
	return to
}
