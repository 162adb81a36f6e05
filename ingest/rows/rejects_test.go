package rows

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"rollcall/schema"
)

// Rejects go to ClickHouse in blocks of a bounded size, each row in one of them.
func TestBlocksOfRejects(t *testing.T) {
	r := NewRejects()
	for i := range 100 {
		size := 300 << 10
		if i%10 == 0 {
			size = 3 << 20
		}
		third := make([]byte, size/3)
		header := schema.Header{Key: []byte("h"), Value: third}
		rec := &schema.Record{Offset: int64(i), Key: third, Value: third, Headers: []schema.Header{header}}
		r.Add(rec, &schema.Rejection{Reason: schema.MalformedJSON}, time.Now())
	}
	next := uint32(0)
	for _, block := range r.Blocks() {
		for _, row := range block.rows {
			if row != next {
				t.Fatalf("row %d follows, not %d", row, next)
			}
			next++
		}
		if size := len(block.Encode()); size < rejectBlock/2 && next < 100 || size > rejectBlock+4<<20 {
			t.Errorf("a block of %d bytes", size)
		}
	}
	if next != 100 {
		t.Errorf("%d rows, not 100", next)
	}
}

// The split of rejects depends on what each takes: a block ends with the row that fills it.
func TestEndsOfRejectBlocks(t *testing.T) {
	half := rejectBlock/2 - rowBytes
	for _, c := range []struct {
		values []int // bytes of each value
		want   string
	}{
		{[]int{0}, "[[0]]"},
		{[]int{half, half}, "[[0 1]]"},
		{[]int{half, half, 0}, "[[0 1] [2]]"},
		{[]int{half, half - 1, 0}, "[[0 1 2]]"},
		{[]int{half, half - 1, 0, 0}, "[[0 1 2] [3]]"},
		{[]int{half, half, half, half, half}, "[[0 1] [2 3] [4]]"},
		{[]int{rejectBlock, rejectBlock, 0, 0}, "[[0] [1] [2 3]]"},
	} {
		r := NewRejects()
		for _, n := range c.values {
			r.Add(&schema.Record{Value: make([]byte, n)}, &schema.Rejection{Reason: schema.MalformedJSON}, time.Now())
		}
		var got [][]uint32
		for _, b := range r.Blocks() {
			got = append(got, b.rows)
		}
		if fmt.Sprint(got) != c.want {
			t.Errorf("values of %d bytes: the blocks are %d, want %s", c.values, got, c.want)
		}
	}
}

// The size of a reject is a fixed part, its texts, and for each header a fixed part and its texts.
func TestSizeOfRejects(t *testing.T) {
	header := func(key, value string) schema.Header { return schema.Header{Key: []byte(key), Value: []byte(value)} }
	r := NewRejects()
	rec := &schema.Record{
		Key: make([]byte, 1000), Value: make([]byte, 20_000), Headers: []schema.Header{header("ab", "cde"), header("f", "")},
	}
	r.Add(&schema.Record{Headers: []schema.Header{header("x", "y")}}, &schema.Rejection{}, time.Now())
	r.Add(rec, &schema.Rejection{Detail: "d", Org: "oo", User: "uuu"}, time.Now())
	if got := r.rowBytes(0); got != 250+8+2 {
		t.Errorf("the first row takes %d bytes, want 260", got)
	}
	if got, want := r.rowBytes(1), 250+6+21_000+(8+5)+(8+1); got != want {
		t.Errorf("the second row takes %d bytes, want %d", got, want)
	}
	if got, want := RecordBytes(rec), 250+21_000+(8+5)+(8+1); got != want {
		t.Errorf("the record takes %d bytes, want %d", got, want)
	}
	if got := RecordBytes(&schema.Record{}); got != 250 {
		t.Errorf("an empty record takes %d bytes, want 250", got)
	}
}

// headersRead reads Array(Tuple(String, String)), which has the bytes of a map.
type headersRead struct{ *proto.ColMap[string, string] }

func (h headersRead) Type() proto.ColumnType { return "Array(Tuple(String, String))" }

