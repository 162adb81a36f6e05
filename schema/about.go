package schema

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// searched limits the search for names in a value that is not JSON or is too large to be decoded,
// in bytes.
const searched = 64 << 10

// about fills in the org, the user and the time of a rejected record, as far as they could be read.
// Rejects are found and erased by them.
func (d *Decoder) about(rej *Rejection) *Rejection {
	f := &d.fields
	rej.Org, rej.User = f.text(orgID), f.text(userID)
	if rej.User == "" && f.text(entityKind) == "user" {
		rej.User = f.text(entityID)
	}
	rej.Time, rej.Timed = parseTime([]byte(f.text(eventTime)))
	return rej
}

// aboutUndecoded is about for a record that is rejected before it is decoded. The value of rec may
// be cut.
func (d *Decoder) aboutUndecoded(rec *Record, rej *Rejection) *Rejection {
	value := withoutMark(rec.Value[:min(len(rec.Value), searched)])
	_ = d.read(d.fields.begin(rec), value) // after an error, what was read before it counts
	return d.aboutBroken(value, rej)
}

// aboutBroken is about for a value of which only a part could be decoded. It searches the text of
// the value for the keys that are still unknown.
func (d *Decoder) aboutBroken(value []byte, rej *Rejection) *Rejection {
	value = value[:min(len(value), searched)]
	f := &d.fields
	for _, k := range []key{orgID, userID, entityKind, eventTime} {
		if f.text(k) == "" && !(k == eventTime && f.headers) {
			f.put(k, text, lastText(value, keyNames[k]))
		}
	}
	if _, data, found := bytes.Cut(value, []byte(`"data"`)); found { // an "id" before data is the event's
		value = data
	}
	if f.text(entityID) == "" {
		f.put(entityID, text, lastText(value, keyNames[entityID]))
	}
	return d.about(rej)
}

// lastText finds the last "name": "text" in bytes that need not be JSON. name is as in keyNames.
func lastText(b []byte, name string) []byte {
	quoted := []byte(`"` + strings.TrimPrefix(name, "data.") + `"`)
	for {
		at := bytes.LastIndex(b, quoted)
		if at < 0 {
			return nil
		}
		if text := textAfter(b[at+len(quoted):]); text != nil {
			return text
		}
		b = b[:at]
	}
}

// textAfter reads : "text" at the start of b. It returns nil if b starts otherwise.
func textAfter(b []byte) []byte {
	const space = " \t\r\n"
	b = bytes.TrimLeft(b, space)
	if len(b) == 0 || b[0] != ':' {
		return nil
	}
	b = bytes.TrimLeft(b[1:], space)
	for i := 1; i < len(b) && i <= 6*maxID+1; i++ { // an escape takes 6 bytes
		switch b[i] {
		case '\\':
			i++
		case '"':
			token, err := jsontext.NewDecoder(bytes.NewReader(b[:i+1]), jsonOptions...).ReadToken()
			if err != nil || token.Kind() != '"' || !utf8.Valid(b[:i+1]) {
				return nil
			}
			return []byte(token.String())
		}
	}
	return nil
}
