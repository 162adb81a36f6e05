//go:build kcat

package schema_test

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"rollcall/schema"
)

// Every command of the guide for producers runs as it stands there, and what it sends is valid.
func TestCommandsOfTheGuide(t *testing.T) {
	guide, err := os.ReadFile("PRODUCERS.md")
	if err != nil {
		t.Fatal(err)
	}
	brokers, stop := exampleBrokers()
	defer stop()
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(guide), -1)
	for _, block := range blocks {
		command := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c",
			strings.ReplaceAll(block[1], "127.0.0.1:9092", brokers[0]))
		command.Dir = "testdata"
		if strings.Contains(block[1], "go run ./cmd/rollcall") {
			command.Dir = ".."
		}
		if out, err := command.CombinedOutput(); err != nil {
			t.Errorf("%s\n%v\n%s", block[1], err, out)
		}
	}
	ids := map[string]bool{}
	for _, topic := range guideTopics {
		for _, m := range sent(t, brokers[0], topic) {
			now := time.Now()
			if !strings.Contains(string(m.Value), "hello-") {
				now = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC) // the month of testdata
			}
			record := schema.Record{Topic: topic, Key: m.Key, Value: m.Value}
			for _, h := range m.Headers {
				record.Headers = append(record.Headers, schema.Header{Key: []byte(h.Key), Value: h.Value})
			}
			var ev schema.Event
			if rejection := schema.NewDecoder().Decode(&record, now, &ev); rejection != nil {
				t.Errorf("%s: %s: %s\n%s", topic, rejection.Reason, rejection.Detail, m.Value)
			}
			ids[string(ev.ID)] = true
		}
	}
	for _, file := range []string{"structured/usage.messages.jsonl", "binary/usage.tokens.headers"} {
		text, err := os.ReadFile("testdata/" + file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?:"id": ?"|ce_id=)([^"\s]+)`).FindAllStringSubmatch(string(text), -1) {
			if !ids[m[1]] {
				t.Errorf("the event %s of %s did not arrive", m[1], file)
			}
		}
	}
	if !ids["hello-1"] || len(blocks) < 2 || len(ids) < 3 {
		t.Errorf("%d blocks of commands sent %d events", len(blocks), len(ids))
	}
}

// sent is all that a topic of one partition holds.
func sent(t *testing.T, broker, topic string) (all []kafka.Message) {
	t.Helper()
	conn, err := kafka.DialLeader(t.Context(), "tcp", broker, topic, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	first, last, err := conn.ReadOffsets()
	if err != nil {
		t.Fatal(err)
	}
	for offset := first; offset < last; {
		batch := conn.ReadBatch(1, 10<<20)
		for {
			m, err := batch.ReadMessage()
			if err != nil {
				break
			}
			all = append(all, m)
			offset = m.Offset + 1
		}
		if err := batch.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return slices.Clip(all)
}
