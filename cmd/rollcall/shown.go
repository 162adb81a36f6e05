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

// Ids, names and errors hold what producers send: tabs, line breaks, escape sequences, direction
// marks. Nothing of that may reach a terminal, where it would move columns, hide or fake what else
// is printed, or run.

// shown is an id or a name as it is printed: as it is, or as a Go string in quotes where it could
// be misread.
func shown(s string) string {
	misread := !utf8.ValidString(s) || strings.ContainsFunc(s, hidden) || strings.HasPrefix(s, `"`) ||
		strings.TrimSpace(s) != s || strings.Contains(s, "  ")
	if misread {
		return strconv.Quote(s)
	}
	return s
}

// oneLine is a sentence with whatever is in it, on one line: what does not print is escaped.
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

// shownJSON is JSON text that shows on a terminal what it holds: what does not print is escaped,
// and means the same.
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

// hidden characters do not print as themselves.
func hidden(r rune) bool { return !unicode.IsPrint(r) }

// A table prints rows of cells in columns that are aligned on a terminal, whatever the cells hold.
type table struct {
	rows [][]string
}

func (t *table) row(cells ...string) {
	for i, cell := range cells {
		cells[i] = shown(cell)
	}
	t.rows = append(t.rows, cells)
}

// maxColumn is how wide a cell is at most on a terminal: longer ones are cut there, and there
// alone.
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
