package export

import "rollcall/export/query"

// A rowCounter counts the rows that pass, for the audit, without reading their values.
type rowCounter struct {
	format query.Format
	lines  uint64
	quoted bool // inside a CSV cell in quotes, where a line break is text
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
	case query.NDJSON, query.JSON: // each row is an object on a line of its own; line breaks in texts are escaped
		for _, b := range p {
			if b == '{' && !c.inLine {
				c.lines++
			}
			c.inLine = b != '\n'
		}
	}
}

// total is nil where rows cannot be told: in parquet.
func (c *rowCounter) total() *uint64 {
	rows := c.lines
	switch {
	case c.format == query.Parquet:
		return nil
	case c.format == query.CSV && rows > 0: // the header row
		rows--
	}
	return &rows
}
