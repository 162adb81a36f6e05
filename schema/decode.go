package schema

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// A Decoder turns records into events. It reuses its memory and is not safe for concurrent use.
type Decoder struct {
	fields          fields
	scanner         scanner
	full            fullDecoder
	judge           judge
	entity          Entity
	joined          Day
	today, earliest Day    // today when an event was last judged, and the earliest exportable date
	content         []byte // scratch: the bytes that are hashed for identity and version
}

// NewDecoder makes a Decoder.
func NewDecoder() *Decoder {
	d := &Decoder{}
	d.full.f = &d.fields
	d.scanner.f = &d.fields
	return d
}

// Decode judges a record at the time now. If the record is an event, Decode fills ev and returns
// nil; the texts of ev are valid until the next call. Otherwise it returns the first rule that the
// record breaks, in the order of Reasons.
func (d *Decoder) Decode(rec *Record, now time.Time, ev *Event) *Rejection {
	switch {
	case rec.Cut != nil:
		return d.tooLarge(rec, rec.Cut.Size)
	case len(rec.Value) > MaxValueBytes:
		return d.tooLarge(rec, uint64(len(rec.Value)))
	}
	return d.decode(rec, now, ev, true)
}

// tooLarge rejects a record with a value of size bytes. rec.Value may be only the beginning of it.
func (d *Decoder) tooLarge(rec *Record, size uint64) *Rejection {
	const detail = "the value has %d bytes; at most %d are accepted, so split it or send less"
	return d.aboutUndecoded(rec, d.reject(TooLarge, detail, size, MaxValueBytes))
}

// decode reads the value with the scanner if mayScan allows it and the scanner is sure of the
// value. Otherwise the full decoder reads it. Both find the same fields: FuzzDecode holds them to
// that.
func (d *Decoder) decode(rec *Record, now time.Time, ev *Event, mayScan bool) *Rejection {
	mode := d.fields.begin(rec)
	value := withoutMark(rec.Value)
	if !mayScan || !d.scan(mode, value) {
		if err := d.read(mode, value); err != nil {
			return d.aboutBroken(value, d.malformed(rec, err))
		}
	}
	d.fields.batch = d.fields.batch || mode == modeBatch
	return d.verdict(now, ev)
}

// scan reports whether the scanner could read the value.
func (d *Decoder) scan(mode mode, value []byte) bool {
	d.scanner.b = value
	if mode == modeBinary {
		return d.scanner.scanData()
	}
	return d.scanner.scanEnvelope()
}

// read reads the value with the full decoder and forgets what the scanner found in it. After an
// error the fields have what came before the error.
func (d *Decoder) read(mode mode, value []byte) error {
	if mode == modeBinary {
		d.fields.startData(absent)
		return d.full.decodeData(value)
	}
	d.fields.reset()
	return d.full.decodeEnvelope(value)
}

func (d *Decoder) malformed(rec *Record, err error) *Rejection {
	value := withoutMark(rec.Value)
	switch {
	case len(value) == 0:
		return d.reject(MalformedJSON,
			"the value is empty; send the event as JSON (deletions are entity events with deleted: true)")
	case bytes.HasPrefix(value, []byte("\xff\xfe")) || bytes.HasPrefix(value, []byte("\xfe\xff")):
		return d.reject(MalformedJSON, "the value is not JSON in UTF-8: it begins as UTF-16 does; send UTF-8")
	}
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		at := len(rec.Value) - len(value) + int(syntax.ByteOffset)
		return d.reject(MalformedJSON, "the value is not JSON: %v at byte %d", syntax.Err, at)
	}
	return d.reject(MalformedJSON, "the value is not JSON: %v", err)
}

func (d *Decoder) reject(reason Reason, format string, a ...any) *Rejection {
	return &Rejection{Reason: reason, Detail: fmt.Sprintf(format, a...)}
}
