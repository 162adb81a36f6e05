package schema

import (
	"bytes"
	"math"
	"strconv"
)

// Costs are kept in 10⁻⁹ USD.
const (
	costDigits = 9
	maxCost    = 1_000_000_000 * 1_000_000_000 // 10⁹ USD
)

// cost reads an optional amount of USD. A number is rounded half-even, from its text, to 9 digits
// after the point. A decimal text is never rounded: it is invalid if it has more digits.
func (j *judge) cost(k key) uint64 {
	v := j.f.get(k)
	var nano uint64
	ok := false
	switch v.kind {
	case absent:
		return 0
	case number:
		nano, ok = roundedNano(v.bytes)
	case text:
		nano, ok = writtenNano(v.bytes)
	}
	if !ok {
		const accepted = "a number, or a decimal text of at most 9 fraction digits when written out, from 0 to 1000000000"
		j.wrong("%s is %s; send %s", keyNames[k], said(v), accepted)
	}
	return nano
}

// writtenNano reads a decimal text: digits[.digits][e[±]digits], as decimal types print it. Written
// out without the exponent it has at most 9 digits after the point. A minus is accepted before a
// zero only.
func writtenNano(b []byte) (uint64, bool) {
	if n, ok := exactNano(b); ok {
		return n, true
	}
	places, ok := fractionDigits(b)
	if !ok || places > costDigits {
		return 0, false
	}
	return roundedNano(b) // rounds nothing: there are at most 9 places
}

// fractionDigits counts the digits that a decimal text has after the point when it is written out
// without an exponent. ok is false if b is no decimal text.
func fractionDigits(b []byte) (n int, ok bool) {
	b = bytes.TrimPrefix(b, []byte("-"))
	i := digits(b, 0)
	if i == 0 {
		return 0, false
	}
	if i < len(b) && b[i] == '.' {
		start := i + 1
		i = digits(b, start)
		if n = i - start; n == 0 {
			return 0, false
		}
	}
	if i == len(b) {
		return n, true
	}
	if b[i]|0x20 != 'e' {
		return 0, false
	}
	sign := i + 1
	start := sign
	if start < len(b) && (b[start] == '+' || b[start] == '-') {
		start++
	}
	if end := digits(b, start); end == start || end < len(b) {
		return 0, false
	}
	return max(0, n-exponent(b[sign:])), true
}

// exactNano reads digits[.digits], without sign and exponent.
func exactNano(b []byte) (uint64, bool) {
	var n uint64
	fraction := -1 // digits after the point; -1: no point yet
	for i, c := range b {
		switch {
		case c == '.' && fraction < 0 && i > 0:
			fraction = 0
		case c >= '0' && c <= '9' && fraction < costDigits:
			if n = n*10 + uint64(c-'0'); n > maxCost {
				return 0, false
			}
			if fraction >= 0 {
				fraction++
			}
		default:
			return 0, false
		}
	}
	if fraction == 0 {
		return 0, false // "5."
	}
	for i := max(fraction, 0); i < costDigits; i++ {
		if n *= 10; n > maxCost {
			return 0, false
		}
	}
	return n, len(b) > 0
}

// roundedNano reads a JSON number of any length and rounds it half-even.
func roundedNano(b []byte) (uint64, bool) {
	if n, ok := exactNano(b); ok {
		return n, true
	}
	digits, point, negative := significant(b)
	// In 10⁻⁹ USD the value is 0.digits × 10^keep: the first keep digits are its whole part, and
	// the others are rounded.
	keep := point + costDigits
	if keep > 19 {
		return 0, len(digits) == 0 // too large, unless it is 0
	}
	var n uint64
	for i := 0; i < keep; i++ {
		n *= 10
		if i < len(digits) {
			n += uint64(digits[i] - '0')
		}
	}
	if roundsUp(digits, keep, n) {
		n++
	}
	return n, n <= maxCost && (!negative || n == 0)
}

// significant takes a JSON number apart: its value is 0.digits × 10^point, and digits has no
// leading zeros.
func significant(b []byte) (digits []byte, point int, negative bool) {
	negative = b[0] == '-'
	seenPoint := false
	i := 0
	for ; i < len(b) && b[i]|0x20 != 'e'; i++ {
		switch c := b[i]; {
		case c == '.':
			seenPoint = true
		case c == '-':
		case c == '0' && len(digits) == 0:
			if seenPoint {
				point--
			}
		default:
			digits = append(digits, c)
			if !seenPoint {
				point++
			}
		}
	}
	if i < len(b) {
		point += exponent(b[i+1:])
	}
	return digits, point, negative
}

// exponentLimit is more than the digits of any record, and less than an int of 32 bits holds even
// with these added.
const exponentLimit = 1 << 30

// exponent reads an exponent. One beyond ±exponentLimit becomes that limit: with it, every number
// is 0 or too large, as it is with its own.
func exponent(b []byte) int {
	n, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil { // more than 64 bits hold
		n = math.MaxInt64
		if b[0] == '-' {
			n = math.MinInt64
		}
	}
	return int(min(max(n, -exponentLimit), exponentLimit))
}

// roundsUp rounds half-even. It reports whether the digits after the first keep ones are more than
// half, or are half while the last kept digit is odd.
func roundsUp(digits []byte, keep int, n uint64) bool {
	if keep < 0 || keep >= len(digits) {
		return false
	}
	switch next := digits[keep]; {
	case next != '5':
		return next > '5'
	default:
		for _, c := range digits[keep+1:] {
			if c != '0' {
				return true
			}
		}
		return n%2 == 1
	}
}
