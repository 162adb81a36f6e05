package recordbatch

import (
	"fmt"
	"strings"
	"testing"

	"rollcall/ingest/kafka/recordbatch/batchtest"
	"rollcall/schema"
)

// A header belongs to the envelope if its name is "content-type" or begins with "ce_", in any case,
// and is not longer than any such name.
func TestNamesOfTheEnvelope(t *testing.T) {
	for name, want := range map[string]bool{
		"": false, "ce": false, "ce_": false, "ce_x": true, "CE_ID": true, "ce-id": false, "xce_id": false,
		"content-type": true, "Content-Type": true, "content_type": false, "content-typ": false, "content-types": false,
		"ce_123456789":                          true, // as long as content-type
		"ce_" + strings.Repeat("x", lateName-3): true,
		"ce_" + strings.Repeat("x", lateName-2): false,
	} {
		if got := ofEnvelope([]byte(name)); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}

// Behind the first headers, only those of the envelope are kept, each name once with its last
// value, and of the value no more than lateValue bytes.
func TestLateHeaders(t *testing.T) {
	header := func(name, value string) schema.Header { return schema.Header{Key: []byte(name), Value: []byte(value)} }
	to := []schema.Header{header("ce_id", "first")}
	for _, h := range []schema.Header{
		header("ce_id", "a"), header("other", "b"), header("ce_type", "c"), header("ce_id", "d"), header("content-type", "e"),
	} {
		to = keepLate(to, 1, h)
	}
	if got, want := headersText(to), "ce_id=first ce_id=d ce_type=c content-type=e "; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	for size, want := range map[int]int{lateValue - 1: lateValue - 1, lateValue: lateValue, lateValue + 1: lateValue} {
		if kept := keepLate(nil, 0, header("ce_x", strings.Repeat("x", size))); len(kept[0].Value) != want {
			t.Errorf("%d of %d bytes are kept, want %d", len(kept[0].Value), size, want)
		}
	}
	to = to[:1]
	for i := range lateHeaders + 5 {
		to = keepLate(to, 1, header(fmt.Sprint("ce_", i), "x"))
	}
	to = keepLate(to, 1, header(fmt.Sprint("ce_", lateHeaders-1), "the last"))
	if n := len(to) - 1; n != lateHeaders || string(to[n].Value) != "the last" {
		t.Errorf("%d late headers are kept, want %d; the last is %q", n, lateHeaders, to[n].Value)
	}
}

func headersText(headers []schema.Header) (text string) {
	for _, h := range headers {
		text += fmt.Sprintf("%s=%s ", h.Key, h.Value)
	}
	return text
}

// All headers are kept up to maxHeaders, and those of the envelope behind them, in a small record
// and in a large one.
func TestTheFirstHeadersAreKept(t *testing.T) {
	header := func(name string) schema.Header { return schema.Header{Key: []byte(name)} }
	for name, value := range map[string][]byte{"small": nil, "large": make([]byte, maxWhole)} {
		for more, want := range []int{maxHeaders - 1, maxHeaders, maxHeaders, maxHeaders + 1} {
			headers := make([]schema.Header, maxHeaders-1)
			headers = append(headers, []schema.Header{header("a"), header("b"), header("ce_id")}[:more]...)
			r := NewReader(1 << 20)
			if _, err := r.record(batchtest.RawRecord(0, nil, value, headers...)); err != nil || len(r.rec.Headers) != want {
				t.Errorf("%s: %d headers of %d, want %d; %v", name, len(r.rec.Headers), len(headers), want, err)
			}
		}
	}
}
