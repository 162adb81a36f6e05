package embedded

import "strings"

// statement is what the handler must know of a SQL text to run it: whether the statement returns
// rows, whether its rows follow it, and in which format.
type statement struct {
	sql    string // the statement without its FORMAT clause's data, and without a final semicolon
	kind   statementKind
	format string // as its FORMAT clause says; empty without one
	// outAt is for rowsOut: where INTO OUTFILE may be inserted, before the FORMAT and SETTINGS
	// clauses at the end.
	outAt int
	// data is for rowsIn: what followed the statement in the same text. It may be empty, or only
	// the beginning of the rows.
	data string
}

type statementKind int

const (
	plain   statementKind = iota // neither: DDL, INSERT … SELECT, INSERT … VALUES with its values, SET, …
	rowsOut                      // SELECT, SHOW, DESCRIBE, …
	rowsIn                       // INSERT whose rows come after it
)

// parseStatement reads the one statement of text. It does not check the SQL; the engine does.
func parseStatement(text string) (statement, error) {
	l := lexer{text: text}
	first := l.next()
	switch word := first.word(); {
	case first.kind == endToken:
		return statement{}, newException(codeSyntaxError, "Empty query")
	case word == "INSERT":
		return parseInsert(&l)
	case word == "SELECT" || word == "WITH" || word == "FROM" || word == "SHOW" || word == "DESCRIBE" || word == "DESC" ||
		word == "EXPLAIN" || word == "EXISTS" ||
		word == "CHECK" || first.is("("):
		return parseRows(&l, first)
	default:
		end, _, err := l.rest(first)
		return statement{sql: text[:end], outAt: end}, err
	}
}

// parseRows finds the clauses at the end of a statement that returns rows, outside all brackets:
// SETTINGS with its assignments, FORMAT with its one name.
func parseRows(l *lexer, first token) (statement, error) {
	end, tokens, err := l.rest(first)
	if err != nil {
		return statement{}, err
	}
	s := statement{sql: l.text[:end], kind: rowsOut, outAt: end}
	word := func(i int) string {
		if i < 0 || i >= len(tokens) {
			return ""
		}
		return tokens[i].word()
	}
	for i, t := range tokens {
		switch clause := i > 0 && !continuesExpression(tokens[i-1]); t.word() {
		case "INSERT": // WITH … INSERT INTO … SELECT
			if first.word() == "WITH" {
				return statement{sql: s.sql, outAt: end}, nil
			}
		case "OUTFILE":
			if word(i-1) == "INTO" {
				return statement{}, newException(codeNotImplemented,
					"INTO OUTFILE is not for the HTTP interface: read the answer's body")
			}
		case "UNION", "EXCEPT", "INTERSECT": // the clause before it belongs to one arm only
			s.outAt = end
		case "SETTINGS":
			if clause && s.outAt == end && word(i+1) != "" && i+2 < len(tokens) && tokens[i+2].is("=") {
				s.outAt = t.at
			}
		case "FORMAT":
			switch last := i+2 == len(tokens); {
			case !clause || word(i+1) == "":
			case last:
				s.format = tokens[i+1].text
				s.outAt = min(s.outAt, t.at)
			case word(i+2) == "SETTINGS": // settings before it belong to the last arm
				s.format = tokens[i+1].text
				s.outAt = t.at
			}
		}
	}
	return s, nil
}

// continuesExpression tells whether an expression or a name must follow t. Then FORMAT there is a
// column.
func continuesExpression(t token) bool {
	switch t.word() {
	case "SELECT", "AS", "BY", "WHERE", "AND", "OR", "ON":
		return true
	}
	return t.is(",") || t.is(".")
}

// parseInsert finds where the rows of an INSERT begin.
func parseInsert(l *lexer) (statement, error) {
	text := l.text
	previous := token{}
	for depth := 0; ; {
		t := l.next()
		switch word := t.word(); {
		case t.kind == endToken: // INSERT INTO t, after which values follow
			return statement{sql: text, kind: rowsIn, format: "Values"}, nil
		case t.is("("):
			depth++
		case t.is(")"):
			depth--
		case depth > 0 || previous.is(".") || isTablePlace(previous): // a column's or table's name
		case t.is(";"):
			return statement{sql: text[:t.at], kind: rowsIn, format: "Values", data: text[l.at:]}, nil
		case word == "SELECT" || word == "WITH" || word == "WATCH":
			end, _, err := l.rest(t)
			return statement{sql: text[:end], outAt: end}, err
		case word == "INFILE":
			return statement{}, newException(codeNotImplemented,
				"FROM INFILE is not for the HTTP interface: send the rows in the body")
		case word == "VALUES":
			return statement{sql: text[:t.at], kind: rowsIn, format: "Values", data: text[l.at:]}, nil
		case word == "FORMAT":
			if name := l.next(); name.kind == wordToken {
				return statement{sql: text[:t.at], kind: rowsIn, format: name.text, data: afterFormat(text[l.at:])}, nil
			}
			return statement{}, newException(codeSyntaxError, "Syntax error: no format is named after FORMAT")
		}
		previous = t
	}
}

func isTablePlace(previous token) bool {
	switch previous.word() {
	case "INTO", "TABLE", "FUNCTION":
		return true
	}
	return false
}

// afterFormat removes what stands between the format's name and the data: blanks, a semicolon, and
// one line end.
func afterFormat(data string) string {
	data = strings.TrimLeft(data, " \t\f")
	data = strings.TrimLeft(strings.TrimPrefix(data, ";"), " \t\f")
	data = strings.TrimPrefix(data, "\r")
	return strings.TrimPrefix(data, "\n")
}
