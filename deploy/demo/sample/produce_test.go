package sample

import (
	"context"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"rollcall/deploy/test/kafkatest"
)

func TestProduceWritesEveryEventOnceAndKeepsItWhole(t *testing.T) {
	broker := kafkatest.Open(t, Topics()...)
	c := Config{Org: "acme", Users: 30, Days: 30, Seed: 1, Now: now}
	want := map[string]int64{}
	for r := range Events(c) {
		want[r.Topic]++
	}
	begun := time.Now()
	var acknowledged []int
	produced, err := Produce(t.Context(), []string{broker.Addr}, nil, Events(c),
		func(n int) { acknowledged = append(acknowledged, n) })
	if err != nil {
		t.Fatal(err)
	}
	if n := len(acknowledged); n < 2 || acknowledged[0] != chunk || acknowledged[n-1] != produced ||
		!slices.IsSorted(acknowledged) {
		t.Errorf("of %d events these were told as produced: %v", produced, acknowledged)
	}
	t.Logf("%d events in %v", produced, time.Since(begun))
	for topic, n := range want {
		if got := written(broker, topic); got != n {
			t.Errorf("%d of %d events on %s", got, n, topic)
		}
		produced -= int(n)
	}
	if produced != 0 {
		t.Errorf("Produce counted %d too many", produced)
	}
	m := first(t, broker, tokens)
	headers := map[string]string{}
	for _, h := range m.Headers {
		headers[h.Key] = string(h.Value)
	}
	if string(m.Key) != "acme" || headers["ce_type"] != "usage.token.v1" || !json.Valid(m.Value) ||
		m.Time.Before(begun.Add(-time.Minute)) {
		t.Errorf("a record as it arrived: key %s, %v, %s, %v", m.Key, headers, m.Value, m.Time)
	}
}

func TestProduceSaysThatATopicIsMissing(t *testing.T) {
	broker := kafkatest.Open(t, Topics()...)
	broker.DeleteTopic(messages)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	events := Events(Config{Org: "acme", Users: 3, Days: 1, Now: now})
	if _, err := Produce(ctx, []string{broker.Addr}, nil, events, nil); err == nil {
		t.Error("no error")
	}
}

func TestLiveGoesOnUntilItIsStopped(t *testing.T) {
	broker := kafkatest.Open(t, Topics()...)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Live(ctx, []string{broker.Addr}, nil, Config{Org: "acme", Users: 10, Rate: 100}) }()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for deadline := time.Now().Add(30 * time.Second); written(broker, messages) < 20; <-poll.C {
		if time.Now().After(deadline) {
			t.Fatal("fewer than 20 messages after 30 s")
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// written returns how many records the topic has.
func written(broker *kafkatest.Broker, topic string) (n int64) {
	for _, end := range broker.Ends(topic) {
		n += end
	}
	return n
}

// first returns a record of the topic, from a partition that has any.
func first(t *testing.T, broker *kafkatest.Broker, topic string) kafka.Message {
	partition := slices.IndexFunc(broker.Ends(topic), func(end int64) bool { return end > 0 })
	r := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{broker.Addr}, Topic: topic, Partition: partition})
	defer r.Close()
	m, err := r.ReadMessage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return m
}
