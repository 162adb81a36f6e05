package ingest

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"

	"rollcall/schema"
)

// A producer may compress a gigabyte of zeros into a megabyte. Batches beyond the limit are therefore read as a stream: a record that fits into memory is
// treated as any other; of a record that does not, the value's beginning, size and hash are taken, and it is too_large.

// stream visits the records of a batch from an offset on, holding one record at a time.
func (r *reader) stream(b *recordBatch, from int64, see visit) error {
	unpacked, err := r.inflater.stream(b.codec(), b.records)
	if err != nil {
		return corrupt(b, err)
	}
	defer unpacked.Close()
	in := bufio.NewReaderSize(unpacked, 64<<10)
	for n := b.count; n > 0; n-- {
		large, err := r.cutStream(in)
		if err != nil {
			return corrupt(b, err)
		}
		if err := r.place(b); err != nil {
			return err
		}
		if r.rec.Offset < from {
			continue
		}
		if err := see(&r.rec, large); err != nil {
			return err
		}
	}
	return nil
}

// cutStream reads the next record into r.rec. What it gives is nil unless the record was too large to be held.
func (r *reader) cutStream(in *bufio.Reader) (*largeValue, error) {
	size, err := binary.ReadVarint(in)
	if err != nil {
		return nil, err
	}
	if size < 1 {
		return nil, errRecord
	}
	if size > int64(r.inflater.limit) {
		return r.cutLarge(in, size)
	}
	whole := binary.AppendVarint(r.inflater.out[:0], size)
	at := len(whole)
	whole = grow(whole, int(size))
	r.inflater.out = whole
	if _, err := io.ReadFull(in, whole[at:]); err != nil {
		return nil, err
	}
	_, err = r.cut(whole)
	return nil, err
}

// cutLarge reads a record of size bytes that is not held whole: its headers are dropped, key and value are cut.
func (r *reader) cutLarge(in *bufio.Reader, size int64) (*largeValue, error) {
	rest := &io.LimitedReader{R: in, N: size}
	p := &pieces{in: rest}
	p.byte() // attributes
	r.rec.Time = schema.Millis(p.varint())
	r.rec.Offset = p.varint()
	key, _ := p.bytes()
	value, large := p.bytes()
	if p.err != nil {
		return nil, p.err
	}
	r.rec.Key, r.rec.Value, r.rec.Headers = key, value, r.rec.Headers[:0]
	_, err := io.Copy(io.Discard, rest)
	if err == nil && rest.N > 0 {
		err = io.ErrUnexpectedEOF
	}
	return large, err
}

// pieces reads the parts of a record off a stream. After an error every part is empty.
type pieces struct {
	in  io.Reader
	one [1]byte
	err error
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

// bytes gives the beginning of a part, and the size and hash of all of it.
func (p *pieces) bytes() ([]byte, *largeValue) {
	size := p.varint()
	if size <= 0 || p.err != nil {
		return nil, &largeValue{sha: sha256.Sum256(nil)}
	}
	hash := sha256.New()
	in := io.TeeReader(io.LimitReader(p.in, size), hash)
	kept := make([]byte, min(size, keptOfTooLarge))
	if _, p.err = io.ReadFull(in, kept); p.err != nil {
		return nil, nil
	}
	n, err := io.Copy(io.Discard, in)
	if err == nil && n+int64(len(kept)) < size {
		err = io.ErrUnexpectedEOF
	}
	p.err = err
	large := &largeValue{size: uint64(size)}
	hash.Sum(large.sha[:0])
	return kept, large
}

// rejectLarge is the verdict on a record that was too large to be held.
func rejectLarge(large *largeValue) *schema.Rejection {
	return &schema.Rejection{Reason: schema.TooLarge, Detail: fmt.Sprintf(
		"the value is %d bytes long; send at most %d (the record, with key and headers, was too large to be held)", large.size, schema.MaxValueBytes)}
}
