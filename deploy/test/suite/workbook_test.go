package suite

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"rollcall/deploy/test/sheets"
	"rollcall/deploy/test/suite/oracle"
)

// diffWorkbook compares a workbook with the oracle's table: it checks the type of each cell, and
// compares the values as those of NDJSON.
func diffWorkbook(want oracle.Table, file []byte) error {
	sheet, err := sheets.Read(file)
	if err != nil {
		return err
	}
	if len(sheet.Rows) != len(want.Rows)+1 || sheet.Frozen != "A2" ||
		!strings.HasSuffix(sheet.Filter, "$"+strconv.Itoa(len(sheet.Rows))) {
		return fmt.Errorf("want %d rows under a header, got %d, with a filter on %s", len(want.Rows), len(sheet.Rows),
			sheet.Filter)
	}
	var columns []string
	for _, c := range sheet.Rows[0] {
		columns = append(columns, c.Value)
	}
	if strings.Join(columns, ",") != strings.Join(want.Columns, ",") {
		return fmt.Errorf("columns:\nwant %v\ngot  %v", want.Columns, columns)
	}
	var rows bytes.Buffer
	want.Rows = append([][]oracle.Cell(nil), want.Rows...)
	for i, cells := range want.Rows {
		want.Rows[i] = nil
		got := append(sheet.Rows[i+1], make([]sheets.Cell, len(columns))...)
		for j, c := range cells {
			value, err := jsonOf(c, got[j])
			if err != nil {
				return fmt.Errorf("row %d, %s: %w", i+1, columns[j], err)
			}
			rows.WriteString([]string{",", "{"}[max(0, 1-j)] + jsonText(columns[j]) + ":" + value)
			want.Rows[i] = append(want.Rows[i], carried(c))
		}
		rows.WriteString("}\n")
	}
	return want.DiffNDJSON(rows.Bytes())
}

// jsonOf is the value that the cell would have in NDJSON, if it has the type of its column.
func jsonOf(want oracle.Cell, got sheets.Cell) (string, error) {
	const exact = 1 << 53 // the highest count that is a number
	switch {
	case (want.Kind == oracle.Map || want.Kind == oracle.List) && got.Kind == sheets.Text,
		want.Kind == oracle.Bool && got.Kind == sheets.Bool:
		return got.Value, nil
	case want.Kind == oracle.Text && !want.Null && (got.Kind == sheets.Text || got.Kind == sheets.Empty),
		want.Kind == oracle.Date && got.Kind == sheets.Date:
		return jsonText(got.Value), nil
	case want.Kind == oracle.Time && got.Kind == sheets.Date: // a day's first moment is the number of the day
		return jsonText(got.Value + "T00:00:00Z"), nil
	case (want.Kind == oracle.Date || want.Kind == oracle.Number) && want.Text == "" && got.Kind == sheets.Empty,
		want.Null && got.Kind == sheets.Empty:
		return "null", nil
	case want.Kind == oracle.Number || want.Kind == oracle.Near:
		n, err := strconv.ParseUint(strings.TrimSuffix(want.Text, ".0"), 10, 64)
		kind := sheets.Number
		if err == nil && n > exact {
			kind = sheets.Text
		}
		switch {
		case got.Kind == kind && kind == sheets.Number && digits(got.Value) == digits(want.Text):
			return want.Text, nil
		case got.Kind == kind:
			return got.Value, nil
		}
	}
	return "", fmt.Errorf("want %+v, got %+v", want, got)
}

// digits is a number with the 15 significant digits that a spreadsheet calculates with.
func digits(number string) string {
	n, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return "no number: " + number
	}
	return strconv.FormatFloat(n, 'g', 15, 64)
}

// carried is the cell without the characters that a workbook cannot carry.
func carried(c oracle.Cell) oracle.Cell {
	if c.Kind == oracle.Text {
		c.Text = sheets.TextOf(c.Text)
	}
	inJSON := strings.NewReplacer("\ufffe", "\ufffd", "\uffff", "\ufffd") // JSON escapes what else XML cannot carry
	names := map[string]string{}
	for name, value := range c.Map {
		names[inJSON.Replace(name)] = inJSON.Replace(value)
	}
	c.Map = names
	c.List = slices.Clone(c.List)
	for i, text := range c.List {
		c.List[i] = inJSON.Replace(text)
	}
	return c
}
