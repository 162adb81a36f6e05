package schema

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"time"
)

// ValidateLines judges events in structured mode, one a line, as ingest would at the time now. It reports each that would be rejected, by its line (from 1),
// and counts lines and rejections; lines without text are passed over. name is for errors.
func ValidateLines(r io.Reader, name string, now time.Time, report func(line int, rej *Rejection)) (lines, rejected int, err error) {
	input := bufio.NewReaderSize(r, 1<<16)
	decoder := NewDecoder()
	var ev Event
	for line := 1; ; line++ {
		value, err := input.ReadBytes('\n')
		if err != nil && err != io.EOF {
			return lines, rejected, fmt.Errorf("read %s: %w", name, err)
		}
		if value = bytes.TrimSpace(value); len(value) > 0 {
			lines++
			if rej := decoder.Decode(&Record{Value: value}, now, &ev); rej != nil {
				rejected++
				report(line, rej)
			}
		}
		if err == io.EOF {
			return lines, rejected, nil
		}
	}
}
