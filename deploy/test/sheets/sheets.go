// Package sheets reads workbooks (Office Open XML, ECMA-376) for tests. It shares nothing with the
// library that writes them, and takes no more of the format than an export may have: whatever else
// it finds is an error.
package sheets

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A Kind is the type of a cell.
type Kind string

const (
	Empty  Kind = ""
	Text   Kind = "text"
	Number Kind = "number"
	Date   Kind = "date" // Value is YYYY-MM-DD
	Bool   Kind = "bool" // Value is true or false
)

// A Cell is a value as a spreadsheet program sees it.
type Cell struct {
	Kind  Kind
	Value string
}

// A Sheet is the only one of a workbook.
type Sheet struct {
	Name   string
	Frozen string // the first cell that scrolls, like A2
	Filter string // the range whose first row has the buttons of a filter
	Rows   [][]Cell
}

type sheetXML struct {
	Pane struct {
		TopLeft string `xml:"topLeftCell,attr"`
		State   string `xml:"state,attr"`
	} `xml:"sheetViews>sheetView>pane"`
	Rows []struct {
		Number int       `xml:"r,attr"`
		Cells  []cellXML `xml:"c"`
	} `xml:"sheetData>row"`
	Filter struct {
		Range string `xml:"ref,attr"`
	} `xml:"autoFilter"`
}

type cellXML struct {
	At      string  `xml:"r,attr"`
	Type    string  `xml:"t,attr"`
	Style   int     `xml:"s,attr"`
	Formula *string `xml:"f"`
	Value   *string `xml:"v"`
	Inline  *string `xml:"is>t"`
}

type stylesXML struct {
	Formats []struct {
		Number int `xml:"numFmtId,attr"`
	} `xml:"cellXfs>xf"`
}

type workbookXML struct {
	Sheets []struct {
		Name string `xml:"name,attr"`
	} `xml:"sheets>sheet"`
}

// Read reads a file.
func Read(file []byte) (*Sheet, error) {
	archive, err := zip.NewReader(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		return nil, err
	}
	var book workbookXML
	var styles stylesXML
	var sheet sheetXML
	for name, into := range map[string]any{
		"xl/workbook.xml": &book, "xl/styles.xml": &styles, "xl/worksheets/sheet1.xml": &sheet,
	} {
		part, err := archive.Open(name)
		if err != nil {
			return nil, err
		}
		defer part.Close()
		if err := xml.NewDecoder(part).Decode(into); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	if len(book.Sheets) != 1 {
		return nil, fmt.Errorf("%d sheets", len(book.Sheets))
	}
	s := &Sheet{Name: book.Sheets[0].Name, Filter: sheet.Filter.Range}
	if sheet.Pane.State == "frozen" {
		s.Frozen = sheet.Pane.TopLeft
	}
	for i, row := range sheet.Rows {
		if row.Number != i+1 {
			return nil, fmt.Errorf("row %d follows row %d", row.Number, i)
		}
		var cells []Cell
		for _, c := range row.Cells {
			at, err := column(c.At, row.Number)
			if err != nil || at < len(cells) {
				return nil, fmt.Errorf("cell %s after %d others: %v", c.At, len(cells), err)
			}
			cells = append(cells, make([]Cell, at-len(cells))...)
			cell, err := c.read(styles)
			if err != nil {
				return nil, fmt.Errorf("cell %s: %w", c.At, err)
			}
			cells = append(cells, cell)
		}
		s.Rows = append(s.Rows, cells)
	}
	return s, nil
}

// column returns the index of a cell's column: 0 for A5.
func column(at string, row int) (index int, err error) {
	letters, ok := strings.CutSuffix(at, strconv.Itoa(row))
	for _, r := range letters {
		if r < 'A' || r > 'Z' {
			ok = false
		}
		index = 26*index + int(r-'A') + 1
	}
	if !ok || letters == "" {
		return 0, fmt.Errorf("%q is no cell of row %d", at, row)
	}
	return index - 1, nil
}

func (c cellXML) read(styles stylesXML) (Cell, error) {
	format := 0
	if c.Style < len(styles.Formats) {
		format = styles.Formats[c.Style].Number
	}
	switch {
	case c.Formula != nil:
		return Cell{}, fmt.Errorf("a formula: %s", *c.Formula)
	case c.Type == "inlineStr" && c.Inline != nil && c.Value == nil:
		return Cell{Text, unescaped(*c.Inline)}, nil
	case c.Value == nil || c.Inline != nil:
		return Cell{}, fmt.Errorf("neither a text nor a value: %+v", c)
	case c.Type == "b":
		return Cell{Bool, map[string]string{"0": "false", "1": "true"}[*c.Value]}, nil
	case (c.Type == "" || c.Type == "n") && format == 0:
		if _, err := strconv.ParseFloat(*c.Value, 64); err != nil {
			return Cell{}, err
		}
		return Cell{Number, *c.Value}, nil
	case (c.Type == "" || c.Type == "n") && format == 14:
		days, err := strconv.Atoi(*c.Value)
		// Day 60 is the 29th of February 1900, which never was.
		return Cell{Date, time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC).AddDate(0, 0, days).Format(time.DateOnly)}, err
	}
	return Cell{}, fmt.Errorf("of type %q, in format %d: %+v", c.Type, format, c)
}

var escape = regexp.MustCompile(`_x[0-9A-Fa-f]{4}_`)

// unescaped reads a text as ST_Xstring says: _x0041_ stands for A.
func unescaped(text string) string {
	return escape.ReplaceAllStringFunc(text, func(s string) string {
		n, err := strconv.ParseUint(s[2:6], 16, 16)
		if err != nil {
			panic(err) // the expression takes hex digits only
		}
		return string(rune(n))
	})
}

// TextOf returns a text as a workbook carries it: what XML cannot carry becomes U+FFFD.
func TextOf(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r < ' ' && r != '\t' && r != '\n' && r != '\r', r == 0xfffe, r == 0xffff:
			return utf8.RuneError
		}
		return r
	}, text)
}
