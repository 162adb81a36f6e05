package export

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/xuri/excelize/v2"

	"rollcall/export/query"
)

// fill writes the engine's rows: a line each, an array of as many values as there are columns.
func (s *sheet) fill(rows io.Reader) error {
	lines := bufio.NewScanner(rows)
	lines.Buffer(make([]byte, bufferSize), maxRowBytes)
	values := make([][]byte, len(s.columns))
	cells := make([]any, len(s.columns))
	for lines.Scan() {
		s.bytes += int64(len(lines.Bytes()))
		if !split(lines.Bytes(), values) {
			return fmt.Errorf("row %d is no array of %d values", s.rows+1, len(values))
		}
		for i, c := range s.columns {
			var err error
			if cells[i], err = s.cell(c, values[i]); err != nil {
				return err
			}
		}
		if err := s.write(cells); err != nil {
			return err
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return unfit("A cell holds %d characters, and a map of this export is longer; "+
			"take format=csv, ndjson, json or parquet.", maxCellChars)
	}
	return lines.Err()
}

// split sets values to those of a JSON array. It returns false if these are not as many. It looks
// at the brackets and quotes alone, which costs less than encoding/json.
func split(array []byte, values [][]byte) bool {
	if len(array) < 2 || array[0] != '[' || array[len(array)-1] != ']' {
		return false
	}
	array = array[1:]
	n := 0
	depth := 1
	inText := false
	for i, begin := 0, 0; i < len(array); i++ {
		switch b := array[i]; {
		case inText && b == '\\':
			i++
		case b == '"':
			inText = !inText
		case inText:
		case b == '[' || b == '{':
			depth++
		case b == ']' || b == '}':
			depth--
		}
		if ended := depth == 0; !inText && (ended || depth == 1 && array[i] == ',') {
			if n == len(values) {
				return false
			}
			values[n] = bytes.TrimSpace(array[begin:i])
			n++
			begin = i + 1
			if ended {
				return n == len(values) && begin == len(array)
			}
		}
	}
	return false
}

// cell returns a value as the library takes it. It is nil, which leaves the cell empty, for a text
// of no characters and for a value that is missing.
func (s *sheet) cell(c query.Column, raw []byte) (any, error) {
	kind, canBeNull := c.Kind.Base()
	if canBeNull && string(raw) == "null" {
		return nil, nil
	}
	switch kind {
	case query.Text:
		text, err := textOf(raw)
		if err != nil || text == "" {
			return nil, err
		}
		return short(c, text)
	case query.CountMap, query.CostMap, query.TextMap, query.List:
		return short(c, plainJSON(raw))
	case query.Date:
		return s.dateCell(raw)
	case query.Time:
		return s.dateCell(bytes.Replace(raw, []byte("T00:00:00Z"), nil, 1)) // a day's first moment has its number
	case query.Bool:
		return strconv.ParseBool(string(raw))
	case query.Integer, query.Quantity:
		// Spreadsheets calculate with float64, which has every integer up to this one.
		const exact = 1 << 53
		n, err := strconv.ParseUint(string(raw), 10, 64)
		if err == nil && n > exact {
			return string(raw), nil
		}
		return n, err
	}
	n, err := strconv.ParseFloat(string(raw), 64)
	if err != nil {
		return nil, err
	}
	// rounded to the digits that spreadsheets have, because excelize would cut the others off
	return strconv.ParseFloat(strconv.FormatFloat(n, 'g', 15, 64), 64)
}

// dateCell returns a day as spreadsheets number them. They do not agree on the numbers of days
// before March 1900, so such a day is a text.
func (s *sheet) dateCell(raw []byte) (any, error) {
	text, err := textOf(raw)
	if err != nil {
		return nil, err
	}
	day, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return nil, err
	}
	first := time.Date(1900, 3, 1, 0, 0, 0, 0, time.UTC)
	if day.Before(first) {
		return text, nil
	}
	const numberOfFirst = 61
	const perDay = 24 * 60 * 60
	return excelize.Cell{StyleID: s.date, Value: numberOfFirst + (day.Unix()-first.Unix())/perDay}, nil
}

// textOf returns a JSON text.
func textOf(raw []byte) (text string, err error) {
	if len(raw) >= 2 && raw[0] == '"' && bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1]), nil
	}
	err = json.Unmarshal(raw, &text)
	return text, err
}

// short returns the text if a cell holds it whole.
func short(c query.Column, text string) (any, error) {
	if len(text) <= maxCellChars || utf16Length(text) <= maxCellChars {
		return text, nil
	}
	return nil, unfit("A cell holds %d characters, and the column %s has a longer text; "+
		"take format=csv, ndjson, json or parquet, or leave the column out with columns=.", maxCellChars, c.Name)
}

func utf16Length(text string) (n int) {
	for _, r := range text {
		if n++; r > 0xffff {
			n++
		}
	}
	return n
}

// plainJSON is a map as CSV shows it: the engine also escapes U+2028 and U+2029, which JSON does
// not ask for.
func plainJSON(raw []byte) string {
	if !bytes.Contains(raw, []byte(`\u202`)) {
		return string(raw)
	}
	var plain strings.Builder
	for len(raw) > 0 {
		n := 1
		switch {
		case bytes.HasPrefix(raw, []byte(`\u2028`)):
			plain.WriteString("\u2028")
			raw = raw[6:]
			continue
		case bytes.HasPrefix(raw, []byte(`\u2029`)):
			plain.WriteString("\u2029")
			raw = raw[6:]
			continue
		case raw[0] == '\\':
			n = 2 // the character after it begins no other escape
		}
		n = min(n, len(raw))
		plain.Write(raw[:n])
		raw = raw[n:]
	}
	return plain.String()
}
