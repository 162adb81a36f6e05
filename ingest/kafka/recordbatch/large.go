package recordbatch

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"slices"

	"rollcall/schema"
)

// A producer may compress gigabytes of zeros into a megabyte. Batches beyond the limit are
// therefore read as a stream, one record at a time; and of a record that is large (maxWhole),
// however it came, only what it is judged by and what a reject keeps is held: the value, or the
// beginning, size and hash of one that is too_large; the beginning of the key; the first of the
// headers. So a record's size never changes the verdict on it.

// stream visits the records of a batch from an offset on, holding one record at a time.
func (r *Reader) stream(b Batch, from int64, visit visit) error {
	unpacked, err := r.inflater.stream(b.codec(), b.records())
	if err != nil {
		return corrupt(b, err)
	}
	defer unpacked.Close()
	in := bufio.NewReaderSize(stoppable{unpacked, r.Stopped}, 64<<10)
	r.last = b.base() - 1
	for n := b.count(); n > 0; n-- {
		if err := r.recordFrom(in); err != nil {
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

// stoppable ends a stream when nobody waits for it any more.
type stoppable struct {
	io.Reader
	stopped <-chan struct{}
}

var errStopped = errors.New("stopped")

func (s stoppable) Read(b []byte) (int, error) {
	select {
	case <-s.stopped:
		return 0, errStopped
	default:
		return s.Reader.Read(b)
	}
}

// recordFrom reads the next record into r.rec.
func (r *Reader) recordFrom(in *bufio.Reader) error {
	size, err := binary.ReadVarint(in)
	if err != nil {
		return err
	}
	if size < 1 {
		return errRecord
	}
	if size > maxWhole {
		return r.takeApart(in, size)
	}
	whole := binary.AppendVarint(r.held[:0], size)
	at := len(whole)
	whole = lengthen(whole, int(size))
	r.held = whole
	if _, err := io.ReadFull(in, whole[at:]); err != nil {
		return err
	}
	_, err = r.record(whole)
	return err
}

// takeApart reads a record of size bytes that is not held whole into r.rec.
func (r *Reader) takeApart(in io.Reader, size int64) error {
	rest := &io.LimitedReader{R: in, N: size}
	most := keptOfKey + schema.MaxValueBytes + keptOfHeader + lateName + lateValue
	p := &pieces{in: rest, held: slices.Grow(r.held[:0], most)}
	r.held = p.held
	p.byte() // attributes
	r.rec.Time = schema.Millis(p.varint())
	r.rec.Offset = p.varint()
	r.rec.Key, _ = p.beginning(keptOfKey)
	r.rec.Value, r.rec.Cut = p.value()
	r.rec.Headers = p.headers(r.rec.Headers[:0])
	if p.err != nil {
		return p.err
	}
	_, err := io.Copy(io.Discard, rest)
	if err == nil && rest.N > 0 {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// pieces reads the parts of a record off a stream. After an error every part is empty.
type pieces struct {
	in   io.Reader
	held []byte // the parts that are kept, one after the other, in memory that never moves
	one  [1]byte
	err  error
}

func (p *pieces) byte() byte {
	if p.err == nil {
		_, p.err = io.ReadFull(p.in, p.one[:])
	}
	return p.one[0]
}

// ReadByte makes pieces an io.ByteReader.
func (p *pieces) ReadByte() (byte, error) {
	b := p.byte()
	return b, p.err
}

func (p *pieces) varint() int64 {
	v, err := binary.ReadVarint(p)
	if p.err == nil {
		p.err = err
	}
	return v
}

// keep reads n bytes, which must fit into what is held.
func (p *pieces) keep(n int64) []byte {
	if n > int64(cap(p.held)-len(p.held)) && p.err == nil {
		p.err = errRecord
	}
	if p.err != nil {
		return nil
	}
	from := len(p.held)
	p.held = p.held[:from+int(n)]
	_, p.err = io.ReadFull(p.in, p.held[from:])
	return p.held[from:len(p.held):len(p.held)]
}

// pass reads n bytes and keeps none.
func (p *pieces) pass(n int64) {
	if p.err == nil {
		_, p.err = io.CopyN(io.Discard, p.in, n)
	}
}

// value gives the value, or its beginning and the size and hash of all of it.
func (p *pieces) value() ([]byte, *schema.Cut) {
	size := p.varint()
	switch {
	case size < 0:
		return nil, nil
	case size <= schema.MaxValueBytes:
		return p.keep(size), nil
	}
	kept := p.keep(schema.KeptOfTooLarge)
	hash := sha256.New()
	hash.Write(kept)
	if p.err == nil {
		_, p.err = io.CopyN(hash, p.in, size-int64(len(kept)))
	}
	cut := &schema.Cut{Size: uint64(size)}
	hash.Sum(cut.SHA256[:0])
	return kept, cut
}

// headers gives the first headers, as many as there is room for, then those by which an event is
// judged.
func (p *pieces) headers(to []schema.Header) []schema.Header {
	n := p.varint()
	if n < 0 && p.err == nil {
		p.err = errRecord
	}
	first := -1
	room := int64(keptOfHeader)
	for ; n > 0 && p.err == nil; n-- {
		before := len(p.held)
		key, keySize := p.beginning(max(room, lateName))
		value, valueSize := p.beginning(max(room-keySize, lateValue))
		room -= keySize + valueSize
		if room >= 0 && len(to) < maxHeaders {
			to = append(to, schema.Header{Key: key, Value: value})
			continue
		}
		if first < 0 {
			first = len(to)
		}
		room = -1
		p.held = p.held[:before] // not even an empty one comes behind a gap
		if keySize == int64(len(key)) && ofEnvelope(key) {
			to = keepLate(to, first, schema.Header{Key: bytes.Clone(key), Value: bytes.Clone(value)})
		}
	}
	return to
}

// beginning reads a part of which at most so many bytes are kept, and gives its size. It is nil for
// Kafka's null.
func (p *pieces) beginning(most int64) (kept []byte, size int64) {
	if size = p.varint(); size < 0 {
		return nil, 0
	}
	kept = p.keep(min(size, most))
	p.pass(size - int64(len(kept)))
	return kept, size
}
