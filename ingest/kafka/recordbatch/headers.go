package recordbatch

import (
	"bytes"

	"rollcall/schema"
)

// At most maxHeaders headers of a record are read, because a header may be only two bytes on the
// wire but takes 48 in memory. Beyond them, only the headers by which an event is judged are read
// (late headers).
const (
	maxHeaders   = 1 << 16
	lateHeaders  = 64      // different names
	lateName     = 64      // bytes
	lateValue    = 4 << 10 // bytes; no valid attribute of an event is that long
	keptOfKey    = 1 << 20 // bytes of the key that are kept of a record that is read in pieces
	keptOfHeader = 1 << 20 // likewise, of all its headers together
)

// keepLate adds a header behind the first ones, if an event is judged by it. Of several late
// headers with one name, the last is kept, because the last one counts.
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
