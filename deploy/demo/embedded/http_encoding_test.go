package embedded_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

func TestContentCodings(t *testing.T) {
	codings := map[string]struct {
		decode func(io.Reader) io.Reader
		encode func(io.Writer) io.WriteCloser
	}{
		"gzip": {
			unzip(func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }),
			func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
		},
		"deflate": {
			unzip(func(r io.Reader) (io.Reader, error) { return zlib.NewReader(r) }),
			func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) },
		},
		"br": {
			unzip(func(r io.Reader) (io.Reader, error) { return brotli.NewReader(r), nil }),
			func(w io.Writer) io.WriteCloser { return brotli.NewWriter(w) },
		},
		"zstd": {
			unzip(func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r) }),
			func(w io.Writer) io.WriteCloser { z, _ := zstd.NewWriter(w); return z },
		},
		"lz4": {
			unzip(func(r io.Reader) (io.Reader, error) { return lz4.NewReader(r), nil }),
			func(w io.Writer) io.WriteCloser { return lz4.NewWriter(w) },
		},
	}
	for name, coding := range codings {
		t.Run("answer in "+name, func(t *testing.T) {
			r := ask(t, "SELECT * FROM numbers(100000)", url.Values{"enable_http_compression": {"1"}}, "Accept-Encoding",
				"x, "+name+";q=0.5")
			plain, err := io.ReadAll(coding.decode(strings.NewReader(r.body)))
			if r.header.Get("Content-Encoding") != name || err != nil || bytes.Count(plain, []byte("\n")) != 100000 {
				t.Errorf("Content-Encoding %q, %d lines, %v", r.header.Get("Content-Encoding"), bytes.Count(plain, []byte("\n")),
					err)
			}
		})
		t.Run("request in "+name, func(t *testing.T) {
			var body bytes.Buffer
			w := coding.encode(&body)
			io.WriteString(w, "SELECT 'packed'")
			w.Close()
			if r := send(t, http.MethodPost, &body, nil, "Content-Encoding", name); r.body != "packed\n" {
				t.Errorf("got %d %q", r.status, r.body)
			}
		})
	}
	if r := ask(t, "SELECT 1", nil, "Accept-Encoding", "gzip"); r.header.Get("Content-Encoding") != "" {
		t.Error("an answer was packed without enable_http_compression")
	}
}

func unzip(open func(io.Reader) (io.Reader, error)) func(io.Reader) io.Reader {
	return func(r io.Reader) io.Reader {
		plain, err := open(r)
		if err != nil {
			return errorReader{err}
		}
		return plain
	}
}

type errorReader struct{ err error }

func (e errorReader) Read([]byte) (int, error) { return 0, e.err }

func TestFrames(t *testing.T) {
	for _, method := range []compress.Method{compress.LZ4, compress.ZSTD, compress.None} {
		t.Run(method.String(), func(t *testing.T) {
			name := table(t, "n UInt64")
			w := compress.NewWriter(0, method)
			if err := w.Compress([]byte("1\n2\n3\n")); err != nil {
				t.Fatal(err)
			}
			r := send(t, http.MethodPost, bytes.NewReader(w.Data),
				url.Values{"decompress": {"1"}, "query": {"INSERT INTO " + name + " FORMAT TSV"}})
			if r.status != http.StatusOK {
				t.Fatal(r.body)
			}
			r = ask(t, "SELECT sum(n) FROM "+name,
				url.Values{"compress": {"1"}, "network_compression_method": {method.String()}})
			plain, err := io.ReadAll(compress.NewReader(strings.NewReader(r.body)))
			if string(plain) != "6\n" || !errors.Is(err, io.EOF) { // the frames' reader wraps io.EOF
				t.Errorf("got %q, %v", plain, err)
			}
		})
	}
}
