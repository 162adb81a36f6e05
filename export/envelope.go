package export

import (
	"bytes"
	"fmt"
	"io"
)

// An envelope is a writer that takes lines of JSON objects and writes them on as
// {"success":true,"data":[…],"metadata":{"dataType":…,"recordCount":…}}. It does not collect them.
type envelope struct {
	out      io.Writer
	dataType string
	rows     uint64
	begun    bool
	between  bool // a row has ended; the next byte begins another
}

const (
	envelopeHead = `{"success":true,"data":[`
	envelopeTail = `],"metadata":{"dataType":%q,"recordCount":%d}}` + "\n"
)

func (f *envelope) Write(p []byte) (n int, err error) {
	if err := f.begin(); err != nil {
		return 0, err
	}
	for n < len(p) {
		if f.between {
			if _, err := io.WriteString(f.out, ",\n"); err != nil {
				return n, err
			}
			f.between = false
		}
		line := p[n:]
		ended := false
		if i := bytes.IndexByte(line, '\n'); i >= 0 {
			line = line[:i]
			ended = true
		}
		if _, err := f.out.Write(line); err != nil {
			return n, err
		}
		n += len(line)
		if ended {
			n++
			f.rows++
			f.between = true
		}
	}
	return n, nil
}

func (f *envelope) begin() error {
	if f.begun {
		return nil
	}
	f.begun = true
	_, err := io.WriteString(f.out, envelopeHead)
	return err
}

func (f *envelope) Close() (rows uint64, err error) {
	if err := f.begin(); err != nil {
		return 0, err
	}
	_, err = fmt.Fprintf(f.out, envelopeTail, f.dataType, f.rows)
	return f.rows, err
}
