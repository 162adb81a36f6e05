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

// A producer may compress gigabytes of zeros into a megabyte. So a batch beyond the limit is read
// as a stream, one record at a time.
//
// A record of more than maxWhole bytes is read in pieces, whether it comes from a stream or not. Of
// such a record, only what decides the verdict and what a reject keeps is held: the value, or the
// beginning, size and hash of one that is too_large; the beginning of the key; the first of the
// headers. So a record's size never changes the verdict on it.

// stream visits the records of a batch from an offset on, and holds one record at a time.
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

// stoppable ends a stream with errStopped once the channel is closed.
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

// recordFrom reads the next record of a stream into r.rec.
func (r *Reader) recordFrom(in *bufio.Reader) error {
	size, err := binary.ReadVarint(in)
	if err != nil {
		return err
	}
	if size < 1 {
		return errRecord
	}
	if size > maxWhole {
		return r.inPieces(in, size)
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

// inPieces reads a record of size bytes into r.rec without holding all of it.
func (r *Reader) inPieces(in io.Reader, size int64) error {
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

// pieces reads the parts of a record from a stream. After an error every part is empty.
type pieces struct {
	in   io.Reader
	held []byte // the kept parts, one after the other; it never grows, so they never move
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

// keep reads n bytes and holds them. They must fit into the capacity of held.
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

// pass reads n bytes and drops them.
func (p *pieces) pass(n int64) {
	if p.err == nil {
		_, p.err = io.CopyN(io.Discard, p.in, n)
	}
}

// value returns the value. Of a value that is too large, it returns the beginning, and the size and
// hash of all of it.
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

// headers returns the first headers, as many as there is room for, and then those by which an event
// is judged.
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
		room = -1 // after a header was left out, only late headers are kept
		p.held = p.held[:before]
		if keySize == int64(len(key)) && ofEnvelope(key) {
			to = keepLate(to, first, schema.Header{Key: bytes.Clone(key), Value: bytes.Clone(value)})
		}
	}
	return to
}

// beginning reads a part, keeps at most `most` bytes of it, and returns its whole size. kept is nil
// for Kafka's null.
func (p *pieces) beginning(most int64) (kept []byte, size int64) {
	if size = p.varint(); size < 0 {
		return nil, 0
	}
	kept = p.keep(min(size, most))
	p.pass(size - int64(len(kept)))
	return kept, size
}
