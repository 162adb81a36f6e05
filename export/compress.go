package export

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// zstdWindow bounds the memory of one encoder, and the memory that a decoder needs.
const zstdWindow = 1 << 20

// A compressor comes from a pool. Its output has no end before Close is called, and no reader takes
// output without an end for whole.
type compressor interface {
	io.WriteCloser
	Reset(w io.Writer)
}

var compressors = map[string]*sync.Pool{
	"gzip": {New: func() any {
		w, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
		if err != nil {
			panic(err) // the level is a constant
		}
		return w
	}},
	"zstd": {New: func() any {
		w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
			zstd.WithWindowSize(zstdWindow))
		if err != nil {
			panic(err) // the options are constants
		}
		return w
	}},
}

// acceptedEncoding chooses zstd, gzip or "" (no compression) by Accept-Encoding: the one with the
// client's highest weight, and zstd before gzip if their weights are equal.
func acceptedEncoding(header http.Header) string {
	weights := map[string]float64{}
	for _, part := range strings.Split(strings.Join(header.Values("Accept-Encoding"), ","), ",") {
		name, params, _ := strings.Cut(part, ";")
		weight := 1.0
		if q, ok := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q="); ok {
			var err error
			if weight, err = strconv.ParseFloat(q, 64); err != nil {
				weight = 0
			}
		}
		weights[strings.ToLower(strings.TrimSpace(name))] = weight
	}
	best := 0.0
	chosen := ""
	for _, name := range []string{"zstd", "gzip"} {
		weight, said := weights[name]
		if !said {
			weight = weights["*"]
		}
		if weight > best {
			best = weight
			chosen = name
		}
	}
	if identity, said := weights["identity"]; said && identity > best {
		return ""
	}
	return chosen
}
