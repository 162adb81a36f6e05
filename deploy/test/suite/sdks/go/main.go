// Command go sends events.json with the official SDK for Go: through sarama, the client of the
// SDK's own binding, and through franz-go, with the same headers and values.
//
//	go run . BROKER TOPIC TIME EVENTS
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strconv"
	"time"

	"github.com/IBM/sarama"
	"github.com/cloudevents/sdk-go/protocol/kafka_sarama/v2"
	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/twmb/franz-go/pkg/kgo"
)

// An event has the form of events.json.
type event struct {
	ID, Type string
	Data     map[string]any
}

// modes has, for each content mode, the way to request it from the SDK.
var modes = map[string]func(context.Context) context.Context{
	"structured": binding.WithForceStructured,
	"binary":     binding.WithForceBinary,
}

func main() {
	if err := run(context.Background(), os.Args[1], os.Args[2], os.Args[3], os.Args[4]); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, broker, topic, when, file string) error {
	at, err := time.Parse(time.RFC3339Nano, when)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var events []event
	if err := json.Unmarshal(text, &events); err != nil {
		return err
	}
	for mode, in := range modes {
		for range 2 { // twice, as a retry would
			if err := sendSarama(in(ctx), broker, topic, all(events, at, "/sdks/go-sarama/"+mode)); err != nil {
				return err
			}
			if err := sendFranz(in(ctx), broker, topic, all(events, at, "/sdks/go-franz/"+mode)); err != nil {
				return err
			}
		}
	}
	return nil
}

func all(events []event, at time.Time, source string) (made []cloudevents.Event) {
	for _, e := range events {
		if e.Type == "usage.token.v1" {
			e.Data["cost_usd"] = strconv.FormatFloat(0.00000035, 'g', -1, 64)
		}
		c := cloudevents.NewEvent()
		c.SetID(e.ID)
		c.SetSource(source)
		c.SetType(e.Type)
		c.SetTime(at)
		c.SetExtension("partitionkey", e.Data["org_id"])
		if err := c.SetData(cloudevents.ApplicationJSON, e.Data); err != nil {
			log.Fatal(err)
		}
		made = append(made, c)
	}
	return made
}

// sendSarama sends as the SDK's documentation shows.
func sendSarama(ctx context.Context, broker, topic string, events []cloudevents.Event) error {
	config := sarama.NewConfig()
	config.Version = sarama.V2_0_0_0
	sender, err := kafka_sarama.NewSender([]string{broker}, config, topic)
	if err != nil {
		return err
	}
	defer sender.Close(ctx)
	client, err := cloudevents.NewClient(sender)
	if err != nil {
		return err
	}
	for _, e := range events {
		if result := client.Send(ctx, e); cloudevents.IsUndelivered(result) {
			return result
		}
	}
	return nil
}

// sendFranz lets the SDK's binding write each message, and sends it with franz-go.
func sendFranz(ctx context.Context, broker, topic string, events []cloudevents.Event) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(broker))
	if err != nil {
		return err
	}
	defer client.Close()
	var records []*kgo.Record
	for _, e := range events {
		var m sarama.ProducerMessage
		if err := kafka_sarama.WriteProducerMessage(ctx, binding.ToMessage(&e), &m); err != nil {
			return err
		}
		record, err := recordOf(topic, &m)
		if err != nil {
			return err
		}
		records = append(records, record)
	}
	return client.ProduceSync(ctx, records...).FirstErr()
}

func recordOf(topic string, m *sarama.ProducerMessage) (*kgo.Record, error) {
	key, err := m.Key.Encode()
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	value, err := m.Value.Encode()
	if err != nil {
		return nil, fmt.Errorf("value: %w", err)
	}
	r := &kgo.Record{Topic: topic, Key: key, Value: value}
	for _, h := range m.Headers {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: string(h.Key), Value: h.Value})
	}
	return r, nil
}