// A reject has its record and the reason. Of a value that is too large, it has the beginning, and
// the size and hash of all of it.
func TestColumnsOfRejects(t *testing.T) {
	large := bytes.Repeat([]byte("x"), schema.KeptOfTooLarge+1)
	cut := &schema.Cut{Size: 1 << 40, SHA256: [32]byte{1, 2, 3}}
	header := func(key, value string) schema.Header { return schema.Header{Key: []byte(key), Value: []byte(value)} }
	r := NewRejects()
	now := schema.Millis(1_800_000_000_123).Time()
	r.Add(&schema.Record{
		Topic: "events", Partition: 3, Offset: 1 << 40, Time: 1001, Key: []byte("k"), Value: []byte("v"),
		Headers: []schema.Header{header("a", "1"), header("a", ""), header("", "2")},
	}, &schema.Rejection{Reason: schema.MalformedJSON, Detail: "why", Org: "org", User: "user", Time: 7, Timed: true}, now)
	r.Add(&schema.Record{Topic: "more", Offset: 1, Time: 2002, Value: large}, &schema.Rejection{Reason: schema.TooLarge},
		now.Add(time.Millisecond))
	r.Add(&schema.Record{Offset: 2, Time: 3003, Value: large, Headers: []schema.Header{header("b", "3")}},
		&schema.Rejection{Reason: schema.MalformedJSON}, now)
	r.Add(&schema.Record{Offset: 3, Value: []byte("cut"), Cut: cut}, &schema.Rejection{Reason: schema.TooLarge}, now)
	blocks := r.Blocks()
	if len(blocks) != 1 || blocks[0].Len() != 4 || r.Len() != 4 {
		t.Fatalf("4 rejects make the blocks %v", blocks)
	}
	lowCardinality := func() proto.ColumnOf[string] { return new(proto.ColStr).LowCardinality() }
	texts := func() proto.ColumnOf[string] { return new(proto.ColStr) }
	millis := func() *proto.ColDateTime64 { return new(proto.ColDateTime64).WithPrecision(proto.PrecisionMilli) }
	sha := new(proto.ColFixedStr)
	sha.SetSize(32)
	sum := func(v []byte) []byte {
		s := sha256.Sum256(v)
		return s[:]
	}
	pairs := headersRead{proto.NewMap(new(proto.ColStr), new(proto.ColStr))}
	headers := wanted{name: "headers", column: pairs, at: func(row int) any { return fmt.Sprint(pairs.RowKV(row)) }}
	for _, v := range []string{"[{a 1} {a } { 2}]", "[]", "[{b 3}]", "[]"} {
		headers.values = append(headers.values, v)
	}
	checkRead(t, blocks[0], []wanted{
		reads("topic", lowCardinality(), "events", "more", "", ""),
		reads("partition", new(proto.ColInt32), 3, 0, 0, 0),
		reads("offset", new(proto.ColInt64), 1<<40, 1, 2, 3),
		reads("value_sha256", sha, sum([]byte("v")), sum(large), sum(large), cut.SHA256[:]),
		reads("rejected_at", millis(), now, now.Add(time.Millisecond), now, now),
		reads("record_time", millis(),
			schema.Millis(1001).Time(), schema.Millis(2002).Time(), schema.Millis(3003).Time(), schema.Millis(0).Time()),
		reads("reason", lowCardinality(), "malformed_json", "too_large", "malformed_json", "too_large"),
		reads("detail", texts(), "why", "", "", ""),
		reads("org_id", texts(), "org", "", "", ""),
		reads("user_id", texts(), "user", "", "", ""),
		reads("key", texts(), "k", "", "", ""),
		headers,
		reads("value", texts(), "v", string(large[:schema.KeptOfTooLarge]), string(large), "cut"),
		reads("value_size", new(proto.ColUInt64), 1, uint64(len(large)), uint64(len(large)), 1<<40),
	})
	want := Reject{
		Topic: []byte("events"), Partition: 3, Offset: 1 << 40, Reason: []byte("malformed_json"), Org: []byte("org"),
		User: []byte("user"), SentAt: 7,
	}
	if got := r.Reject(0); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the first row is %v, want %v", got, want)
	}
	if got := r.Reject(2).SentAt; got != 3003 {
		t.Errorf("the third row was sent at %d, want 3003", got)
	}
}
