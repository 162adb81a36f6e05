package query

import (
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// cell is the expression that turns a column's plain value into what the format shows.
func (r Request) cell(c Column) string {
	v := "r." + c.Name
	switch c.Name { // the same in every row
	case "period_start":
		v = "toDate32({start:String})"
	case "period_end":
		v = "toDate32({end:String})"
	case "org_id":
		v = "{plan_org:String}"
	}
	if r.Format == CSV || r.Format == "" {
		return csvCell(c.Kind, v)
	}
	switch c.Kind {
	case Text:
		return fmt.Sprintf("toString(%s)", v)
	case Integer:
		return fmt.Sprintf("toUInt64(%s)", v)
	case Ratio, Rate:
		if r.Format == Parquet {
			return fmt.Sprintf("toFloat64(%s)", v) // readers of Parquet calculate with it
		}
	case Bool:
		return fmt.Sprintf("CAST(%s, 'Bool')", v)
	}
	return v
}

// csvCell is the cell as the file has it: texts and maps in quotes, everything else without. A
// spreadsheet can be told to keep quoted fields as text (LibreOffice has an option for that). It
// then leaves ids like 007 and 12345678901234567890 as they are, and still reads numbers and dates
// as such.
func csvCell(kind Kind, v string) string {
	switch kind {
	case Text:
		return quoted(formulaGuard(v))
	case Date:
		return fmt.Sprintf("ifNull(toString(%s), '')", v)
	case Ratio:
		return fmt.Sprintf("toDecimalString(%s, 2)", v)
	case Rate:
		return fmt.Sprintf("toDecimalString(%s, 4)", v)
	case Bool:
		return fmt.Sprintf("if(%s, 'true', 'false')", v)
	case CountMap, CostMap:
		return quoted(jsonMap(v))
	}
	return v
}

// quoted is a text cell of RFC 4180.
func quoted(v string) string { return fmt.Sprintf(`concat('"', replaceAll(%s, '"', '""'), '"')`, v) }

// formulaGuard keeps a spreadsheet from running a text as a formula: a text that could be a formula
// gets a ' before it (SPEC.md §2.5). Control characters before the first visible character are
// skipped, because LibreOffice drops every NUL of a file and then runs what begins with =. Texts
// that begin with TAB, CR or LF get a ' whatever follows, because other spreadsheets trim these.
//
// No other character is skipped. This was tested with LibreOffice: =, +, -, @ and their full-width
// and other Unicode forms, after each control, blank and format character, quoted and not, with
// each delimiter, in English and in German. LibreOffice ran = after any number of NULs, and nothing
// else (export/spreadsheet_guard_test.go).
func formulaGuard(v string) string {
	return fmt.Sprintf(`if(match(%[1]s, '^[\\x00-\\x1f]*[=+\\-@\\t\\n\\r]'), concat('\'', %[1]s), %[1]s)`, v)
}

// jsonMap is compact JSON that escapes only ", \ and control characters. The engine also escapes
// U+2028 and U+2029. Where these occur, they are put back. Meanwhile pairs of backslashes are
// replaced by NUL, which JSON text never contains, so that a text with a real backslash before
// u2028 is not changed.
func jsonMap(v string) string {
	json := fmt.Sprintf("toJSONString(%s)", v)
	plain := json
	for _, step := range [][2]string{
		{`'\\\\'`, `'\0'`}, {`'\\u2028'`, `'\xE2\x80\xA8'`}, {`'\\u2029'`, `'\xE2\x80\xA9'`}, {`'\0'`, `'\\\\'`},
	} {
		plain = fmt.Sprintf("replaceAll(%s, %s, %s)", plain, step[0], step[1])
	}
	return fmt.Sprintf(`if(position(%s, '\\u202') = 0, %s, %s)`, json, json, plain)
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
