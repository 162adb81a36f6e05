package ingest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	kafkago "github.com/segmentio/kafka-go"

	"rollcall/ingest/kafka"
	"rollcall/schema"
)

// A RejectFilter chooses rejects. An empty field chooses all.
type RejectFilter struct {
	Reason schema.Reason
	Topic  string
	Org    string
	Since  time.Time // rejected at or after it
}

// A Reject is a record that broke a rule.
type Reject struct {
	Topic     string     `ch:"topic"`
	Partition int32      `ch:"partition"`
	Offset    int64      `ch:"offset"`
	At        time.Time  `ch:"rejected_at"`
	Time      time.Time  `ch:"record_time"` // the Kafka record's own
	Reason    string     `ch:"reason"`
	Detail    string     `ch:"detail"`
	Org       string     `ch:"org_id"`  // as far as it could be read
	User      string     `ch:"user_id"` // as far as it could be read
	Key       string     `ch:"key"`
	Headers   [][]string `ch:"headers"` // name and value
	Value     string     `ch:"value"`   // whole, except for too_large
	Size      uint64     `ch:"value_size"`
}

// Whole says whether the record was kept whole, so that it can be replayed.
func (r *Reject) Whole() bool { return uint64(len(r.Value)) == r.Size }

const rejectColumns = `SELECT topic, partition, offset, rejected_at, record_time, reason, detail, org_id, user_id, key,
	arrayMap(h -> [h.1, h.2], headers) AS headers, value, value_size
FROM rejects FINAL
WHERE rejected_at > now() - INTERVAL 90 DAY`

// once keeps one of several equal records: a record that was rejected again after a replay has one
// row per attempt.
const once = " LIMIT 1 BY topic, value_sha256, key, headers"

func (f RejectFilter) query(limit string) (string, []any) {
	where := []string{rejectColumns}
	args := []any{}
	add := func(condition, name, value string) {
		if value != "" {
			where = append(where, condition)
			args = append(args, clickhouse.Named(name, value))
		}
	}
	add("reason = {reason:String}", "reason", string(f.Reason))
	add("topic = {topic:String}", "topic", f.Topic)
	add("org_id = {org:String}", "org", f.Org)
	if !f.Since.IsZero() {
		add("rejected_at >= fromUnixTimestamp64Milli({since:Int64})", "since", fmt.Sprint(f.Since.UnixMilli()))
	}
	return strings.Join(where, " AND ") + " ORDER BY topic, partition, offset, rejected_at" + limit, args
}

// List returns the rejects that a filter chooses, by topic, partition and offset. It does not hold
// them all in memory. It ends after an error.
func List(ctx context.Context, conn driver.Conn, f RejectFilter) iter.Seq2[*Reject, error] {
	return list(ctx, conn, f, "")
}

func list(ctx context.Context, conn driver.Conn, f RejectFilter, limit string) iter.Seq2[*Reject, error] {
	return func(yield func(*Reject, error) bool) {
		query, args := f.query(limit)
		rows, err := conn.Query(ctx, query, args...)
		if err != nil {
			yield(nil, fmt.Errorf("read the rejects: %w", err))
			return
		}
		defer rows.Close()
		for rows.Next() {
			r := &Reject{}
			if err := rows.ScanStruct(r); err != nil {
				yield(nil, fmt.Errorf("read a reject: %w", err))
				return
			}
			if !yield(r, nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(nil, fmt.Errorf("read the rejects: %w", err))
		}
	}
}

// A Replayed says what Replay did.
type Replayed struct {
	Sent    int
	Partial int // too_large: only their beginning was kept, so they were not sent
}

// replayBatch is how many records are sent at once, and replayBytes how many bytes their values
// have together.
const (
	replayBatch = 500
	replayBytes = 4 << 20
)

// Replay produces the rejects that a filter chooses to the topics that they came from, with their
// original key, headers and value. A record is sent once, however often it was rejected. Replay may
// be repeated: events are a set, and a record that still breaks a rule becomes a reject at its new
// offset. Of cfg it needs only the brokers, TLS and SASL.
func Replay(
	ctx context.Context, conn driver.Conn, cfg Config, f RejectFilter, report func(*Reject),
) (done Replayed, err error) {
	if len(cfg.Brokers) == 0 {
		return done, errors.New("no Kafka broker is named; give at least one as host:port")
	}
	transport := &kafkago.Transport{ClientID: "rollcall", Dial: kafka.Dial(cfg.TLS), SASL: cfg.SASL}
	defer transport.CloseIdleConnections()
	w := &kafkago.Writer{
		Addr: kafkago.TCP(cfg.Brokers...), Transport: transport, Balancer: &kafkago.Hash{},
		RequiredAcks: kafkago.RequireAll,
		BatchTimeout: 5 * time.Millisecond, BatchSize: replayBatch, BatchBytes: 2 * replayBytes,
	}
	defer func() { err = errors.Join(err, w.Close()) }()

	// Records that are sent below and rejected again become later rejects. Without this limit they
	// could be sent again.
	var now time.Time
	if err := conn.QueryRow(ctx, "SELECT now64(3, 'UTC')").Scan(&now); err != nil {
		return done, fmt.Errorf("ask ClickHouse for its time: %w", err)
	}
	var batch []kafkago.Message
	size := 0
	flush := func() error {
		if err := w.WriteMessages(ctx, batch...); err != nil {
			return fmt.Errorf("produce: %w", err)
		}
		done.Sent += len(batch)
		batch = batch[:0]
		size = 0
		return nil
	}
	for r, err := range list(ctx, conn, f, once) {
		switch {
		case err != nil:
			return done, err
		case r.At.After(now):
			continue
		case !r.Whole():
			done.Partial++
			report(r)
			continue
		}
		batch = append(batch, r.message())
		size += len(r.Value)
		report(r)
		if len(batch) == replayBatch || size >= replayBytes {
			if err := flush(); err != nil {
				return done, err
			}
		}
	}
	return done, flush()
}

func (r *Reject) message() kafkago.Message {
	m := kafkago.Message{Topic: r.Topic, Value: []byte(r.Value)}
	if r.Key != "" {
		m.Key = []byte(r.Key)
	}
	for _, h := range r.Headers {
		m.Headers = append(m.Headers, kafkago.Header{Key: h[0], Value: []byte(h[1])})
	}
	return m
}
