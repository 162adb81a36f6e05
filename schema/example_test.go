package schema_test

import (
	"encoding/json"
	"fmt"
	"time"

	"rollcall/schema"
)

// A producer builds the record once, when the thing happens, keeps its bytes, and sends the same bytes until the broker has acknowledged them.
func Example_producer() {
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
	happened := time.Date(2026, 10, 31, 8, 15, 30, 123_000_000, time.UTC)
	value, err := json.Marshal(event{
		SpecVersion: "1.0", ID: "message-5b1c9e0a", Source: "/chat", Type: "usage.message.v1", Time: happened,
		Data: data{Org: "acme", User: "ada", Channel: "chat", Model: "gpt-5-mini"},
	})
	if err != nil {
		panic(err)
	}
	fmt.Println("topic usage.messages, key acme:")
	fmt.Println(string(value))
	// Output:
	// topic usage.messages, key acme:
	// {"specversion":"1.0","id":"message-5b1c9e0a","source":"/chat","type":"usage.message.v1","time":"2026-10-31T08:15:30.123Z","data":{"org_id":"acme","user_id":"ada","channel":"chat","model":"gpt-5-mini"}}
}

// A consumer keeps one Decoder and one Event. The event's texts are views: what is to outlive the next record is copied.
func ExampleDecoder_Decode() {
	records := []schema.Record{
		{Value: []byte(`{"specversion":"1.0","id":"1","source":"/chat","type":"usage.message.v1","time":"2026-10-31T09:15:30.1239+01:00","data":{"org_id":"acme","user_id":"ada","channel":"chat"}}`)},
		{Value: []byte(`{"specversion":"1.0","id":"2","source":"/chat","type":"usage.message.v1","time":"2026-10-31T08:15:30Z","data":{"org_id":"acme","user_id":"ada","channel":"assistant"}}`)},
	}
	now := time.Date(2026, 10, 31, 12, 0, 0, 0, time.UTC)
	decoder, ev := schema.NewDecoder(), schema.Event{}
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
