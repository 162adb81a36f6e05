package suite

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"rollcall/deploy/test/suite/traffic"
)

// A brokenRule has a record that breaks one rule, and a record that just keeps it.
type brokenRule struct {
	name, reason      string
	broken, neighbour traffic.Record
}

const goodMessage = `{"org_id":"full","user_id":"u","channel":"chat"}`

// envelope is a record in structured mode. The id comes from the caller.
func envelope(id, kind, when, data string) traffic.Record {
	return traffic.Record{Topic: topics[0], Key: []byte("full"),
		Value: fmt.Appendf(nil, `{"specversion":"1.0","id":%q,"source":"/rules","type":%q,"time":%q,"data":%s}`, id, kind,
			when, data)}
}

func padded(r traffic.Record, size int) traffic.Record {
	pad := size - len(r.Value) - len(`,"x":""`)
	r.Value = []byte(strings.TrimSuffix(string(r.Value), "}") + `,"x":"` + strings.Repeat("x", pad) + `"}`)
	return r
}

func brokenRules(now time.Time) []brokenRule {
	at := now.UTC().Add(-time.Hour).Format(time.RFC3339Nano)
	minute := now.UTC().Add(-time.Hour).Format("2006-01-02T15:04")
	message := func(id, data string) traffic.Record { return envelope(id, "usage.message.v1", at, data) }
	good := func(id string) traffic.Record { return message(id, goodMessage) }
	timed := func(id string, t time.Time) traffic.Record {
		return envelope(id, "usage.message.v1", t.UTC().Format("2006-01-02T15:04:05.000Z07:00"), goodMessage)
	}
	value := func(r traffic.Record, old, new string) traffic.Record {
		r.Value = []byte(strings.Replace(string(r.Value), old, new, 1))
		return r
	}
	binary := func(id string, headers ...traffic.Header) traffic.Record {
		return traffic.Record{Topic: topics[0], Value: []byte(goodMessage),
			Headers: append([]traffic.Header{{Key: "ce_specversion", Value: []byte("1.0")}, {Key: "ce_id", Value: []byte(id)},
				{Key: "ce_source", Value: []byte("/rules")}, {Key: "ce_type", Value: []byte("usage.message.v1")}}, headers...)}
	}
	// Official SDKs send the attributes twice: in the value and in headers.
	typed := func(r traffic.Record, contentType string) traffic.Record {
		r.Headers = append(binary("headers").Headers, traffic.Header{Key: "content-type", Value: []byte(contentType)})
		return r
	}
	token := func(id, count string) traffic.Record {
		return envelope(id, "usage.token.v1", at,
			`{"org_id":"full","user_id":"u","model":"m","prompt_tokens":1,"completion_tokens":`+count+`}`)
	}
	earliest := now.UTC().AddDate(-1, 0, 0).Truncate(24 * time.Hour)
	if earliest.Day() != now.UTC().Day() { // a year before 29 February
		earliest = earliest.AddDate(0, 0, -1)
	}
	return []brokenRule{
		{"a byte over 1 MiB", "too_large", padded(good("r1"), 1<<20+1), padded(good("n1"), 1<<20)},
		{"cut JSON", "malformed_json", value(good("r2"), `"}}`, `"}`), good("n2")},
		{"an empty value", "malformed_json", traffic.Record{Topic: topics[0], Key: []byte("tombstone")}, good("n3")},
		{"invalid UTF-8", "malformed_json", value(good("r4"), `"u"`, "\"\xff\""), value(good("n4"), `"u"`, `"ÿ\ud83d"`)},
		{"another specversion", "not_cloudevent", value(good("r5"), `"1.0"`, `"1"`), good("n5")},
		{"no source", "not_cloudevent", value(good("r6"), `"source":"/rules",`, ""), good("n6")},
		{"data_base64", "not_cloudevent", value(good("r7"), `"data":`, `"data_base64":"e30=","data":`),
			value(good("n7"), `"data":`, `"data_base64":null,"data":`)},
		{"a type of the future", "unknown_type", envelope("r8", "usage.message.v2", at, goodMessage), good("n8")},
		{"a message to no assistant", "missing_field",
			message("r9", `{"org_id":"full","user_id":"u","channel":"assistant","assistant_id":null}`),
			message("n9", `{"org_id":"full","user_id":"u","channel":"assistant","assistant_id":"a"}`)},
		{"binary without time", "missing_field", binary("r10"),
			binary("n10", traffic.Header{Key: "ce_time", Value: []byte(at)})},
		{"a channel in capitals", "invalid_value", message("r11", `{"org_id":"full","user_id":"u","channel":"Chat"}`),
			good("n11")},
		{"a count of 2^32", "invalid_value", token("r12", "4294967296"), token("n12", "4294967295")},
		{"a count with an exponent", "invalid_value", token("r13", "1e3"), token("n13", "1000")},
		{"a user id of 257 bytes", "invalid_value", value(good("r14"), `"u"`, `"`+strings.Repeat("u", 257)+`"`),
			value(good("n14"), `"u"`, `"`+strings.Repeat("u", 256)+`"`)},
		{"second 61", "invalid_value", value(good("r15"), at, minute+":61Z"), value(good("n15"), at, minute+":60Z")},
		{"the millisecond before the earliest date", "too_old", timed("r16", earliest.Add(-time.Millisecond)),
			timed("n16", earliest)},
		{"a batch by its content type", "not_cloudevent", typed(good("r18"), "application/cloudevents-batch+json"),
			typed(good("n18"), "application/cloudevents+json")},
		{"a cost text of 10 digits when written out", "invalid_value", token("r19", `1,"cost_usd":"1.5E-9"`),
			token("n19", `1,"cost_usd":"15E-9"`)},
		{"more than 24 hours ahead", "in_future", timed("r17", now.Add(24*time.Hour+time.Minute)),
			timed("n17", now.Add(24*time.Hour-time.Minute))},
	}
}

