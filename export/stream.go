package export

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"rollcall/export/query"
)

// bufferSize is all that an answer holds of its rows, whatever their number (the compressor's
// window apart).
const bufferSize = 64 << 10

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// A frame stands around the rows: Close writes what comes after them and returns their number.
type frame interface {
	io.Writer
	Close() (rows uint64, err error)
}

// stream passes the rows on. It returns nil only if the client was given all of them and the engine
// said that they are all; after any other end the caller must abort the connection.
func (e *Export) stream(
	w http.ResponseWriter, r *http.Request, x *exchange, j job, b *begun, cancel context.CancelFunc,
) error {
	defer b.close()
	defer cancel() // before close, which else would wait for more rows
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // the request has been read; from here on only writing is timed
	body := newBody(w, x, j)
	defer body.release()
	rows := rowCounter{format: j.request.Format}
	for {
		_ = control.SetWriteDeadline(time.Now().Add(e.cfg.StallTimeout))
		if _, err := body.Write(b.buf[:b.n]); err != nil {
			return clientGone(err)
		}
		rows.add(b.buf[:b.n])
		if b.end {
			break
		}
		n, err := b.rows.Read(b.buf[:])
		b.n = n
		b.end = err == io.EOF
		if err != nil && !b.end {
			if r.Context().Err() != nil {
				return clientGone(err)
			}
			return fmt.Errorf("pass the rows on: %w", err)
		}
	}
	x.rows = rows.total()
	_ = control.SetWriteDeadline(time.Now().Add(e.cfg.StallTimeout))
	if err := body.finish(x); err != nil {
		return clientGone(err)
	}
	return nil
}

func clientGone(err error) error {
	return &failure{
		status: statusClientGone, detail: "The client closed the connection, or took nothing for too long.", err: err,
	}
}

// A body is where the rows go: into the frame, if there is one, and the compressor, if the client
// takes one.
type body struct {
	io.Writer
	frame      frame
	compressor compressor
	pool       *sync.Pool
}

// newBody begins the answer, encoded as its header says.
func newBody(w http.ResponseWriter, x *exchange, j job) *body {
	b := &body{Writer: w}
	if encoding := w.Header().Get("Content-Encoding"); encoding != "" {
		b.pool = compressors[encoding]
		b.compressor = b.pool.Get().(compressor)
		b.compressor.Reset(w)
		b.Writer = b.compressor
	}
	b.Writer = &byteCounter{b.Writer, &x.bytes}
	w.WriteHeader(http.StatusOK)
	if j.frame != nil {
		b.frame = j.frame(b.Writer)
		b.Writer = b.frame
	}
	if j.bom && j.request.Format == query.CSV {
		b.Writer = &prefixed{b.Writer, "\ufeff"}
	}
	return b
}

// finish ends what makes a body whole; a compressed one that is not finished cannot be read to its
// end.
func (b *body) finish(x *exchange) error {
	if b.frame != nil {
		rows, err := b.frame.Close()
		if err != nil {
			return err
		}
		x.rows = &rows
	}
	if b.compressor != nil {
		return b.compressor.Close()
	}
	return nil
}

func (b *body) release() {
	if b.compressor != nil {
		b.compressor.Reset(nil)
		b.pool.Put(b.compressor)
	}
}

type byteCounter struct {
	io.Writer
	bytes *uint64
}

func (c *byteCounter) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	*c.bytes += uint64(n)
	return n, err
}

// prefixed writes the prefix before the first byte.
type prefixed struct {
	io.Writer
	prefix string
}

func (p *prefixed) Write(b []byte) (int, error) {
	if p.prefix != "" {
		prefix := p.prefix
		p.prefix = ""
		if _, err := io.WriteString(p.Writer, prefix); err != nil {
			return 0, err
		}
	}
	return p.Writer.Write(b)
}
