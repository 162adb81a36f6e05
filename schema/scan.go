package schema

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// A scanner reads the JSON that producers usually send, without allocating: no escapes in texts, no nested values but data and settings. It accepts a value
// only if it is sure that the full decoder would find the same fields; at the first doubt it gives up, and the full decoder decides.
type scanner struct {
	b  []byte
	at int
	f  *fields
}

// scanEnvelope reads a structured event.
func (s *scanner) scanEnvelope() bool {
	s.space()
	s.f.envelope = true
	return s.object(inEnvelope) && s.end()
}

// scanData reads the data of a binary event.
func (s *scanner) scanData() bool {
	s.space()
	s.f.startData(object)
	return s.object(inData) && s.end()
}

// A place is an object with known keys.
type place uint8

const (
	inEnvelope place = iota
	inData
	inSettings
)

// object reads {"name": value, …}; after it, at is behind the }.
func (s *scanner) object(in place) bool {
	if !s.take('{') {
		return false
	}
	s.space()
	if s.take('}') {
		return true
	}
	for {
		name, ok := s.text()
		if !ok {
			return false
		}
		s.space()
		if !s.take(':') {
			return false
		}
		s.space()
		if !s.member(in, name) {
			return false
		}
		s.space()
		if s.take('}') {
			return true
		}
		if !s.take(',') {
			return false
		}
		s.space()
	}
}

// member reads the value of one member.
func (s *scanner) member(in place, name []byte) bool {
	var k key
	switch in {
	case inEnvelope:
		if string(name) == "data" {
			return s.nested(inData)
		}
		k = envelopeKey(name)
	case inData:
		if string(name) == "settings" {
			return s.nested(inSettings)
		}
		k = dataKey(name)
	default:
		k = settingsKey(name)
	}
	kind, bytes, ok := s.scalar()
	if ok && k != noKey {
		s.f.put(k, kind, bytes)
	}
	return ok
}

// nested reads data or settings, which must be objects here.
func (s *scanner) nested(in place) bool {
	if s.at >= len(s.b) || s.b[s.at] != '{' {
		return false
	}
	if in == inData {
		s.f.startData(object)
	} else {
		s.f.startSettings(object)
	}
	return s.object(in)
}

// scalar reads a text, number, boolean or null.
func (s *scanner) scalar() (kindOf, []byte, bool) {
	if s.at >= len(s.b) {
		return absent, nil, false
	}
	switch c := s.b[s.at]; {
	case c == '"':
		bytes, ok := s.text()
		return text, bytes, ok
	case c >= '0' && c <= '9':
		return s.number()
	case c == 't':
		return boolTrue, nil, s.word("true")
	case c == 'f':
		return boolFalse, nil, s.word("false")
	case c == 'n':
		return absent, nil, s.word("null")
	}
	return absent, nil, false
}

// text reads a text without escapes, eight bytes at a time.
func (s *scanner) text() ([]byte, bool) {
	b, i := s.b, s.at
	if i >= len(b) || b[i] != '"' {
		return nil, false
	}
	i++
	start := i
	ascii := true
	for i < len(b) {
		if i+8 <= len(b) {
			marks := special(binary.LittleEndian.Uint64(b[i:]))
			if marks == 0 {
				i += 8
				continue
			}
			i += bits.TrailingZeros64(marks) / 8
		}
		switch c := b[i]; {
		case c == '"':
			s.at = i + 1
			return b[start:i], ascii || utf8.Valid(b[start:i])
		case c == '\\' || c < ' ':
			return nil, false
		case c >= utf8.RuneSelf:
			ascii = false
		}
		i++
	}
	return nil, false
}

// special marks, by its highest bit, each of eight bytes that may not be passed over in a text: a quote, a backslash, a control character or part of a longer
// UTF-8 sequence. Borrows can only mark bytes after a marked one, and the first mark is what counts.
func special(w uint64) uint64 {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	quote, backslash := w^('"'*ones), w^('\\'*ones)
	return ((quote-ones)&^quote | (backslash-ones)&^backslash | (w - ' '*ones) | w) & high
}

// number reads digits, and a fraction if there is one; signs and exponents are left to the full decoder.
func (s *scanner) number() (kindOf, []byte, bool) {
	start := s.at
	s.digits()
	if s.b[start] == '0' && s.at-start > 1 {
		return number, nil, false
	}
	if s.take('.') {
		fraction := s.at
		if s.digits(); s.at == fraction {
			return number, nil, false
		}
	}
	if s.at < len(s.b) && (s.b[s.at]|0x20) == 'e' {
		return number, nil, false
	}
	return number, s.b[start:s.at], true
}

func (s *scanner) digits() {
	for s.at < len(s.b) && s.b[s.at]-'0' <= 9 {
		s.at++
	}
}

func (s *scanner) word(w string) bool {
	if len(s.b)-s.at < len(w) || string(s.b[s.at:s.at+len(w)]) != w {
		return false
	}
	s.at += len(w)
	return true
}

func (s *scanner) space() {
	if s.at < len(s.b) && s.b[s.at] > ' ' { // the usual case, cheap enough to be inlined
		return
	}
	s.skipSpace()
}

func (s *scanner) skipSpace() {
	for s.at < len(s.b) {
		switch s.b[s.at] {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return
		}
	}
}

func (s *scanner) take(c byte) bool {
	if s.at < len(s.b) && s.b[s.at] == c {
		s.at++
		return true
	}
	return false
}

// end: nothing but space may follow.
func (s *scanner) end() bool {
	s.space()
	return s.at == len(s.b)
}
