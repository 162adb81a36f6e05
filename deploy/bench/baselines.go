package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/segmentio/kafka-go"

	"rollcall/deploy/demo/sample"
	"rollcall/schema/tables"
)

// plain is an event as a first version of an ingest would decode it.
type plain struct {
	ID, Source, Type string
	Time             time.Time
	Data             struct {
		Org          string `json:"org_id"`
		User         string `json:"user_id"`
		Channel      string
		Action       string
		Assistant    string `json:"assistant_id"`
		Project      string `json:"project_id"`
		Workflow     string `json:"workflow_id"`
		Conversation string `json:"conversation_id"`
		APIKey       string `json:"api_key_id"`
		Model        string
		Client       string
		Provider     string
		Deployment   string
		BYOK         bool
		Prompt       uint32 `json:"prompt_tokens"`
		Completion   uint32 `json:"completion_tokens"`
		Status       string
		Duration     uint32 `json:"duration_ms"`
	}
}

const plainInsert = `INSERT INTO events (org_id, day, type, event_id, version, time, source, id, user_id, channel, action, assistant_id, project_id, workflow_id,
	conversation_id, api_key_id, model, client, provider, deployment, byok, prompt_tokens, completion_tokens, status, duration_ms)`

// reader is the baseline of a plain consumer: a kafka-go Reader in a group, encoding/json, one
// Append per row, 10,000 rows a batch.
func (r *ingestRun) reader(ctx context.Context, o tables.Options) error {
	conn, err := tables.Open(o)
	if err != nil {
		return err
	}
	defer conn.Close()
	reader := kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{r.broker.addr}, GroupTopics: sample.Topics(), GroupID: "bench-reader",
		StartOffset: kafka.FirstOffset, MaxBytes: 10 << 20,
	})
	defer reader.Close()
	const size = 10_000
	for left := r.Events; left > 0; {
		n := min(size, left)
		left -= n
		batch, err := conn.PrepareBatch(ctx, plainInsert)
		if err != nil {
			return err
		}
		var last []kafka.Message
		for range n {
			m, err := reader.FetchMessage(ctx)
			if err != nil {
				return err
			}
			last = append(last, m)
			var e plain
			if err := decodePlain(m, &e); err != nil || e.Type == "usage.entity.v1" {
				continue
			}
			d := &e.Data
			typ := strings.TrimSuffix(strings.TrimPrefix(e.Type, "usage."), ".v1")
			id := xxhash.Sum64String(e.Type + e.Source + e.ID)
			err = batch.Append(d.Org, e.Time, typ, fmt.Sprintf("%016x", id), xxhash.Sum64(m.Value)&^1, e.Time, e.Source, e.ID,
				d.User, d.Channel, d.Action, d.Assistant, d.Project, d.Workflow, d.Conversation, d.APIKey, d.Model, d.Client,
				d.Provider, d.Deployment, d.BYOK, d.Prompt, d.Completion, d.Status, d.Duration)
			if err != nil {
				return err
			}
		}
		if err := batch.Send(); err != nil {
			return err
		}
		if err := reader.CommitMessages(ctx, last...); err != nil {
			return err
		}
	}
	return nil
}

// decodePlain reads both content modes.
func decodePlain(m kafka.Message, e *plain) error {
	if len(m.Headers) == 0 {
		return json.Unmarshal(m.Value, e)
	}
	for _, h := range m.Headers {
		switch h.Key {
		case "ce_id":
			e.ID = string(h.Value)
		case "ce_source":
			e.Source = string(h.Value)
		case "ce_type":
			e.Type = string(h.Value)
		case "ce_time":
			e.Time, _ = time.Parse(time.RFC3339Nano, string(h.Value))
		}
	}
	return json.Unmarshal(m.Value, &e.Data)
}

// kafkaEngine is the baseline of ClickHouse itself: its Kafka table engine and a materialized view
// into the log. It reads structured events. Of a binary event it takes the data without the
// envelope, which makes this baseline look faster than it is.
func (r *ingestRun) kafkaEngine(ctx context.Context, o tables.Options) error {
	conn, err := tables.Open(o)
	if err != nil {
		return err
	}
	defer conn.Close()
	text := func(path string) string { return "JSONExtractString(value, " + path + ")" }
	data := func(name string) string { return text("'data', '" + name + "'") }
	for _, statement := range []string{
		fmt.Sprintf(`CREATE TABLE queue (value String) ENGINE = Kafka SETTINGS kafka_broker_list = '%s', kafka_topic_list = '%s', kafka_group_name = 'bench-engine',
			kafka_format = 'JSONAsString', kafka_num_consumers = 1, kafka_max_block_size = 65536, kafka_skip_broken_messages = 1000000`, r.broker.addr, strings.Join(sample.Topics(), ",")),
		fmt.Sprintf(`CREATE MATERIALIZED VIEW queue_to_log TO events AS SELECT %s AS org_id, toDate(time) AS day,
			transform(%s, ['usage.message.v1', 'usage.action.v1', 'usage.token.v1', 'usage.workflow_run.v1'], ['message', 'action', 'token', 'workflow_run'], 'message') AS type,
			sipHash128(%s, %s) AS event_id, sipHash64(value) AS version, parseDateTime64BestEffortOrZero(%s, 3, 'UTC') AS time, %s AS source, %s AS id,
			%s AS user_id, %s AS channel, %s AS action, %s AS assistant_id, %s AS project_id, %s AS workflow_id, %s AS conversation_id, %s AS api_key_id, %s AS model, %s AS client,
			JSONExtractUInt(value, 'data', 'prompt_tokens') AS prompt_tokens, JSONExtractUInt(value, 'data', 'completion_tokens') AS completion_tokens FROM queue`,
			data("org_id"), text("'type'"), text("'source'"), text("'id'"), text("'time'"), text("'source'"), text("'id'"),
			data("user_id"), data("channel"), data("action"), data("assistant_id"), data("project_id"), data("workflow_id"),
			data("conversation_id"), data("api_key_id"), data("model"), data("client")),
	} {
		if err := conn.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return r.await(ctx, "bench-engine", nil)
}
