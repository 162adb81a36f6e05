package recordbatch

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/pierrec/lz4/v4"

	"rollcall/ingest/kafka/recordbatch/batchtest"
)

func lz4Frame(t testing.TB, content []byte, options ...lz4.Option) []byte {
	var out bytes.Buffer
	w := lz4.NewWriter(&out)
	if err := w.Apply(options...); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// contents are texts, noise that does not compress, and both.
func contents() [][]byte {
	text := bytes.Repeat([]byte(`{"type":"usage.message.v1","org":"o"}`), 20_000)
	noise := make([]byte, 300_000)
	random := rand.NewChaCha8([32]byte{})
	_, _ = random.Read(noise) // it never fails
	return [][]byte{nil, []byte("x"), text[:100], text, noise, append(text[:100_000:100_000], noise...)}
}

func TestLZ4FramesOfEveryKind(t *testing.T) {
	f := newInflater(4 << 20)
	for _, content := range contents() {
		for _, options := range [][]lz4.Option{
			nil, {lz4.BlockSizeOption(lz4.Block64Kb)}, {lz4.BlockSizeOption(lz4.Block256Kb), lz4.BlockChecksumOption(true)},
			{lz4.BlockSizeOption(lz4.Block1Mb), lz4.ChecksumOption(false)},
			{lz4.SizeOption(uint64(len(content)))}, {lz4.CompressionLevelOption(lz4.Level9)},
		} {
			frame := lz4Frame(t, content, options...)
			got, err := f.inflate(codecLZ4, frame)
			if err != nil || !bytes.Equal(got, content) {
				t.Errorf("%d bytes, %v: %d bytes, %v", len(content), options, len(got), err)
			}
			for _, n := range []int{0, 3, 6, 9, len(frame) / 2, len(frame) - 9} {
				if _, err := f.inflate(codecLZ4, frame[:min(max(n, 0), len(frame)-5)]); err == nil {
					t.Errorf("%d bytes, %v: cut at %d of %d it is no error", len(content), options, n, len(frame))
				}
			}
		}
	}
}

// Some clients link the blocks: a match may copy from the block before.
func TestLZ4LinkedBlocks(t *testing.T) {
	frame := []byte{0x04, 0x22, 0x4d, 0x18, lz4Version, 4 << 4, 0,
		8, 0, 0, 0x80, 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h',
		9, 0, 0, 0, 0x04, 8, 0, 0x50, 'v', 'w', 'x', 'y', 'z',
		0, 0, 0, 0}
	got, err := newInflater(1<<20).inflate(codecLZ4, frame)
	if err != nil || string(got) != "abcdefghabcdefghvwxyz" {
		t.Errorf("%q, %v", got, err)
	}
}

// A frame that inflates beyond the limit is left to the stream, which visits the records before its
// end, also if the frame is cut off there. A frame that ends too early within the limit is refused.
func TestLZ4FramesBeyondTheLimit(t *testing.T) {
	frame := []byte{0x04, 0x22, 0x4d, 0x18, lz4Version, 4 << 4, 0, 8, 0, 0, 0x80, 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'}
	for limit, want := range map[int]error{7: errInflated, 8: errLZ4, 9: errLZ4} {
		if got, err := newInflater(limit).inflate(codecLZ4, frame); !errors.Is(err, want) {
			t.Errorf("a limit of %d: %q, %v, want %v", limit, got, err, want)
		}
	}
	whole := append(frame, 0, 0, 0, 0)
	if got, err := newInflater(8).inflate(codecLZ4, whole); err != nil || string(got) != "abcdefgh" {
		t.Errorf("as much as the limit: %q, %v", got, err)
	}
}

// For every frame that the library's Reader accepts, lz4Frame returns the same bytes. The library
// refuses more frames, since it checks checksums. (It also accepts an empty input, and frames to be
// skipped. No Kafka client sends those.)
func FuzzLZ4Frame(f *testing.F) {
	for _, content := range contents()[:3] {
		f.Add(lz4Frame(f, content))
		f.Add(lz4Frame(f, content, lz4.BlockChecksumOption(true), lz4.SizeOption(uint64(len(content)))))
	}
	const limit = 1 << 20
	inflater := newInflater(limit)
	library := lz4.NewReader(nil)
	f.Fuzz(func(t *testing.T, frame []byte) {
		got, err := inflater.inflate(codecLZ4, frame)
		library.Reset(bytes.NewReader(frame))
		want, refused := io.ReadAll(io.LimitReader(library, limit+1))
		if refused == nil && bytes.HasPrefix(frame, []byte{0x04, 0x22, 0x4d, 0x18}) && len(want) <= limit &&
			(err != nil || !bytes.Equal(got, want)) {
			t.Fatalf("%d bytes, %v; the library gives %d", len(got), err, len(want))
		}
		if cap(inflater.out) > 8*limit {
			t.Fatalf("%d bytes held", cap(inflater.out))
		}
	})
}

// BenchmarkInflateLZ4 inflates record batches of different sizes: a producer's batches are larger
// the longer it lingers.
func BenchmarkInflateLZ4(b *testing.B) {
	f := newInflater(64 << 20)
	for _, records := range []int{5, 50, 500} {
		var content []byte
		for _, r := range batchtest.Usage(records, time.Now()) {
			content = append(content, r.Value...)
		}
		frame := lz4Frame(b, content)
		b.Run(fmt.Sprint(records, " records"), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(content)))
			for b.Loop() {
				if _, err := f.inflate(codecLZ4, frame); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
