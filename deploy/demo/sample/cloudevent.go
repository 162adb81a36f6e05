package sample

import (
	"encoding/json"
	"fmt"
	"time"
)

// A Header of a Kafka record.
type Header struct {
	Key   string
	Value []byte
}

// A Record is one event as it goes to Kafka.
type Record struct {
	Topic   string
	Key     []byte
	Value   []byte
	Headers []Header  // none: structured mode; ce_*: binary mode
	Time    time.Time // the event's
}

// The default topics, named after what they carry.
const (
	messages  = "usage.messages"
	actions   = "usage.actions"
	tokens    = "usage.tokens"
	workflows = "usage.workflows"
	entities  = "usage.entities"
)

// Topics lists the topics that records go to.
func Topics() []string { return []string{messages, actions, tokens, workflows, entities} }

// An origin is one of the product's services. It has the topic of the service's events, their type,
// and the way in which the service writes them.
type origin struct {
	topic, eventType, source string
	binary                   bool
}

var (
	chat      = origin{messages, "usage.message.v1", "/chat", false}
	tools     = origin{actions, "usage.action.v1", "/tools", false}
	gateway   = origin{tokens, "usage.token.v1", "/gateway", true}
	runner    = origin{workflows, "usage.workflow_run.v1", "/workflows", true}
	directory = origin{entities, "usage.entity.v1", "/directory", false}
)

type envelope struct {
	SpecVersion string `json:"specversion"`
	ID          string `json:"id"`
	Source      string `json:"source"`
	Type        string `json:"type"`
	Time        string `json:"time"`
	Data        any    `json:"data"`
}

const rfc3339Millis = "2006-01-02T15:04:05.000Z07:00"

// record writes one event of org as this service does.
func (o origin) record(org, id string, at time.Time, data any) Record {
	r := Record{Topic: o.topic, Key: []byte(org), Time: at}
	when := at.Format(rfc3339Millis)
	if !o.binary {
		r.Value = encode(envelope{"1.0", id, o.source, o.eventType, when, data})
		return r
	}
	r.Value = encode(data)
	r.Headers = []Header{
		{"ce_specversion", []byte("1.0")}, {"ce_id", []byte(id)}, {"ce_source", []byte(o.source)},
		{"ce_type", []byte(o.eventType)},
		{"ce_time", []byte(when)}, {"content-type", []byte("application/json")},
	}
	return r
}

// encode cannot fail: it gets only this package's structs of texts and numbers.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("sample: encode %T: %v", v, err))
	}
	return b
}
