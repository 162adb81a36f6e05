package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// Ids, names and errors contain what producers send: tabs, line breaks, escape sequences, direction
// marks. None of these may be printed on a terminal, where they would move columns, hide or fake
// other output, or run as a command.

// shown returns an id or a name as it is printed: unchanged, or as a Go string in quotes if it
// could be misread.
func shown(s string) string {
	misread := !utf8.ValidString(s) || strings.ContainsFunc(s, hidden) || strings.HasPrefix(s, `"`) ||
		strings.TrimSpace(s) != s || strings.Contains(s, "  ")
	if misread {
		return strconv.Quote(s)
	}
	return s
}

// oneLine returns a sentence on one line, whatever it contains: characters that do not print are
// escaped.
func oneLine(s string) string {
	var b strings.Builder
	s = strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "; ")
	for _, r := range strings.ToValidUTF8(s, "\ufffd") {
		if hidden(r) {
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// shownJSON returns JSON text in which a terminal shows every character: characters that do not
// print are escaped, which does not change the meaning.
func shownJSON(text []byte) []byte {
	var b strings.Builder
	for _, r := range string(text) {
		switch {
		case r < utf8.RuneSelf && r != 0x7f || !hidden(r): // the encoder has escaped all before DEL but line ends
			b.WriteRune(r)
		case r > 0xffff:
			high, low := surrogates(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return []byte(b.String())
}

func surrogates(r rune) (high, low rune) {
	r -= 0x10000
	return 0xd800 + r>>10, 0xdc00 + r&0x3ff
}

// hidden says whether a character does not print as itself.
func hidden(r rune) bool { return !unicode.IsPrint(r) }

// A table prints rows of cells in columns that are aligned on a terminal, whatever the cells
// contain.
type table struct {
	rows [][]string
}

func (t *table) row(cells ...string) {
	for i, cell := range cells {
		cells[i] = shown(cell)
	}
	t.rows = append(t.rows, cells)
}

// maxColumn is the greatest width of a cell on a terminal. There, and only there, longer cells are
// cut.
const maxColumn = 40

func (t *table) print(w io.Writer) error {
	var widths []int
	for _, row := range t.rows {
		for i, cell := range row {
			if isTerminal(w) {
				row[i] = cut(cell, maxColumn)
			}
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], columns(row[i]))
		}
	}
	for _, row := range t.rows {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell + strings.Repeat(" ", widths[i]-columns(cell)+2))
		}
		if _, err := fmt.Fprintln(w, strings.TrimRight(line.String(), " ")); err != nil {
			return err
		}
	}
	return nil
}

// columns is how many columns of a terminal the text takes.
func columns(s string) (n int) {
	for _, r := range s {
		n += columnsOf(r)
	}
	return n
}

func columnsOf(r rune) int {
	if unicode.In(r, unicode.Mn, unicode.Me) {
		return 0
	}
	if kind := width.LookupRune(r).Kind(); kind == width.EastAsianWide || kind == width.EastAsianFullwidth {
		return 2
	}
	return 1
}

// cut shortens a text that takes more than so many columns.
func cut(s string, most int) string {
	if columns(s) <= most {
		return s
	}
	n := 0
	for i, r := range s {
		if n += columnsOf(r); n > most-1 {
			return s[:i] + "…"
		}
	}
	return s
}
