//go:build spreadsheet

package export

import (
	"bytes"
	"encoding/xml"
	"io"
	"strconv"
	"strings"
)

// A sheetCell is a cell of an OpenDocument spreadsheet.
type sheetCell struct {
	kind    string // string, float, date, boolean; "" is empty
	value   string // not for strings
	text    string // as shown
	formula string
}

type sheetRow []sheetCell

// at returns a cell of the row. A row ends with its last cell that is not empty.
func (r sheetRow) at(i int) sheetCell {
	if i < len(r) {
		return r[i]
	}
	return sheetCell{}
}

// readSheet reads the cells of a flat OpenDocument file's first table, in document order.
func readSheet(file []byte) (rows []sheetRow, err error) {
	var cell *sheetCell // the cell that is being read
	var repeated int
	var text strings.Builder
	lines := 0 // paragraphs of the cell
	for decoder := xml.NewDecoder(bytes.NewReader(file)); ; {
		token, err := decoder.Token()
		if err == io.EOF {
			return trimmed(rows), nil
		} else if err != nil {
			return nil, err
		}
		switch e := token.(type) {
		case xml.StartElement:
			switch e.Name.Local {
			case "table-row":
				rows = append(rows, nil)
			case "table-cell":
				cell, repeated = newCell(e), max(1, number(e, "number-columns-repeated"))
				lines = 0
				text.Reset()
			case "p":
				if lines++; lines > 1 {
					text.WriteByte('\n')
				}
			case "s": // several blanks; XML would keep only one
				text.WriteString(strings.Repeat(" ", max(1, number(e, "c"))))
			case "tab":
				text.WriteByte('\t')
			case "line-break":
				text.WriteByte('\n')
			}
		case xml.CharData:
			if cell != nil && lines > 0 && !strings.HasPrefix(string(e), "\n") {
				text.Write(e)
			}
		case xml.EndElement:
			if e.Name.Local == "table-cell" {
				cell.text = text.String()
				for range min(repeated, 100) {
					rows[len(rows)-1] = append(rows[len(rows)-1], *cell)
				}
				cell = nil
			}
		}
	}
}

func newCell(e xml.StartElement) *sheetCell {
	c := &sheetCell{kind: attr(e, "value-type"), formula: attr(e, "formula")}
	for _, name := range []string{"value", "date-value", "boolean-value"} {
		if v := attr(e, name); v != "" {
			c.value = v
		}
	}
	return c
}

// attr returns the first attribute of that name. The one of office: comes before LibreOffice's own
// copy of it.
func attr(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

func number(e xml.StartElement, name string) int {
	n, _ := strconv.Atoi(attr(e, name))
	return n
}

// trimmed removes the empty rows and cells that fill the sheet.
func trimmed(rows []sheetRow) []sheetRow {
	for i, row := range rows {
		for len(row) > 0 && row[len(row)-1] == (sheetCell{}) {
			row = row[:len(row)-1]
		}
		rows[i] = row
	}
	for len(rows) > 0 && len(rows[len(rows)-1]) == 0 {
		rows = rows[:len(rows)-1]
	}
	return rows
}
