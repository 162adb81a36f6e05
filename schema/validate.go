package schema

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"time"
)

// ValidateLines judges events in structured mode, one a line, as ingest would at the time now, if
// each line without its end (a line feed, or carriage return and line feed) were the value of a
// record. It reports each that would be rejected, by its line (from 1), and counts lines and
// rejections. Lines without text are passed over: no producer sends them. name is for errors. A
// line of any length is read in bounded memory.
func ValidateLines(
	r io.Reader, name string, now time.Time, report func(line int, rej *Rejection),
) (lines, rejected int, err error) {
	input := lineReader{in: bufio.NewReaderSize(r, 1<<16)}
	decoder := NewDecoder()
	for line := 1; ; line++ {
		value, size, err := input.next()
		if err == io.EOF {
			return lines, rejected, nil
		}
		if err != nil {
			return lines, rejected, fmt.Errorf("read %s: %w", name, err)
		}
		if blank(value) {
			continue
		}
		lines++
		if rej := decoder.judgeLine(value, size, now); rej != nil {
			rejected++
			report(line, rej)
		}
	}
}

// judgeLine judges a line of that size, of which the first bytes are enough if it is too large.
func (d *Decoder) judgeLine(line []byte, size int, now time.Time) *Rejection {
	rec := &Record{Value: line}
	if size > MaxValueBytes {
		return d.tooLarge(rec, size)
	}
	var ev Event
	return d.Decode(rec, now, &ev)
}

// blank says whether a line has nothing but what may stand around JSON.
func blank(line []byte) bool {
	line = withoutMark(line)
	return len(line) <= MaxValueBytes && skipSpace(line, 0) == len(line)
}

// A lineReader reads lines, and keeps no more of one than what shows that it is too large.
type lineReader struct {
	in   *bufio.Reader
	line []byte
}

// maxLine is the longest line that may be a value that is not too large, with its end.
const maxLine = MaxValueBytes + len("\r\n")

// next is the next line without its end, or its first bytes, and how many it has. The line holds
// until the next call. io.EOF is given when nothing is left.
func (l *lineReader) next() (line []byte, size int, err error) {
	l.line = l.line[:0]
	err = bufio.ErrBufferFull
	var last []byte // the last bytes that were read
	for err == bufio.ErrBufferFull {
		var piece []byte
		piece, err = l.in.ReadSlice('\n')
		size += len(piece)
		l.line = append(l.line, piece[:min(len(piece), maxLine-len(l.line))]...)
		last = append(last[max(0, len(last)-1):], piece[max(0, len(piece)-2):]...)
	}
	if err != nil && (err != io.EOF || size == 0) {
		return nil, 0, err
	}
	if err == nil {
		size -= len(last) - len(bytes.TrimSuffix(bytes.TrimSuffix(last, []byte("\n")), []byte("\r")))
	}
	return l.line[:min(size, len(l.line))], size, nil
}
