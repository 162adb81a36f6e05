package query

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// cell is the expression that turns a column's plain value into what the format shows.
func (r Request) cell(c Column) string {
	v := "r." + c.Name
	switch c.Name { // the same in every row, or every row of a bucket
	case "period_start":
		v = fmt.Sprintf("toDate32(%s)", r.start())
	case "period_end":
		v = fmt.Sprintf("toDate32(%s)", r.end())
	case "org_id":
		v = "{plan_org:String}"
	}
	if r.csv() {
		return r.csvCell(c, v)
	}
	switch kind, _ := c.Kind.Base(); kind {
	case Text:
		return fmt.Sprintf("toString(%s)", v)
	case Integer:
		return fmt.Sprintf("toUInt64(%s)", v)
	case Ratio, Rate:
		if r.Format == Parquet {
			return fmt.Sprintf("toFloat64(%s)", v) // readers of Parquet calculate with it
		}
	case Quantity:
		if r.Format == Parquet {
			return fmt.Sprintf("toDecimal128(%s, 9)", v)
		}
		return fmt.Sprintf("toUInt64(%s)", v)
	case Time:
		if r.Format == Parquet {
			return fmt.Sprintf("toDateTime64(%s, 3, 'UTC')", v)
		}
		return moment(v)
	case Bool:
		return fmt.Sprintf("CAST(%s, 'Bool')", v)
	}
	return v
}

// moment is the first moment of a day.
func moment(day string) string { return fmt.Sprintf("concat(toString(%s), 'T00:00:00Z')", day) }

func (r Request) csv() bool { return r.Format == CSV || r.Format == "" }

// csvCell is the cell as the file has it: texts and maps in quotes, everything else without. A
// spreadsheet can be told to keep quoted fields as text (LibreOffice has an option for that). It
// then leaves ids like 007 and 12345678901234567890 as they are, and still reads numbers and dates
// as such.
func (r Request) csvCell(c Column, v string) string {
	switch c.Name { // the same in every row, so this process makes them: see fromRollups
	case "period_start":
		return r.start()
	case "period_end":
		return r.end()
	case "org_id":
		return "{org_cell:String}"
	}
	kind, canBeNull := c.Kind.Base()
	cell := r.csvValue(c, kind, v)
	if canBeNull {
		return fmt.Sprintf("ifNull(toString(%s), '')", cell)
	}
	return cell
}

func (r Request) csvValue(c Column, kind Kind, v string) string {
	switch kind {
	case Text:
		return quoted(formulaGuard(v))
	case Time:
		return moment(v)
	case Ratio:
		return r.fraction(fmt.Sprintf("toDecimalString(%s, 2)", v))
	case Rate:
		return r.fraction(fmt.Sprintf("toDecimalString(%s, 4)", v))
	case Quantity:
		return r.fraction(decimalPoint(v))
	case Cost:
		if r.Type == Focus {
			return r.fraction(decimalPoint(v))
		}
		return r.fraction(fmt.Sprintf("toString(%s)", v))
	case Bool:
		return fmt.Sprintf("if(%s, 'true', 'false')", v)
	case CountMap, CostMap, TextMap, List:
		return fmt.Sprintf("r.maps[%d]", 1+slices.Index(r.mapColumns(), c.Name))
	}
	return v
}

// start and end are the texts of period_start and period_end.
func (r Request) start() string {
	if r.Period.Buckets != nil {
		return bucketDate("from")
	}
	return "{start:String}"
}

func (r Request) end() string {
	if r.Period.Buckets != nil {
		return bucketDate("to")
	}
	return "{end:String}"
}

// fraction is a number in plain notation with the point or comma that the request wants.
func (r Request) fraction(v string) string {
	if !r.DecimalComma {
		return v
	}
	return fmt.Sprintf("replaceOne(%s, '.', ',')", v)
}

// quoted is a text cell of RFC 4180.
func quoted(v string) string { return fmt.Sprintf(`concat('"', replaceAll(%s, '"', '""'), '"')`, v) }

// formula matches the beginning of a text that could be a formula.
//
// Control characters before the first visible character are skipped, because LibreOffice drops
// every NUL of a file and then runs what begins with =. Texts that begin with TAB, CR or LF are
// taken for formulas whatever follows, because other spreadsheets trim these.
//
// No other character is skipped. This was tested with LibreOffice: =, +, -, @ and their full-width
// and other Unicode forms, after each control, blank and format character, quoted and not, with
// each delimiter, in English and in German. LibreOffice ran = after any number of NULs, and nothing
// else (export/spreadsheet_guard_test.go).
const formula = `^[\x00-\x1f]*[=+\-@\t\n\r]`

