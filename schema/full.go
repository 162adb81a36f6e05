package schema

import (
	"bytes"
	"errors"
	"io"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// A fullDecoder reads any JSON into fields: escapes, nesting, all of RFC 8259, in valid UTF-8.
type fullDecoder struct {
	json  *jsontext.Decoder
	whole []byte // the record's value
	texts []byte // the texts that were found in it, one after the other
	f     *fields
}

// jsonOptions: of repeated keys the last counts, and the escape of a lone surrogate stands for
// U+FFFD. The second option also lets invalid UTF-8 pass; finish refuses that.
var jsonOptions = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

// usualTexts is enough for the known texts of nearly all events, in bytes.
const usualTexts = 256

// decodeEnvelope reads a structured event; an error means that the value is not JSON.
func (d *fullDecoder) decodeEnvelope(value []byte) error {
	d.start(value)
	switch d.json.PeekKind() {
	case '{':
		d.f.envelope = true
		return d.finish(d.object(inEnvelope))
	case '[':
		d.f.batch = true
	}
	return d.finish(d.json.SkipValue())
}

// decodeData reads the data of a binary event.
func (d *fullDecoder) decodeData(value []byte) error {
	d.start(value)
	return d.finish(d.nested(inData))
}

func (d *fullDecoder) start(value []byte) {
	d.whole = value
	d.texts = make([]byte, 0, usualTexts)
	if d.json == nil {
		d.json = jsontext.NewDecoder(bytes.NewReader(value), jsonOptions...)
		return
	}
	d.json.Reset(bytes.NewReader(value), jsonOptions...)
}

var (
	errTrailing    = errors.New("more text follows the JSON value")
	errInvalidUTF8 = errors.New("invalid UTF-8")
)

// finish returns an error if more text follows the value, or if the value is not valid UTF-8.
func (d *fullDecoder) finish(err error) error {
	if err != nil {
		return err
	}
	switch _, err := d.json.ReadToken(); err {
	case io.EOF:
		return validUTF8(d.whole)
	case nil:
		return errTrailing
	default:
		return err
	}
}

func validUTF8(value []byte) error {
	if utf8.Valid(value) {
		return nil
	}
	at := 0
	for {
		r, size := utf8.DecodeRune(value[at:])
		if r == utf8.RuneError && size == 1 {
			return &jsontext.SyntacticError{ByteOffset: int64(at), Err: errInvalidUTF8}
		}
		at += size
	}
}

func (d *fullDecoder) object(in place) error {
	if _, err := d.json.ReadToken(); err != nil {
		return err
	}
	for {
		token, err := d.json.ReadToken()
		if err != nil {
			return err
		}
		if token.Kind() == '}' {
			return nil
		}
		if err := d.member(in, token.String()); err != nil {
			return err
		}
	}
}

func (d *fullDecoder) member(in place, name string) error {
	var k key
	switch in {
	case inEnvelope:
		if name == "data" {
			return d.nested(inData)
		}
		k = envelopeKey([]byte(name))
	case inData:
		if name == "settings" {
			return d.nested(inSettings)
		}
		k = dataKey([]byte(name))
	default:
		k = settingsKey([]byte(name))
	}
	if k == noKey {
		return d.json.SkipValue()
	}
	if k == groupIDs && d.json.PeekKind() == '[' {
		return d.ids()
	}
	kind, bytes, err := d.value()
	if err == nil {
		d.f.put(k, kind, bytes)
	}
	return err
}

// ids reads the list of group ids. Its elements may be of any JSON type.
func (d *fullDecoder) ids() error {
	d.f.startGroups()
	if _, err := d.json.ReadToken(); err != nil {
		return err
	}
	for d.json.PeekKind() != ']' {
		kind, bytes, err := d.value()
		if err != nil {
			return err
		}
		d.f.groups.add(kind, bytes)
	}
	_, err := d.json.ReadToken()
	return err
}

// nested reads the value of data or settings, of any JSON type.
func (d *fullDecoder) nested(in place) error {
	start := d.f.startData
	if in == inSettings {
		start = d.f.startSettings
	}
	if d.json.PeekKind() == '{' {
		start(object)
		return d.object(in)
	}
	kind, bytes, err := d.value()
	if in == inSettings && kind == text && len(bytes) == 0 {
		kind = absent // as with every optional field
	}
	start(kind)
	return err
}

// value reads one value. It copies the value's bytes to d.texts, which start makes anew for each
// record.
func (d *fullDecoder) value() (kindOf, []byte, error) {
	switch d.json.PeekKind() {
	case '{':
		return object, nil, d.json.SkipValue()
	case '[':
		return array, nil, d.json.SkipValue()
	}
	raw, err := d.json.ReadValue()
	if err != nil {
		return absent, nil, err
	}
	switch raw.Kind() {
	case '"':
		// The error would only report a lone surrogate, for which U+FFFD already stands. Invalid
		// UTF-8 is refused by finish.
		texts, _ := jsontext.AppendUnquote(d.texts, []byte(raw))
		return text, d.keep(texts), nil
	case '0':
		return number, d.keep(append(d.texts, raw...)), nil
	case 't':
		return boolTrue, nil, nil
	case 'f':
		return boolFalse, nil, nil
	default: // null
		return absent, nil, nil
	}
}

// keep stores texts, which is d.texts with one more text at its end. It returns that text.
func (d *fullDecoder) keep(texts []byte) []byte {
	start := len(d.texts)
	d.texts = texts
	return texts[start:len(texts):len(texts)]
}
