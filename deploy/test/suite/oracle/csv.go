package oracle

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// ReadCSV reads RFC 4180 strictly: records end with CRLF, quotes are doubled, nothing else is
// special. encoding/csv would not do: it takes a bare LF for the end of a record and changes line
// ends inside cells.
func ReadCSV(file []byte, delimiter byte) (records [][]string, err error) {
	var record []string
	for len(file) > 0 {
		var cell string
		if cell, file, err = readCell(file, delimiter); err != nil {
			return nil, fmt.Errorf("record %d: %w", len(records)+1, err)
		}
		record = append(record, cell)
		switch {
		case len(file) > 0 && file[0] == delimiter:
			file = file[1:]
		case bytes.HasPrefix(file, []byte("\r\n")):
			file = file[2:]
			records = append(records, record)
			record = nil
		default:
			return nil, fmt.Errorf("record %d: after cell %q there is neither a delimiter nor CRLF", len(records)+1, cell)
		}
	}
	if record != nil {
		return nil, errors.New("the last record has no CRLF: the file is cut")
	}
	return records, nil
}

func readCell(file []byte, delimiter byte) (cell string, rest []byte, err error) {
	if file[0] != '"' {
		end := bytes.IndexAny(file, string(delimiter)+"\r\n\"")
		if end < 0 {
			return "", nil, errors.New("the file is cut within a cell")
		}
		return string(file[:end]), file[end:], nil
	}
	var b strings.Builder
	for rest = file[1:]; ; rest = rest[1:] {
		end := bytes.IndexByte(rest, '"')
		if end < 0 {
			return "", nil, errors.New("the file is cut within a quoted cell")
		}
		b.Write(rest[:end])
		if rest = rest[end+1:]; len(rest) == 0 || rest[0] != '"' {
			return b.String(), rest, nil
		}
		b.WriteByte('"')
	}
}

// Select is the table with these columns, in this order.
func (t Table) Select(names []string) Table {
	chosen := Table{Columns: names, Rows: make([][]Cell, len(t.Rows))}
	for i, row := range t.Rows {
		for _, name := range names {
			chosen.Rows[i] = append(chosen.Rows[i], row[slices.Index(t.Columns, name)])
		}
	}
	return chosen
}

// DecimalComma is the table with a comma in its numbers, but not in its maps.
func (t Table) DecimalComma() Table {
	rows := make([][]Cell, len(t.Rows))
	for i, row := range t.Rows {
		for _, c := range row {
			if c.Kind == Number {
				c.Text = strings.ReplaceAll(c.Text, ".", ",")
			}
			rows[i] = append(rows[i], c)
		}
	}
	t.Rows = rows
	return t
}

// DiffCSV says where a CSV file differs from the table. It returns nil if they are the same.
func (t Table) DiffCSV(file []byte, delimiter byte) error {
	got, err := ReadCSV(file, delimiter)
	if err != nil {
		return err
	}
	if len(got) == 0 {
		return errors.New("the file has no header row")
	}
	if strings.Join(got[0], ",") != strings.Join(t.Columns, ",") {
		return fmt.Errorf("columns:\nwant %v\ngot  %v", t.Columns, got[0])
	}
	for i, record := range got[1:] {
		if len(record) != len(t.Columns) {
			return fmt.Errorf("row %d has %d cells, not %d: %q", i+1, len(record), len(t.Columns), record)
		}
		for j := range min(len(record), len(t.Columns)) {
			if i < len(t.Rows) && !t.Rows[i][j].matchesCSV(record[j]) {
				return fmt.Errorf("row %d, %s: want %q, got %q\nwant %q\ngot  %q", i+1, t.Columns[j], t.Rows[i][j].CSV(), record[j],
					t.csvRow(i), record)
			}
		}
	}
	if rows := len(got) - 1; rows < len(t.Rows) {
		return fmt.Errorf("want %d rows, got %d; missing is %q", len(t.Rows), rows, t.csvRow(rows))
	}
	if rows := len(got) - 1; rows > len(t.Rows) {
		return fmt.Errorf("want %d rows, got %d; too many is %q", len(t.Rows), rows, got[rows])
	}
	return nil
}

func (t Table) csvRow(i int) (cells []string) {
	for _, c := range t.Rows[i] {
		cells = append(cells, c.CSV())
	}
	return cells
}

func (c Cell) matchesCSV(got string) bool {
	if c.Kind == Near {
		return c.near(got)
	}
	return c.CSV() == got
}

// near tells whether the value is within 1 %.
func (c Cell) near(got string) bool {
	want, _ := new(big.Rat).SetString(c.Text)
	have, ok := new(big.Rat).SetString(got)
	if !ok {
		return false
	}
	off := new(big.Rat).Sub(have, want)
	return off.Abs(off).Cmp(want.Mul(want, big.NewRat(1, 100))) <= 0
}
