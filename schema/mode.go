package schema

import "bytes"

// A mode is how a record carries its event: the content modes of CloudEvents' binding to Kafka.
type mode uint8

const (
	modeStructured mode = iota // the value is the envelope
	modeBinary                 // the envelope is in ce_* headers, the value is data
	modeBatch                  // the value is a list of envelopes, which is not supported
)

var (
	contentTypeHeader = []byte("content-type")
	cloudEventsType   = []byte("application/cloudevents")
	batchType         = []byte("application/cloudevents-batch")
)

// modeOf tells the modes apart as the binding does. The content type decides first, because official SDKs repeat
// the envelope of a structured event in ce_* headers. Its name and its value are read in any case. Of repeated
// headers the last counts.
func modeOf(rec *Record) mode {
	var contentType []byte
	binary := false
	for i := range rec.Headers {
		switch h := &rec.Headers[i]; {
		case len(h.Key) == len(contentTypeHeader) && bytes.EqualFold(h.Key, contentTypeHeader):
			contentType = bytes.TrimLeft(h.Value, " \t")
		case string(h.Key) == "ce_specversion":
			binary = true
		}
	}
	switch {
	case hasPrefixFold(contentType, batchType):
		return modeBatch
	case binary && !hasPrefixFold(contentType, cloudEventsType):
		return modeBinary
	}
	return modeStructured
}

func hasPrefixFold(b, prefix []byte) bool {
	return len(b) >= len(prefix) && bytes.EqualFold(b[:len(prefix)], prefix)
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

// withoutMark is the value without a byte order mark before the JSON.
func withoutMark(value []byte) []byte {
	if len(value) > 0 && value[0] == 0xEF {
		return bytes.TrimPrefix(value, []byte("\uFEFF"))
	}
	return value
}
