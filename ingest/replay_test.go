package ingest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"rollcall/schema"
)

// oneOfEach is a record for each reason, at offset 0, 1, …; the last is an event.
func oneOfEach(now time.Time) map[schema.Reason]*kgo.Record {
	record := func(value string) *kgo.Record {
		return &kgo.Record{
			Topic: "usage.messages", Key: []byte("acme"), Value: []byte(value),
			Headers: []kgo.RecordHeader{{Key: "trace", Value: []byte{0xff, 0}}, {Key: "none"}},
		}
	}
	return map[schema.Reason]*kgo.Record{
		schema.TooLarge: record(message("large", "ann", now,
			`,"filler":"`+strings.Repeat("x", schema.MaxValueBytes)+`"`)),
		schema.MalformedJSON: record(`{"specversion":"1.0",`),
		schema.NotCloudEvent: record(`{"hello":"world"}`),
		schema.UnknownType:   record(strings.Replace(message("u", "ann", now), "message.v1", "message.v9", 1)),
		schema.MissingField:  record(strings.Replace(message("m", "ann", now), `"user_id":"ann",`, "", 1)),
		schema.InvalidValue:  record(strings.Replace(message("i", "ann", now), `"chat"`, `"smoke-signals"`, 1)),
		schema.TooOld:        record(message("o", "ann", now.AddDate(-2, 0, 0))),
		schema.InFuture:      record(message("f", "ann", now.AddDate(0, 0, 3))),
	}
}

func TestRejectsAreKeptWholeListedAndReplayed(t *testing.T) {
	h := newHarness(t, "usage.messages")
	now := time.Now()
	bad := oneOfEach(now)
	for _, reason := range schema.Reasons() {
		h.send(bad[reason])
	}
	h.produce("usage.messages", 0, message("good", "ann", now))
	m := h.start()
	h.eventually("all committed: none blocks what follows", func() bool { return h.committed("usage.messages", 0) == 9 })
	for _, reason := range schema.Reasons() {
		if n := m.metric("rejects_total", "reason="+string(reason)); n != 1 {
			t.Errorf("%s: %v counted, not 1", reason, n)
		}
		checkReject(t, h, reason, bad[reason])
	}
	if n := h.count("SELECT count() FROM events"); n != 1 {
		t.Errorf("%d events, not 1", n)
	}

	// Replay: all records but the one that was not kept whole come again, at new offsets, and are
	// rejected again.
	var reported int
	done, err := Replay(t.Context(), h.conn, h.config, RejectFilter{}, func(*Reject) { reported++ })
	if err != nil || done != (Replayed{Sent: 7, Partial: 1}) || reported != 8 {
		t.Fatalf("replayed %+v (%d reported): %v", done, reported, err)
	}
	h.eventually("they are rejected again", func() bool { return h.count("SELECT count() FROM rejects FINAL") == 8+7 })
	if n := h.count("SELECT count() FROM (SELECT value_sha256, uniqExact(key, headers, value, reason) AS kinds FROM rejects GROUP BY value_sha256 HAVING kinds > 1)"); n != 0 {
		t.Errorf("%d records came back changed", n)
	}
	// Again: a record that was rejected twice is still sent once. Otherwise each replay would double
	// the rejects.
	if done, err := Replay(t.Context(), h.conn, h.config, RejectFilter{}, func(*Reject) {}); err != nil || done.Sent != 7 {
		t.Errorf("replayed again: %+v, %v", done, err)
	}
}

func checkReject(t *testing.T, h *harness, reason schema.Reason, sent *kgo.Record) {
	t.Helper()
	var found []*Reject
	for r, err := range List(context.Background(), h.conn,
		RejectFilter{Reason: reason, Topic: "usage.messages", Since: time.Now().Add(-time.Hour)}) {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, r)
	}
	if len(found) != 1 {
		t.Fatalf("%s: %d rejects listed, not 1", reason, len(found))
	}
	r := found[0]
	value := string(sent.Value)
	if reason == schema.TooLarge {
		value = value[:schema.KeptOfTooLarge]
	}
	if r.Value != value || r.Size != uint64(len(sent.Value)) || r.Key != "acme" ||
		fmt.Sprintf("%q", r.Headers) != `[["trace" "\xff\x00"] ["none" ""]]` || r.Detail == "" ||
		r.Whole() != (reason != schema.TooLarge) {
		t.Errorf("%s: kept as %d of %d bytes, key %q, headers %q, detail %q", reason, len(r.Value), r.Size, r.Key, r.Headers,
			r.Detail)
	}
	sum := sha256.Sum256(sent.Value)
	if n := h.count("SELECT count() FROM rejects WHERE reason = ? AND lower(hex(value_sha256)) = ?", string(reason),
		fmt.Sprintf("%x", sum)); n != 1 {
		t.Errorf("%s: the hash is not the value's", reason)
	}
}

func TestListFilters(t *testing.T) {
	h := newHarness(t, "usage.messages")
	h.produce("usage.messages", 0, `{`, strings.Replace(message("m", "ann", time.Now()), `"chat"`, `"x"`, 1))
	h.start()
	h.eventually("both are there", func() bool { return h.count("SELECT count() FROM rejects FINAL") == 2 })
	for _, c := range []struct {
		filter RejectFilter
		want   int
	}{
		{RejectFilter{}, 2},
		{RejectFilter{Reason: schema.MalformedJSON}, 1},
		{RejectFilter{Reason: schema.TooOld}, 0},
		{RejectFilter{Topic: "usage.messages"}, 2},
		{RejectFilter{Topic: "usage.actions"}, 0},
		{RejectFilter{Org: "acme"}, 1},
		{RejectFilter{Org: "acme' OR 1=1 --"}, 0},
		{RejectFilter{Since: time.Now().Add(-time.Minute)}, 2},
		{RejectFilter{Since: time.Now().Add(time.Minute)}, 0},
	} {
		n := 0
		for _, err := range List(t.Context(), h.conn, c.filter) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		if n != c.want {
			t.Errorf("%+v: %d rejects, not %d", c.filter, n, c.want)
		}
	}
}

