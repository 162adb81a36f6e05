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

// begin drops what the record before left and reads the headers of this one. In binary mode the
// fields then hold the envelope. The content type decides the mode first, as the binding says:
// official SDKs repeat the envelope of a structured event in ce_* headers. Of repeated headers the
// last counts.
func (f *fields) begin(rec *Record) mode {
	f.reset()
	var contentType []byte
	binary := false
	for i := range rec.Headers {
		h := &rec.Headers[i]
		if k := headerKey(h.Key); k != noKey {
			f.put(k, text, h.Value)
			binary = binary || k == specversion
		} else if isContentType(h.Key) {
			contentType = h.Value
		}
	}
	if mode := modeOf(contentType, binary); mode != modeBinary {
		f.reset()
		f.repeated = binary
		return mode
	}
	f.envelope = true
	f.headers = true
	f.repeated = false
	return modeBinary
}

// headerKey returns the key of a ce_* header. Names are compared exactly, as those of the
// envelope's members are.
func headerKey(name []byte) key {
	switch string(name) {
	case "ce_specversion":
		return specversion
	case "ce_id":
		return envelopeID
	case "ce_source":
		return source
	case "ce_type":
		return eventType
	case "ce_time":
		return eventTime
	}
	return noKey
}

// isContentType compares the name in any case: software that passes on HTTP headers may write it in
// any.
func isContentType(name []byte) bool {
	return len(name) == len(contentTypeHeader) && bytes.EqualFold(name, contentTypeHeader)
}

// modeOf compares the content type in any case and ignores blanks before it. contentType may be
// nil. binary says that there is a ce_specversion.
func modeOf(contentType []byte, binary bool) mode {
	if len(contentType) >= len(cloudEventsType) { // the usual application/json is shorter
		contentType = bytes.TrimLeft(contentType, " \t")
		if hasPrefixFold(contentType, batchType) {
			return modeBatch
		}
		binary = binary && !hasPrefixFold(contentType, cloudEventsType)
	}
	if binary {
		return modeBinary
	}
	return modeStructured
}

func hasPrefixFold(b, prefix []byte) bool {
	return len(b) >= len(prefix) && bytes.EqualFold(b[:len(prefix)], prefix)
}

// withoutMark is the value without a byte order mark before the JSON.
func withoutMark(value []byte) []byte {
	if len(value) > 0 && value[0] == 0xEF {
		return bytes.TrimPrefix(value, []byte("\uFEFF"))
	}
	return value
}
