package export

import "rollcall/export/query"

// A rowCounter counts the rows in the bytes of an answer, for the audit. It does not read their
// values.
type rowCounter struct {
	format query.Format
	lines  uint64
	quoted bool // inside a quoted CSV cell, where a line break is text
	inLine bool
}

func (c *rowCounter) add(p []byte) {
	switch c.format {
	case query.CSV:
		for _, b := range p {
			if b == '"' {
				c.quoted = !c.quoted
			} else if b == '\n' && !c.quoted {
				c.lines++
			}
		}
	case query.NDJSON, query.JSON: // each row is an object on its own line; line breaks in texts are escaped
		for _, b := range p {
			if b == '{' && !c.inLine {
				c.lines++
			}
			c.inLine = b != '\n'
		}
	}
}

// total returns the number of rows, or nil for parquet and xlsx, in which rows cannot be counted
// like this.
func (c *rowCounter) total() *uint64 {
	rows := c.lines
	switch {
	case c.format == query.Parquet, c.format == query.XLSX:
		return nil
	case c.format == query.CSV && rows > 0: // the header row
		rows--
	}
	return &rows
}
