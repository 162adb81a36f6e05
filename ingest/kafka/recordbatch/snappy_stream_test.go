package recordbatch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/s2"
)

// patterns are texts that encoders treat differently: texts that repeat at short and long
// distances, that do not repeat, and runs.
func patterns() map[string][]byte {
	random := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 100_000)
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	words := bytes.Repeat([]byte("one two three "), 20_000)
	for range 5_000 {
		words[random.IntN(len(words))] = byte(random.Uint32())
	}
	return map[string][]byte{
		"nothing": {}, "one byte": {7}, "a run": bytes.Repeat([]byte{9}, 300_000), "noise": noise, "words": words,
		"far": append(append(bytes.Clone(noise[:40_000]), bytes.Repeat([]byte("x"), 60_000)...), noise[:40_000]...),
	}
}

func framedSnappy(text []byte, size int) []byte {
	framed := append(bytes.Clone(xerial), 0, 0, 0, 1, 0, 0, 0, 1)
	for len(text) > 0 {
		block := s2.EncodeSnappy(nil, text[:min(size, len(text))])
		text = text[min(size, len(text)):]
		framed = append(binary.BigEndian.AppendUint32(framed, uint32(len(block))), block...)
	}
	return framed
}

// unsnappy reads all, through a buffer of that many bytes, or, if 0, of the stream's own choice.
func unsnappy(packed []byte, buffer int) ([]byte, error) {
	s, err := newSnappyStream(packed)
	if err != nil {
		return nil, err
	}
	if buffer > 0 {
		s.buffer = make([]byte, buffer)
	}
	return io.ReadAll(s)
}

// The output of libraries is read. It is also read through a small buffer, if the copies do not
// look back further than that.
func TestSnappyStream(t *testing.T) {
	for name, text := range patterns() {
		for form, packed := range map[string][]byte{
			"fast": s2.EncodeSnappy(nil, text), "better": s2.EncodeSnappyBetter(nil, text),
			"best": s2.EncodeSnappyBest(nil, text), "framed": framedSnappy(text, 32<<10),
		} {
			if got, err := unsnappy(packed, 0); err != nil || !bytes.Equal(got, text) {
				t.Errorf("%s, %s: %d bytes instead of %d, %v", name, form, len(got), len(text), err)
			}
		}
		if got, err := unsnappy(framedSnappy(text, 4<<10), 10<<10); err != nil || !bytes.Equal(got, text) {
			t.Errorf("%s, through a small buffer: %d bytes instead of %d, %v", name, len(got), len(text), err)
		}
	}
}

func TestSnappyStreamTellsWhatIsWrong(t *testing.T) {
	for name, packed := range map[string][]byte{
		"it ends too early":                      {10, 4<<2 + snappyLiteral, 'a', 'b'},
		"it holds less than it says":             {10, 1<<2 + snappyLiteral, 'a', 'b'},
		"it holds more than it says":             {1, 1<<2 + snappyLiteral, 'a', 'b'},
		"something follows":                      {1, 0<<2 + snappyLiteral, 'a', 'b'},
		"a copy of nothing":                      {8, snappyCopy1, 0},
		"a copy from before the beginning":       {5, 0<<2 + snappyLiteral, 'a', snappyCopy1, 2},
		"a copy without its distance":            {5, 0<<2 + snappyLiteral, 'a', 3<<2 | snappyCopy4, 1, 0},
		"a literal without its length":           {80, 63<<2 + snappyLiteral, 1, 0},
		"a literal that is longer than an int32": {80, 63<<2 + snappyLiteral, 255, 255, 255, 255, 'a'},
	} {
		if got, err := unsnappy(packed, 64); !errors.Is(err, errSnappy) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	far := s2.EncodeSnappyBest(nil, patterns()["far"])
	if _, err := unsnappy(far, 64<<10); !errors.Is(err, errSnappy) {
		t.Errorf("a copy from further back than is held: %v", err)
	}
}

// The stream and the library agree on every input, as far back as the stream's buffer reaches.
func FuzzSnappyStream(f *testing.F) {
	for _, text := range patterns() {
		f.Add(s2.EncodeSnappy(nil, text[:min(len(text), 1000)]))
	}
	f.Fuzz(func(t *testing.T, block []byte) {
		if size, err := snappySize(block); err != nil || size > 1<<16 || bytes.HasPrefix(block, xerial) {
			return
		}
		want, wrong := s2.Decode(nil, block)
		got, err := unsnappy(block, 0)
		if (wrong == nil) != (err == nil) || wrong == nil && !bytes.Equal(got, want) {
			t.Fatalf("%d bytes, %v; the library has %d, %v", len(got), err, len(want), wrong)
		}
	})
}

// A frame of many blocks that is held whole gives the text. A frame that ends too early, or has a
// broken block behind a good one, is refused.
func TestFramesHeldWhole(t *testing.T) {
	text := patterns()["words"]
	framed := framedSnappy(text, 32<<10)
	f := inflater{limit: len(text)}
	if err := f.snappy(framed); err != nil || !bytes.Equal(f.out, text) {
		t.Errorf("%d of %d bytes: %v", len(f.out), len(text), err)
	}
	for name, packed := range map[string][]byte{
		"a cut head":    framed[:xerialHead-1],
		"a cut length":  append(bytes.Clone(framed), 0, 0, 0),
		"a cut block":   framed[:len(framed)-1],
		"a spoilt one":  append(bytes.Clone(framed), 0, 0, 0, 2, 1, 0xff),
		"more than may": append(bytes.Clone(framed), framedSnappy([]byte("x"), 1)[xerialHead:]...),
	} {
		if err := f.snappy(packed); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
