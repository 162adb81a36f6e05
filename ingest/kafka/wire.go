package kafka

import (
	"encoding/binary"
	"errors"
)

var errShort = errors.New("the broker's answer ends too early")

// A wire reads Kafka's big-endian fields from a buffer. If the buffer ends too early, short is set
// and every further field is zero.
type wire struct {
	b     []byte
	short bool
}

func (w *wire) bytes(n int) []byte {
	if n < 0 || n > len(w.b) {
		w.short = true
		w.b = nil
		return nil
	}
	v := w.b[:n:n]
	w.b = w.b[n:]
	return v
}

func (w *wire) int16() int16 {
	if v := w.bytes(2); v != nil {
		return int16(binary.BigEndian.Uint16(v))
	}
	return 0
}

func (w *wire) int32() int32 {
	if v := w.bytes(4); v != nil {
		return int32(binary.BigEndian.Uint32(v))
	}
	return 0
}

func (w *wire) int64() int64 {
	if v := w.bytes(8); v != nil {
		return int64(binary.BigEndian.Uint64(v))
	}
	return 0
}
