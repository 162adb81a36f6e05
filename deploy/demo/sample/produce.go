package sample

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/segmentio/kafka-go"
)

// chunk is how many records go to the brokers in one call: enough for a batch for each topic and
// partition, few enough to take only some megabytes of memory.
const chunk = 5000

// Produce writes the events to Kafka, compressed with lz4 and acknowledged by all in-sync replicas.
// It returns how many were acknowledged, and also reports this number to progress, if that is set,
// whenever it grows. It skips no event: the first error ends it. transport has TLS and credentials;
// nil means plain text. The topics must exist.
func Produce(
	ctx context.Context, brokers []string, transport *kafka.Transport, events iter.Seq[Record],
	progress func(produced int),
) (produced int, err error) {
	w := newWriter(brokers, transport)
	defer w.Close()
	batch := make([]kafka.Message, 0, chunk)
	send := func() error {
		if err := w.WriteMessages(ctx, batch...); err != nil {
			return fmt.Errorf("produce %d sample events to %v: %w", len(batch), brokers, err)
		}
		produced += len(batch)
		batch = batch[:0]
		if progress != nil {
			progress(produced)
		}
		return nil
	}
	for r := range events {
		if batch = append(batch, r.Message()); len(batch) == chunk {
			if err := send(); err != nil {
				return produced, err
			}
		}
	}
	if len(batch) == 0 {
		return produced, nil
	}
	return produced, send()
}

func newWriter(brokers []string, transport *kafka.Transport) *kafka.Writer {
	w := &kafka.Writer{
		Addr:         kafka.TCP(brokers...),
		Balancer:     &kafka.Hash{}, // by the key, which is the org_id: the events of one workspace stay in order
		BatchSize:    chunk,
		BatchTimeout: 2 * time.Millisecond, // with the default, every call would wait for a second
		RequiredAcks: kafka.RequireAll,
		Compression:  kafka.Lz4,
	}
	if transport != nil {
		w.Transport = transport
	}
	return w
}

// Message leaves the record's timestamp to the writer. With the event's time as timestamp, the
// brokers would delete a history at once, since they delete by timestamp.
func (r Record) Message() kafka.Message {
	m := kafka.Message{Topic: r.Topic, Key: r.Key, Value: r.Value}
	for _, h := range r.Headers {
		m.Headers = append(m.Headers, kafka.Header{Key: h.Key, Value: h.Value})
	}
	return m
}
