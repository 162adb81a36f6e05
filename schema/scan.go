package schema

import "unicode/utf8"

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

// plain says of each byte that it stands for itself in a text: not a quote, a backslash, a control character or part of a longer UTF-8 sequence.
var plain = func() (t [256]bool) {
	for c := ' '; c < utf8.RuneSelf; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// text reads a text without escapes.
func (s *scanner) text() ([]byte, bool) {
	b, i := s.b, s.at
	if i >= len(b) || b[i] != '"' {
		return nil, false
	}
	i++
	start := i
	for i < len(b) && plain[b[i]] {
		i++
	}
	if i < len(b) && b[i] >= utf8.RuneSelf {
		for i < len(b) && (plain[b[i]] || b[i] >= utf8.RuneSelf) {
			i++
		}
		if !utf8.Valid(b[start:i]) {
			return nil, false
		}
	}
	if i >= len(b) || b[i] != '"' {
		return nil, false
	}
	s.at = i + 1
	return b[start:i], true
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
