package suite

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"

	"rollcall/deploy/test/suite/traffic"
)

// produce writes the records, each to a random partition.
func (b *bed) produce(records []traffic.Record) {
	b.t.Helper()
	partition := rand.New(rand.NewPCG(*seed, uint64(len(records))))
	w := &kafka.Writer{
		Addr: kafka.TCP(b.broker), Transport: b.kafka, BatchTimeout: time.Millisecond, BatchBytes: 8 << 20,
		RequiredAcks: kafka.RequireAll, Compression: kafka.Zstd,
		Balancer: kafka.BalancerFunc(func(_ kafka.Message, partitions ...int) int {
			return partitions[partition.IntN(len(partitions))]
		}),
	}
	defer w.Close()
	for chunk := range slices.Chunk(records, 500) {
		var messages []kafka.Message
		for _, r := range chunk {
			messages = append(messages, message(r))
		}
		b.must(w.WriteMessages(b.t.Context(), messages...))
	}
}

func message(r traffic.Record) kafka.Message {
	m := kafka.Message{Topic: r.Topic, Key: r.Key, Value: r.Value}
	for _, h := range r.Headers {
		m.Headers = append(m.Headers, kafka.Header{Key: h.Key, Value: h.Value})
	}
	return m
}

// committed returns nil if ingest's group has committed all records, according to the broker.
func (b *bed) committed() error {
	ends, offsets, err := b.progress()
	if err != nil {
		return err
	}
	for partition, end := range ends {
		if at := offsets[partition]; at < end {
			return fmt.Errorf("%d of %d records of %s are committed", at, end, partition)
		}
	}
	return nil
}

// progress returns, for each partition, its end and the offset that ingest's group has committed.
func (b *bed) progress() (ends, offsets map[string]int64, err error) {
	client := &kafka.Client{Addr: kafka.TCP(b.broker), Transport: b.kafka}
	meta, err := client.Metadata(b.t.Context(), &kafka.MetadataRequest{Topics: topics})
	if err != nil {
		return nil, nil, err
	}
	asked := map[string][]kafka.OffsetRequest{}
	partitions := map[string][]int{}
	for _, topic := range meta.Topics {
		for _, p := range topic.Partitions {
			asked[topic.Name] = append(asked[topic.Name], kafka.LastOffsetOf(p.ID))
			partitions[topic.Name] = append(partitions[topic.Name], p.ID)
		}
	}
	last, err := client.ListOffsets(b.t.Context(), &kafka.ListOffsetsRequest{Topics: asked})
	if err != nil {
		return nil, nil, err
	}
	got, err := client.OffsetFetch(b.t.Context(), &kafka.OffsetFetchRequest{GroupID: "rollcall", Topics: partitions})
	if err != nil {
		return nil, nil, err
	}
	// For example, there is no group before ingest has joined.
	if got.Error != nil {
		return nil, nil, got.Error
	}
	ends = map[string]int64{}
	offsets = map[string]int64{}
	for topic, partitions := range got.Topics {
		for _, p := range partitions {
			offsets[fmt.Sprintf("%s, partition %d", topic, p.Partition)] = max(0, p.CommittedOffset)
		}
	}
	for topic, partitions := range last.Topics {
		for _, p := range partitions {
			ends[fmt.Sprintf("%s, partition %d", topic, p.Partition)] = p.LastOffset
		}
	}
	return ends, offsets, nil
}
