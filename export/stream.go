package export

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"rollcall/export/query"
)

// bufferSize is the number of bytes of rows that the service holds per answer, however many rows
// there are. The compressor's window comes on top.
const bufferSize = 64 << 10

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// A frame writes text around the rows. Close writes the text after them, and returns their number.
type frame interface {
	io.Writer
	Close() (rows uint64, err error)
}

// stream passes the rows on. It returns nil only if the client got all rows and the engine
// confirmed that these are all. After any error the caller must abort the connection.
func (e *Export) stream(
	w http.ResponseWriter, r *http.Request, x *exchange, j job, b *begun, cancel context.CancelFunc,
) error {
	defer b.close()
	defer cancel() // runs before close, which would otherwise wait for more rows
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // the request has been read; now only writing has a time limit
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
	x.rows = cmp.Or(b.count, rows.total())
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

// A body writes the rows into the frame, if there is one, and then through the compressor, if the
// client accepts one.
type body struct {
	io.Writer
	frame      frame
	compressor compressor
	pool       *sync.Pool
}

// newBody begins the answer, in the encoding that its header says.
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

// finish writes the end of the frame and of the compressor. Without it, a reader cannot read a
// compressed body to its end.
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
