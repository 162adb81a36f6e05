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
	today, earliest Day    // of the last event
	content         []byte // scratch: what identity and version are hashes of
}

// NewDecoder makes a Decoder.
func NewDecoder() *Decoder {
	d := &Decoder{}
	d.full.f = &d.fields
	d.scanner.f = &d.fields
	return d
}

// Decode judges a record at the time now. It returns nil and fills ev, whose texts hold until the next call; or it says which rule the record breaks, the
// first that applies in the order of Reasons.
func (d *Decoder) Decode(rec *Record, now time.Time, ev *Event) *Rejection {
	if len(rec.Value) > MaxValueBytes {
		return d.About(rec, d.reject(TooLarge, "the value has %d bytes; at most %d are accepted, so split it or send less", len(rec.Value), MaxValueBytes))
	}
	return d.decode(rec, now, ev, true)
}

// decode reads the value by the scanner, if it may and can, else by the full decoder. Both find the same fields: FuzzDecode holds them to it.
func (d *Decoder) decode(rec *Record, now time.Time, ev *Event, mayScan bool) *Rejection {
	binary := header(rec, "ce_specversion") != nil
	scanned := false
	if mayScan {
		d.fields.reset()
		d.scanner.b = rec.Value
		if binary {
			scanned = d.scanner.scanData()
		} else {
			scanned = d.scanner.scanEnvelope()
		}
	}
	if !scanned {
		d.fields.reset()
		var err error
		if binary {
			err = d.full.decodeData(rec.Value)
		} else {
			err = d.full.decodeEnvelope(rec.Value)
		}
		if err != nil {
			if binary {
				d.fields.putHeaders(rec)
			}
			return d.aboutBroken(rec.Value, d.malformed(rec.Value, err))
		}
	}
	if binary {
		d.fields.putHeaders(rec)
	} else if contentType := header(rec, "content-type"); bytes.HasPrefix(contentType, []byte("application/cloudevents-batch")) {
		d.fields.batch = true
	}
	return d.verdict(now, ev)
}

// header is the value of the last header of that name, nil if there is none.
func header(rec *Record, name string) []byte {
	for i := len(rec.Headers) - 1; i >= 0; i-- {
		if h := &rec.Headers[i]; string(h.Key) == name {
			if h.Value == nil {
				return []byte{}
			}
			return h.Value
		}
	}
	return nil
}

// putHeaders takes the envelope from ce_* headers (binary mode).
func (f *fields) putHeaders(rec *Record) {
	f.envelope, f.headers = true, true
	for i := range rec.Headers {
		h := &rec.Headers[i]
		if len(h.Key) > 3 && string(h.Key[:3]) == "ce_" {
			if k := envelopeKey(h.Key[3:]); k != noKey && k != dataBase64 {
				f.put(k, text, h.Value)
			}
		}
	}
}

func (d *Decoder) malformed(value []byte, err error) *Rejection {
	if len(value) == 0 {
		return d.reject(MalformedJSON, "the value is empty; send the event as JSON (deletions are entity events with deleted: true)")
	}
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		return d.reject(MalformedJSON, "the value is not JSON: %v at byte %d", syntax.Err, syntax.ByteOffset)
	}
	return d.reject(MalformedJSON, "the value is not JSON: %v", err)
}

func (d *Decoder) reject(reason Reason, format string, a ...any) *Rejection {
	return &Rejection{Reason: reason, Detail: fmt.Sprintf(format, a...)}
}
