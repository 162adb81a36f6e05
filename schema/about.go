package schema

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// searched is how much of a value that is not JSON, or too large to be decoded, is looked through
// for names.
const searched = 64 << 10

// about fills in whom a rejected record speaks of, and when it was, as far as it could be read:
// rejects are found and erased by it.
func (d *Decoder) about(rej *Rejection) *Rejection {
	f := &d.fields
	rej.Org, rej.User = f.text(orgID), f.text(userID)
	if rej.User == "" && f.text(entityKind) == "user" {
		rej.User = f.text(entityID)
	}
	rej.Time, rej.Timed = parseTime([]byte(f.text(eventTime)))
	return rej
}

// About fills in whom a record speaks of, and when it was, that is rejected without having been
// decoded. Its value may be cut.
func (d *Decoder) About(rec *Record, rej *Rejection) *Rejection {
	value := withoutMark(rec.Value[:min(len(rec.Value), searched)])
	_ = d.read(d.fields.begin(rec), value) // what it found before the end counts
	return d.aboutBroken(value, rej)
}

// aboutBroken is about for a value that could be decoded in part: what is still unknown is searched
// for as text.
func (d *Decoder) aboutBroken(value []byte, rej *Rejection) *Rejection {
	value = value[:min(len(value), searched)]
	f := &d.fields
	for _, k := range []key{orgID, userID, entityKind, eventTime} {
		if f.text(k) == "" && !(k == eventTime && f.headers) {
			f.put(k, text, lastText(value, keyNames[k]))
		}
	}
	if _, data, found := bytes.Cut(value, []byte(`"data"`)); found { // before it, "id" is the event's
		value = data
	}
	if f.text(entityID) == "" {
		f.put(entityID, text, lastText(value, keyNames[entityID]))
	}
	return d.about(rej)
}

// lastText finds the last "name": "text" in what may be anything. name is as in keyNames.
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

// textAfter reads : "text".
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
