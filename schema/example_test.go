package schema_test

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"

	"rollcall/schema"
)

// A producer builds the record once, when the thing happens, keeps its bytes, and sends the same
// bytes until the brokers have acknowledged them.
func Example_producer() {
	brokers, stop := exampleBrokers()
	defer stop()

	type data struct {
		Org     string `json:"org_id"`
		User    string `json:"user_id"`
		Channel string `json:"channel"`
		Model   string `json:"model,omitempty"`
	}
	type event struct {
		SpecVersion string    `json:"specversion"`
		ID          string    `json:"id"`
		Source      string    `json:"source"`
		Type        string    `json:"type"`
		Time        time.Time `json:"time"`
		Data        data      `json:"data"`
	}
	// time.Now().UTC() when it happens, not when it is sent
	happened := time.Date(2026, 10, 31, 8, 15, 30, 123_000_000, time.UTC)
	value, err := json.Marshal(event{
		SpecVersion: "1.0", ID: "message-5b1c9e0a", Source: "/chat", Type: "usage.message.v1", Time: happened,
		Data: data{Org: "acme", User: "ada", Channel: "chat", Model: "gpt-5-mini"},
	})
	if err != nil {
		panic(err)
	}
	record := kafka.Message{Topic: "usage.messages", Key: []byte("acme"), Value: value}

	w := &kafka.Writer{
		Addr: kafka.TCP(brokers...), Balancer: &kafka.Hash{}, RequiredAcks: kafka.RequireAll, Compression: kafka.Lz4,
		BatchTimeout: 10 * time.Millisecond,
	}
	defer w.Close()
	for attempt := time.Duration(1); ; attempt++ {
		// the writer has tried ten times when it gives an error; the record stays as it is
		err := w.WriteMessages(context.Background(), record)
		if err == nil {
			break
		}
		fmt.Println("still not sent:", err)
		time.Sleep(attempt * time.Second)
	}
	fmt.Println(string(record.Value))
	// Output:
	// {"specversion":"1.0","id":"message-5b1c9e0a","source":"/chat","type":"usage.message.v1","time":"2026-10-31T08:15:30.123Z","data":{"org_id":"acme","user_id":"ada","channel":"chat","model":"gpt-5-mini"}}
}

// A consumer keeps one Decoder and one Event. The event's texts are views: copy those that must
// outlive the next record.
func ExampleDecoder_Decode() {
	records := []schema.Record{
		{Value: []byte(`{"specversion":"1.0","id":"1","source":"/chat","type":"usage.message.v1","time":"2026-10-31T09:15:30.1239+01:00","data":{"org_id":"acme","user_id":"ada","channel":"chat"}}`)},
		{Value: []byte(`{"specversion":"1.0","id":"2","source":"/chat","type":"usage.message.v1","time":"2026-10-31T08:15:30Z","data":{"org_id":"acme","user_id":"ada","channel":"assistant"}}`)},
	}
	now := time.Date(2026, 10, 31, 12, 0, 0, 0, time.UTC)
	decoder := schema.NewDecoder()
	ev := schema.Event{}
	for i := range records {
		if rejection := decoder.Decode(&records[i], now, &ev); rejection != nil {
			fmt.Printf("%s: %s\n", rejection.Reason, rejection.Detail)
			continue
		}
		fmt.Printf("%s wrote to %s on %s at %s\n", ev.User, ev.Channel, ev.Day, ev.Time.Time().Format(time.TimeOnly))
	}
	// Output:
	// ada wrote to chat on 2026-10-31 at 08:15:30
	// missing_field: data.assistant_id is missing; a message of channel assistant carries it
}
