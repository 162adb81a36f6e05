package embedded

import "strings"

// token is one word, quoted text, number or sign of a SQL text.
type token struct {
	kind tokenKind
	text string
	at   int // its position in the text
}

type tokenKind int

const (
	endToken tokenKind = iota
	wordToken
	otherToken
)

func (t token) is(sign string) bool { return t.kind == otherToken && t.text == sign }

// word returns the token in capitals if it is an unquoted word, else "".
func (t token) word() string {
	if t.kind != wordToken {
		return ""
	}
	return strings.ToUpper(t.text)
}

// lexer splits a SQL text into tokens as ClickHouse does, as far as is needed to distinguish words
// from texts, quoted names and comments.
type lexer struct {
	text string
	at   int
}

func (l *lexer) next() token {
	l.skipBlanks()
	start := l.at
	rest := l.text[l.at:]
	if rest == "" {
		return token{kind: endToken, at: start}
	}
	kind := otherToken
	length := 1
	switch c := rest[0]; {
	case isWordByte(c):
		kind = wordToken
		for length < len(rest) && isWordByte(rest[length]) {
			length++
		}
		if c >= '0' && c <= '9' {
			kind = otherToken
		}
	case c == '\'' || c == '"' || c == '`':
		length = quotedLength(rest)
	case c == '$':
		length = heredocLength(rest)
	}
	l.at += length
	return token{kind: kind, text: rest[:length], at: start}
}

// rest reads from first to the end of the statement. It returns the position of that end, and the
// tokens outside all brackets, including closing brackets.
func (l *lexer) rest(first token) (end int, tokens []token, err error) {
	depth := 0
	end = l.at
	for t := first; t.kind != endToken; t = l.next() {
		switch {
		case t.is(";") && depth <= 0:
			if next := l.next(); next.kind != endToken {
				return 0, nil, newException(codeSyntaxError,
					"Syntax error (Multi-statements are not allowed): send one statement per request")
			}
			return end, tokens, nil
		case t.is("(") || t.is("[") || t.is("{"):
			depth++
		case t.is(")") || t.is("]") || t.is("}"):
			depth--
		}
		if depth <= 0 {
			tokens = append(tokens, t)
		}
		end = l.at
	}
	return end, tokens, nil
}

func (l *lexer) skipBlanks() {
	for l.at < len(l.text) {
		rest := l.text[l.at:]
		switch {
		case strings.IndexByte(" \t\n\r\f\v", rest[0]) >= 0:
			l.at++
		case strings.HasPrefix(rest, "--") || strings.HasPrefix(rest, "# ") || strings.HasPrefix(rest, "#!"):
			l.at += until(rest, "\n")
		case strings.HasPrefix(rest, "/*"):
			l.at += 2 + until(rest[2:], "*/")
		default:
			return
		}
	}
}

// until is the length of text up to and including mark, or to the end of text.
func until(text, mark string) int {
	if i := strings.Index(text, mark); i >= 0 {
		return i + len(mark)
	}
	return len(text)
}

// quotedLength is the length of a text or name in quotes. Inside, the quote is written twice or
// after a backslash.
func quotedLength(text string) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case text[0]:
			if i+1 == len(text) || text[i+1] != text[0] {
				return i + 1
			}
			i++
		}
	}
	return len(text)
}

// heredocLength is the length of $tag$…$tag$, or 1 if text does not begin with one.
func heredocLength(text string) int {
	end := 1
	for end < len(text) && isWordByte(text[end]) {
		end++
	}
	if end == len(text) || text[end] != '$' {
		return 1
	}
	tag := text[:end+1]
	return len(tag) + until(text[len(tag):], tag)
}

func isWordByte(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c >= 0x80
}
