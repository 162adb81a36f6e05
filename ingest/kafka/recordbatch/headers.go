package recordbatch

import (
	"bytes"

	"rollcall/schema"
)

// A header is two bytes on the wire at least, and 48 in memory. So many of a record are read, and
// beyond them only those by which an event is judged.
const (
	maxHeaders   = 1 << 16
	lateHeaders  = 64      // names
	lateName     = 64      // bytes
	lateValue    = 4 << 10 // bytes; no attribute of an event may be as long
	keptOfKey    = 1 << 20 // bytes of the key and
	keptOfHeader = 1 << 20 // of all headers are kept of a record that is taken apart
)

// keepLate adds a header behind the first ones, if an event is judged by it. Of several with one
// name the last is kept, as the last one counts.
func keepLate(to []schema.Header, first int, h schema.Header) []schema.Header {
	if !ofEnvelope(h.Key) {
		return to
	}
	h.Value = h.Value[:min(len(h.Value), lateValue)]
	late := to[first:]
	for i := range late {
		if bytes.Equal(late[i].Key, h.Key) {
			late[i] = h
			return to
		}
	}
	if len(late) == lateHeaders {
		return to
	}
	return append(to, h)
}

// ofEnvelope says whether a header may belong to the envelope of a CloudEvent.
func ofEnvelope(name []byte) bool {
	const (
		prefix      = "ce_"
		contentType = "content-type"
	)
	switch {
	case len(name) > lateName:
		return false
	case len(name) == len(contentType):
		if bytes.EqualFold(name, []byte(contentType)) {
			return true
		}
	}
	return len(name) > len(prefix) && bytes.EqualFold(name[:len(prefix)], []byte(prefix))
}