// For each reason: the record is kept whole and counted, and blocks nothing. A record that just
// keeps the rule is stored.
func TestARejectedRecordIsKeptWholeAndBlocksNothing(t *testing.T) {
	b := newBed(t)
	b.now = awayFromMidnight(b)
	rules := brokenRules(b.now)
	want := map[string]float64{}
	w := &kafka.Writer{Addr: kafka.TCP(b.broker), Transport: b.kafka, BatchBytes: 8 << 20,
		BatchTimeout: time.Millisecond, RequiredAcks: kafka.RequireAll, // or a later request may overtake
		Balancer: kafka.BalancerFunc(func(kafka.Message, ...int) int { return 2 })}
	defer w.Close()
	for _, rule := range rules {
		want[rule.reason]++
		b.must(w.WriteMessages(t.Context(), message(rule.broken), message(rule.neighbour)))
	}
	for _, rule := range rules {
		for _, r := range []traffic.Record{rule.broken, rule.neighbour} {
			b.tell(r)
		}
	}
	b.ingest(nil) // compares the log, which must have the valid neighbours and nothing else
	for i, rule := range rules {
		b.keptWhole(int64(2*i), rule)
	}
	if n := b.count("SELECT count() FROM rejects FINAL"); int(n) != len(rules) {
		t.Errorf("%d rejects of %d", n, len(rules))
	}
	for reason, n := range want {
		if got := b.counter("rollcall_ingest_rejects_total", reason); got != n {
			t.Errorf("rollcall_ingest_rejects_total{reason=%q} is %g, not %g", reason, got, n)
		}
	}
	if got := b.counter("rollcall_ingest_events_total", "stored"); int(got) != len(rules) {
		t.Errorf("rollcall_ingest_events_total{outcome=stored} is %g of %d", got, len(rules))
	}
}

// keptWhole compares the row of a reject with the produced record.
func (b *bed) keptWhole(offset int64, rule brokenRule) {
	b.t.Helper()
	var reason, detail, key, value, sum string
	var size uint64
	var headers [][]any
	err := b.conn.QueryRow(b.t.Context(),
		`SELECT reason, detail, key, value, hex(value_sha256), value_size, headers FROM rejects FINAL
		WHERE topic = {topic:String} AND partition = 2 AND offset = {offset:Int64}`, named("topic", rule.broken.Topic),
		named("offset", offset)).
		Scan(&reason, &detail, &key, &value, &sum, &size, &headers)
	if err != nil {
		b.t.Errorf("%s: %v", rule.name, err)
		return
	}
	sent := rule.broken.Value
	kept := string(sent[:min(len(sent), 64<<10)])
	if rule.reason != "too_large" {
		kept = string(sent)
	}
	if reason != rule.reason || detail == "" || key != string(rule.broken.Key) || value != kept ||
		size != uint64(len(sent)) || sum != fmt.Sprintf("%X", sha256.Sum256(sent)) {
		b.t.Errorf("%s: kept as %s (%s), key %q, %d of %d bytes, sha256 %s", rule.name, reason, detail, key, len(value), size,
			sum)
	}
	if len(headers) != len(rule.broken.Headers) {
		b.t.Errorf("%s: %d headers of %d", rule.name, len(headers), len(rule.broken.Headers))
		return
	}
	for i, h := range rule.broken.Headers {
		if headers[i][0] != h.Key || headers[i][1] != string(h.Value) {
			b.t.Errorf("%s: header %v instead of %s: %s", rule.name, headers[i], h.Key, h.Value)
		}
	}
}

// awayFromMidnight waits for the next day if the UTC day is about to end. Dates are checked twice,
// when a record is read and when an export is asked for, and both must be on the same day.
func awayFromMidnight(b *bed) time.Time {
	b.eventually(func() error {
		if now := time.Now().UTC(); now.Add(75*time.Second).Day() != now.Day() {
			return errors.New("the UTC day is about to end")
		}
		return nil
	})
	return time.Now()
}