// A reject that names an erased person is dropped. If the erasure began meanwhile, the reject is
// stored and then deleted.
func TestRejectsOfErasedPersons(t *testing.T) {
	h := newHarness(t, "usage.messages")
	now := time.Now()
	bad := func(user string) string { return strings.Replace(message("x", user, now), `"chat"`, `"x"`, 1) }
	h.erase("acme", "ann", now.Add(time.Minute))
	raced := false
	newProxy(h).set(func(statement string) fault {
		if !raced && strings.HasPrefix(statement, "INSERT INTO rejects") {
			raced = true
			h.erase("acme", "bob", now.Add(time.Minute))
		}
		return fault{}
	})
	h.produce("usage.messages", 0, bad("ann"), bad("bob"), bad("eve"))
	m := h.start()
	h.eventually("all committed", func() bool { return h.committed("usage.messages", 0) == 3 })
	for r, err := range List(t.Context(), h.conn, RejectFilter{}) {
		if err != nil || r.User != "eve" {
			t.Errorf("a reject of %s is left (%v)", r.User, err)
		}
	}
	if n := h.count("SELECT count() FROM rejects"); n != 1 {
		t.Errorf("%d rejects, not 1", n)
	}
	if n := m.metric("events_total", "outcome=erased"); n != 2 {
		t.Errorf("%v counted as erased, not 2", n)
	}
}

// A reject that is produced again has a new record time, so its event's own time decides, too.
// Events of the person from after the erasure are kept.
func TestRejectsOfErasedPersonsComeAgain(t *testing.T) {
	h := newHarness(t, "usage.messages")
	now := time.Now()
	erasedAt := now.Add(-time.Minute)
	before := now.Add(-2 * time.Minute)
	bad := func(id, user string, at time.Time) string {
		return strings.Replace(message(id, user, at), `"chat"`, `"x"`, 1)
	}
	raced := false
	newProxy(h).set(func(statement string) fault {
		if !raced && strings.HasPrefix(statement, "INSERT INTO rejects") {
			raced = true
			h.erase("acme", "bob", erasedAt)
		}
		return fault{}
	})
	h.erase("acme", "ann", erasedAt)
	h.config.BatchAge = time.Second // all in one batch
	records := map[string]*kgo.Record{
		"gone: from before":                {Value: []byte(bad("a", "ann", before))},
		"gone: erased while it was stored": {Value: []byte(bad("b", "bob", before))},
		"gone: cut":                        {Value: []byte(strings.TrimSuffix(message("c", "ann", before), "}}"))},
		"gone: the record is from before":  {Value: []byte(message("d", "ann", now.AddDate(0, 0, 3))), Timestamp: before},
		"gone: binary": {
			Value: []byte(`{"org_id":"acme","user_id":"ann"}`), Headers: binaryHeaders("e", before),
		},
		"gone: binary and cut": {
			Value: []byte(`{"org_id":"acme","user_id":"ann",`), Headers: binaryHeaders("f", before),
		},
		"kept: from after": {Value: []byte(bad("g", "ann", now))},
		"kept: from after, binary": {
			Value: []byte(`{"org_id":"acme","user_id":"ann"}`), Headers: binaryHeaders("h", now),
		},
		"kept: somebody else's": {Value: []byte(bad("i", "eve", before))},
		"kept: nobody knows when it was": {
			Value: []byte(strings.Replace(message("j", "ann", before), before.UTC().Format(time.RFC3339Nano), "yesterday", 1)),
		},
		"kept: nobody knows whose it is": {Value: []byte(`{"time":"` + before.UTC().Format(time.RFC3339Nano) + `"}`)},
	}
	var sent []*kgo.Record
	for name, r := range records {
		r.Topic = "usage.messages"
		r.Key = []byte(name)
		sent = append(sent, r)
	}
	h.send(sent...)
	m := h.start()
	h.eventually("all committed", func() bool { return h.committed("usage.messages", 0) == int64(len(sent)) })
	for r, err := range List(t.Context(), h.conn, RejectFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(r.Key, "gone") {
			t.Errorf("%s: it is stored", r.Key)
		}
		delete(records, r.Key)
	}
	gone := 0
	for name := range records {
		if strings.HasPrefix(name, "kept") {
			t.Errorf("%s: it is not stored", name)
		}
		gone++
	}
	if n := m.metric("events_total", "outcome=erased"); n != float64(gone) {
		t.Errorf("%v counted as erased, not %d", n, gone)
	}
}

// binaryHeaders are a message's envelope in binary mode.
func binaryHeaders(id string, at time.Time) (headers []kgo.RecordHeader) {
	for name, value := range map[string]string{
		"specversion": "1.0", "id": id, "source": "test", "type": "usage.message.v1",
		"time": at.UTC().Format(time.RFC3339Nano),
	} {
		headers = append(headers, kgo.RecordHeader{Key: "ce_" + name, Value: []byte(value)})
	}
	return headers
}
