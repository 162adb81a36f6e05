package schema

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"time"
)

// ValidateLines judges events in structured mode, one per line, as ingest would at the time now. It
// takes each line without its end (a line feed, or carriage return and line feed) for the value of
// a record. It calls report for each line that would be rejected, with the line's number (from 1),
// and returns the numbers of lines and of rejections. Lines without text are ignored: no producer
// sends them. Errors mention name. A line of any length is read in bounded memory.
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

// judgeLine judges a line of size bytes. Of a line that is too large the first bytes are enough.
func (d *Decoder) judgeLine(line []byte, size int, now time.Time) *Rejection {
	rec := &Record{Value: line}
	if size > MaxValueBytes {
		return d.tooLarge(rec, uint64(size))
	}
	var ev Event
	return d.Decode(rec, now, &ev)
}

// blank reports whether a line has only a byte order mark and white space, which may stand before
// JSON.
func blank(line []byte) bool {
	line = withoutMark(line)
	return len(line) <= MaxValueBytes && skipSpace(line, 0) == len(line)
}

// A lineReader reads lines. Of a line that is too large it keeps only so many bytes as show that.
type lineReader struct {
	in   *bufio.Reader
	line []byte
}

// maxLine is the length of the longest line, with its end, that may hold a value that is not too
// large.
const maxLine = MaxValueBytes + len("\r\n")

// next returns the next line without its end, and the size of it. Of a line that is too large it
// returns the first bytes only. The line is valid until the next call. After the last line next
// returns io.EOF.
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
