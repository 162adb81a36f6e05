package embedded

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// encoding is one of HTTP's content codings.
type encoding struct {
	reader func(io.Reader) (io.Reader, error)
	writer func(io.Writer) io.WriteCloser
}

var encodings = map[string]encoding{
	"gzip": {
		func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
		func(w io.Writer) io.WriteCloser { z, _ := gzip.NewWriterLevel(w, 3); return z },
	},
	"deflate": {
		func(r io.Reader) (io.Reader, error) { return zlib.NewReader(r) },
		func(w io.Writer) io.WriteCloser { z, _ := zlib.NewWriterLevel(w, 3); return z },
	},
	"br": {
		func(r io.Reader) (io.Reader, error) { return brotli.NewReader(r), nil },
		func(w io.Writer) io.WriteCloser { return brotli.NewWriterLevel(w, 3) },
	},
	"zstd": {
		func(r io.Reader) (io.Reader, error) { return newZstdReader(r) },
		func(w io.Writer) io.WriteCloser {
			// NewWriter fails on bad options only.
			z, _ := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true))
			return z
		},
	},
	"lz4": {
		func(r io.Reader) (io.Reader, error) { return lz4.NewReader(r), nil },
		func(w io.Writer) io.WriteCloser { return lz4.NewWriter(w) },
	},
}

func newZstdReader(r io.Reader) (io.Reader, error) {
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	return z.IOReadCloser(), nil
}

// decoded undoes the content coding of a body.
func decoded(body io.ReadCloser, name string) (io.ReadCloser, error) {
	name = strings.ToLower(strings.TrimSpace(name))
	if name == "" || name == "identity" {
		return body, nil
	}
	coding, known := encodings[name]
	if !known {
		return nil, newException(codeNotImplemented,
			fmt.Sprintf("Content-Encoding %q is not known: use gzip, deflate, br, zstd or lz4", name))
	}
	plain, err := coding.reader(body)
	if err != nil {
		return nil, newException(codeBadArguments,
			fmt.Sprintf("the body is not in the content coding %s that its header names: %v", name, err))
	}
	return struct {
		io.Reader
		io.Closer
	}{plain, body}, nil
}

// acceptedEncoding is the first content coding of Accept-Encoding that is supported here; "" for
// none.
func acceptedEncoding(r *http.Request) string {
	for _, item := range strings.Split(r.Header.Get("Accept-Encoding"), ",") {
		name, quality, _ := strings.Cut(strings.TrimSpace(item), ";")
		name = strings.ToLower(strings.TrimSpace(name))
		if _, known := encodings[name]; known && strings.TrimSpace(quality) != "q=0" {
			return name
		}
	}
	return ""
}

// frameSize is how many bytes go into one of ClickHouse's compressed frames.
const frameSize = 1 << 20

// frameWriter cuts what is written into ClickHouse's compressed frames.
type frameWriter struct {
	to     io.Writer
	writer *compress.Writer
	buffer []byte
}

func newFrameWriter(to io.Writer, method string) (*frameWriter, error) {
	methods := map[string]compress.Method{
		"LZ4": compress.LZ4, "LZ4HC": compress.LZ4HC, "ZSTD": compress.ZSTD, "NONE": compress.None,
	}
	m, known := methods[method]
	if !known {
		return nil, newException(codeNotImplemented,
			fmt.Sprintf("network_compression_method %q is not known: use LZ4, LZ4HC, ZSTD or NONE", method))
	}
	return &frameWriter{to: to, writer: compress.NewWriter(0, m)}, nil
}

func (f *frameWriter) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		n := min(len(rest), frameSize-len(f.buffer))
		f.buffer = append(f.buffer, rest[:n]...)
		rest = rest[n:]
		if len(f.buffer) == frameSize {
			if err := f.flush(); err != nil {
				return 0, err
			}
		}
	}
	return len(p), nil
}

func (f *frameWriter) Close() error {
	if len(f.buffer) == 0 {
		return nil
	}
	return f.flush()
}

func (f *frameWriter) flush() error {
	if err := f.writer.Compress(f.buffer); err != nil {
		return err
	}
	f.buffer = f.buffer[:0]
	_, err := f.to.Write(f.writer.Data)
	return err
}

// frameReader joins ClickHouse's compressed frames. Unlike the frames' own reader it distinguishes
// an end between two frames from an end inside a frame.
type frameReader struct {
	source countingReader
	frames *compress.Reader
}

func newFrameReader(from io.Reader) *frameReader {
	f := &frameReader{source: countingReader{from: from}}
	f.frames = compress.NewReader(&f.source)
	return f
}

func (f *frameReader) Read(p []byte) (int, error) {
	f.source.count = 0
	n, err := f.frames.Read(p)
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, io.EOF) && f.source.count == 0:
		return n, io.EOF
	}
	// %v and not %w: an io.EOF that the frames' reader wraps is not the end.
	return n, fmt.Errorf("compressed frame: %v", err)
}

type countingReader struct {
	from  io.Reader
	count int
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.count += n
	return n, err
}
