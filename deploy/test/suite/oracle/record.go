package oracle

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"
)

// A Record is one record as it was produced.
type Record struct {
	Headers []Header
	Value   []byte
}

// A Header is one of a Kafka record.
type Header struct {
	Key   string
	Value []byte
}

// Read reads one record at the time now. It returns the event or, if the record is not a valid
// event, the first reason in the specification's order.
func Read(r Record, now time.Time) (e Event, reason string) {
	if len(r.Value) > 1_048_576 {
		return e, "too_large"
	}
	if !wellFormed(r.Value) {
		return e, "malformed_json"
	}
	env := envelopeOf(r)
	if env == nil || env.SpecVersion != "1.0" || env.ID == "" || env.Source == "" || env.Type == "" {
		return e, "not_cloudevent"
	}
	e.Type = env.Type
	e.Source = env.Source
	e.ID = env.ID
	fields, known := contract[e.Type]
	if !known {
		return e, "unknown_type"
	}
	d := newData(env.Data)
	d.invalid = d.invalid || len(e.ID) > 128 || len(e.Source) > 256 || !utf8.ValidString(e.ID+e.Source)
	e.Time = d.time(env.Time)
	if d.fields != nil {
		fields(d, &e)
	}
	return e, d.verdict(e, now)
}

// verdict returns the first reason, in order, of those that need the whole record.
func (d *data) verdict(e Event, now time.Time) string {
	switch {
	case d.missing:
		return "missing_field"
	case d.invalid:
		return "invalid_value"
	case e.Type == entityType:
		if e.Time < 0 || day(e.Time).Year() > lastYear {
			return "invalid_value"
		}
	case day(e.Time).Before(earliest(now)):
		return "too_old"
	case e.Time > now.Add(24*time.Hour).UnixMilli():
		return "in_future"
	}
	return ""
}

// The years of the product's calendar. The specification sets no limits of time, but the product's
// tables have limits.
const (
	firstYear = 1900
	lastYear  = 2299
)

// day is the UTC day of a time in milliseconds.
func day(ms int64) time.Time {
	return time.UnixMilli(ms).UTC().Truncate(24 * time.Hour)
}

// earliest is the earliest date that can be exported: today minus 12 months, on the same day of the
// month or, if the month is shorter, on its last.
func earliest(now time.Time) time.Time {
	y, m, d := now.UTC().Date()
	for {
		at := time.Date(y-1, m, d, 0, 0, 0, 0, time.UTC)
		if at.Month() == m {
			return at
		}
		d-- // a year before 29 February is 28 February
	}
}

type envelope struct {
	SpecVersion, ID, Source, Type string
	Time, Data                    json.RawMessage
}

// envelopeOf reads the CloudEvents attributes in the record's content mode. It returns nil if the
// record is in neither mode.
func envelopeOf(r Record) *envelope {
	headers := map[string]string{}
	binary := false
	contentType := ""
	for _, h := range r.Headers {
		headers[h.Key] = string(h.Value)
		binary = binary || h.Key == "ce_specversion"
		if strings.EqualFold(h.Key, "content-type") {
			contentType = strings.ToLower(strings.TrimLeft(string(h.Value), " \t"))
		}
	}
	if binary && !strings.HasPrefix(contentType, "application/cloudevents") {
		when, _ := json.Marshal(headers["ce_time"])
		return &envelope{
			headers["ce_specversion"], headers["ce_id"], headers["ce_source"], headers["ce_type"], when, withoutMark(r.Value),
		}
	}
	members := object(withoutMark(r.Value))
	encoded := (&data{fields: members}).value("data_base64") != ""
	if members == nil || encoded || strings.HasPrefix(contentType, "application/cloudevents-batch") {
		return nil
	}
	text := func(name string) (s string) {
		if json.Unmarshal(members[name], &s) != nil {
			return ""
		}
		return s
	}
	return &envelope{text("specversion"), text("id"), text("source"), text("type"), members["time"], members["data"]}
}

// withoutMark removes a byte order mark before the JSON.
func withoutMark(value []byte) []byte { return bytes.TrimPrefix(value, []byte("\xef\xbb\xbf")) }

// object returns the members of a JSON object, or nil if raw is something else. Of repeated names
// the last counts.
func object(raw []byte) map[string]json.RawMessage {
	if raw = bytes.TrimLeft(raw, " \t\r\n"); len(raw) == 0 || raw[0] != '{' {
		return nil
	}
	members := map[string]json.RawMessage{}
	if json.Unmarshal(raw, &members) != nil {
		return nil
	}
	return members
}

// wellFormed tells whether value is one JSON value in UTF-8. Halves of surrogate pairs may be
// escaped; encoding/json reads U+FFFD for them.
func wellFormed(value []byte) bool {
	return utf8.Valid(value) && json.Valid(withoutMark(value))
}