// formulaGuard keeps a spreadsheet from running a text as a formula: a text that could be a formula
// gets a ' before it (SPEC.md §2.5).
func formulaGuard(v string) string {
	return fmt.Sprintf(`replaceRegexpOne(%s, '%s', '\'\\0')`, v, strings.ReplaceAll(formula, `\`, `\\`))
}

var formulas = regexp.MustCompile(formula)

// textCell is the cell that quoted and formulaGuard make of a text.
func textCell(text string) string {
	if formulas.MatchString(text) {
		text = "'" + text
	}
	return `"` + strings.ReplaceAll(text, `"`, `""`) + `"`
}

// Maps is the column of the type's rows that has the cells of all its maps, as CSV shows them. It
// stands at the end of a list of columns. The functions of a cell are many, and are analysed as
// often as the statement has them, so one lambda makes all of these cells.
//
// A map is compact JSON that escapes only ", \ and control characters. The engine also escapes
// U+2028 and U+2029. Where these occur, they are put back. Meanwhile pairs of backslashes are
// replaced by NUL, which JSON text never contains, so that a text with a real backslash before
// u2028 is not changed.
func (c choices) Maps() string {
	maps := c.mapColumns()
	for i, name := range maps {
		from := "usage."
		if name == "group_ids" {
			from = "e."
		}
		maps[i] = from + name
	}
	if !c.csv() || len(maps) == 0 {
		return ""
	}
	plain := "json"
	for _, step := range [][2]string{
		{`'\\\\'`, `'\0'`}, {`'\\u2028'`, `'\xE2\x80\xA8'`}, {`'\\u2029'`, `'\xE2\x80\xA9'`}, {`'\0'`, `'\\\\'`},
	} {
		plain = fmt.Sprintf("replaceAll(%s, %s, %s)", plain, step[0], step[1])
	}
	return fmt.Sprintf(",\n    arrayMap(json -> %s, [toJSONString(%s)]) AS maps",
		quoted(fmt.Sprintf(`if(position(json, '\\u202') = 0, json, %s)`, plain)),
		strings.Join(maps, "), toJSONString("))
}

// mapColumns are the names of the columns that are maps or lists, in their order.
func (r Request) mapColumns() (names []string) {
	for _, c := range AllColumns(r.Type) {
		isMap := c.Kind == CountMap || c.Kind == CostMap || c.Kind == TextMap || c.Kind == List && r.wants(c.Name)
		if isMap && present(r, c) {
			names = append(names, c.Name)
		}
	}
	return names
}

// engineFormat returns the engine's format that writes the rows, and the settings that make it
// write them as SPEC.md §2.5 says.
func (r Request) engineFormat() (string, clickhouse.Settings) {
	settings := clickhouse.Settings{
		// these are for every format, because the maps in cells of CSV are JSON
		"output_format_json_array_of_rows":          0,
		"output_format_json_escape_forward_slashes": 0,
		"output_format_json_map_as_array_of_tuples": 0,
		"output_format_json_quote_64bit_floats":     0,
		"output_format_json_quote_decimals":         0,
		"output_format_json_quote_denormals":        0,
		"output_format_json_validate_utf8":          0,
	}
	if r.SpillBytes > 0 {
		settings["max_bytes_before_external_group_by"] = r.SpillBytes
		settings["max_bytes_before_external_sort"] = r.SpillBytes
	}
	switch r.Format {
	case NDJSON:
		return "JSONEachRow", settings
	case JSON:
		settings["output_format_json_array_of_rows"] = 1
		return "JSONEachRow", settings
	case XLSX:
		return "JSONCompactEachRow", settings
	case Parquet:
		settings["output_format_parquet_string_as_string"] = 1
		settings["output_format_parquet_date_as_uint16"] = 0
		return "Parquet", settings
	}
	// The engine's own CSV quotes dates, ratios and the header. So the cells have their own quotes.
	delimiter := r.Delimiter
	if delimiter == 0 {
		delimiter = ','
	}
	for _, none := range []string{"result_before", "result_after", "row_before", "row_between"} {
		settings["format_custom_"+none+"_delimiter"] = ""
	}
	settings["format_custom_escaping_rule"] = "Raw"
	settings["format_custom_field_delimiter"] = string(delimiter)
	settings["format_custom_row_after_delimiter"] = "\r\n"
	return "CustomSeparatedWithNames", settings
}
