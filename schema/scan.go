package schema

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// A scanner reads the JSON that producers usually send, without allocating: texts without escapes,
// and no nested values but data, settings and lists of group ids. It accepts a value only if it is
// sure that the full decoder would find the same fields. At the first doubt it gives up, and the
// full decoder decides.
//
// Its methods take the position at which they start. They return the position after what they read,
// or doubt. So the position stays in a register; as a field of the scanner it would cost a sixth of
// the speed.
type scanner struct {
	b []byte
	f *fields
}

const doubt = -1

// scanEnvelope reads a structured event.
func (s *scanner) scanEnvelope() bool {
	s.f.envelope = true
	return s.whole(inEnvelope)
}

// scanData reads the data of a binary event.
func (s *scanner) scanData() bool {
	s.f.startData(object)
	return s.whole(inData)
}

// whole reads an object. Only white space may surround it.
func (s *scanner) whole(in place) bool {
	i := space(s.b, 0)
	if i == len(s.b) || s.b[i] != '{' {
		return false
	}
	if i = s.object(in, i); i == doubt {
		return false
	}
	return space(s.b, i) == len(s.b)
}

// A place is an object with known keys.
type place uint8

const (
	inEnvelope place = iota
	inData
	inSettings
)

// object reads {"name": value, …}.
func (s *scanner) object(in place, i int) int {
	b := s.b
	known := names[in]
	if i = space(b, i+1); i < len(b) && b[i] == '}' {
		return i + 1
	}
	for {
		if i >= len(b) || b[i] != '"' {
			return doubt
		}
		k, end := known.find(b, i+1)
		if end == doubt {
			return doubt
		}
		if i = space(b, end+1); i >= len(b) || b[i] != ':' {
			return doubt
		}
		if i = space(b, i+1); i < len(b) && b[i] == '"' && k < keyCount {
			start := i + 1
			if i = textEnd(b, start); i == doubt {
				return doubt
			}
			s.put(k, text, b[start:i])
			i++
		} else if i = s.other(k, i); i == doubt {
			return doubt
		}
		if i = space(b, i); i >= len(b) {
			return doubt
		}
		switch b[i] {
		case ',':
			i = space(b, i+1)
		case '}':
			return i + 1
		default:
			return doubt
		}
	}
}

// other reads the value of a member that is not a text.
func (s *scanner) other(k key, i int) int {
	switch k {
	case dataObject:
		return s.nested(inData, i)
	case settingsObject:
		return s.nested(inSettings, i)
	case groupIDs:
		if i < len(s.b) && s.b[i] == '[' {
			return s.ids(i)
		}
	}
	return s.scalar(k, i)
}

// ids reads a list of texts.
func (s *scanner) ids(i int) int {
	b := s.b
	s.f.startGroups()
	if i = space(b, i+1); i < len(b) && b[i] == ']' {
		return i + 1
	}
	for {
		if i >= len(b) || b[i] != '"' {
			return doubt
		}
		start := i + 1
		if i = textEnd(b, start); i == doubt {
			return doubt
		}
		s.f.groups.add(text, b[start:i])
		if i = space(b, i+1); i >= len(b) {
			return doubt
		}
		switch b[i] {
		case ',':
			i = space(b, i+1)
		case ']':
			return i + 1
		default:
			return doubt
		}
	}
}

func (s *scanner) put(k key, kind kindOf, bytes []byte) {
	if k != noKey {
		s.f.put(k, kind, bytes)
	}
}

// nested reads data or settings, which must be objects here.
func (s *scanner) nested(in place, i int) int {
	if i >= len(s.b) || s.b[i] != '{' {
		return doubt
	}
	if in == inData {
		s.f.startData(object)
	} else {
		s.f.startSettings(object)
	}
	return s.object(in, i)
}

// scalar reads a number, boolean or null.
func (s *scanner) scalar(k key, i int) int {
	if i >= len(s.b) {
		return doubt
	}
	kind := number
	end := doubt
	switch s.b[i] {
	case 't':
		kind = boolTrue
		end = word(s.b, i, "true")
	case 'f':
		kind = boolFalse
		end = word(s.b, i, "false")
	case 'n':
		kind = absent
		end = word(s.b, i, "null")
	default:
		end = numberEnd(s.b, i)
	}
	if end != doubt {
		s.put(k, kind, s.b[i:end])
	}
	return end
}

// textEnd finds the quote that ends a text without escapes, eight bytes at a time.
func textEnd(b []byte, start int) int {
	i := start
	for ; len(b)-i >= 8; i += 8 {
		if marks := special(binary.LittleEndian.Uint64(b[i:])); marks != 0 {
			if i += bits.TrailingZeros64(marks) >> 3; b[i] == '"' {
				return i
			}
			break
		}
	}
	return rareTextEnd(b, start, i)
}

// rareTextEnd continues where textEnd stopped: at another marked byte than a quote, or at the last
// bytes of the record.
func rareTextEnd(b []byte, start, i int) int {
	for ascii := true; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			if ascii || utf8.Valid(b[start:i]) {
				return i
			}
			return doubt
		case c == '\\' || c < ' ':
			return doubt
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	return doubt
}

const (
	ones = 0x0101010101010101
	high = 0x8080808080808080
)

// special sets the highest bit of each of eight bytes at which a text must be looked at more
// closely: a quote, a backslash, a control character, or a byte of a longer UTF-8 sequence (its
// highest bit is set anyway). For a quote and a backslash, XOR turns the byte into 0 and leaves
// every other ASCII byte below 128; less 1, only the 0 gets the highest bit. A borrow can mark only
// bytes after a marked one, and the first mark is the one that counts.
func special(w uint64) uint64 {
	return (((w ^ '"'*ones) - ones) | ((w ^ '\\'*ones) - ones) | (w - ' '*ones) | w) & high
}

// numberEnd finds the end of digits and of the fraction after them, if there is one. Numbers with
// signs or exponents are left to the full decoder.
func numberEnd(b []byte, start int) int {
	i := digits(b, start)
	if i == start || b[start] == '0' && i-start > 1 {
		return doubt
	}
	if i < len(b) && b[i] == '.' {
		fraction := i + 1
		if i = digits(b, fraction); i == fraction {
			return doubt
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		return doubt
	}
	return i
}

func digits(b []byte, i int) int {
	for i < len(b) && b[i]-'0' <= 9 {
		i++
	}
	return i
}

func word(b []byte, i int, w string) int {
	if len(b)-i < len(w) || string(b[i:i+len(w)]) != w {
		return doubt
	}
	return i + len(w)
}

// space skips white space between tokens. Usually there is none.
func space(b []byte, i int) int {
	if i < len(b) && b[i] > ' ' {
		return i
	}
	return skipSpace(b, i)
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}
