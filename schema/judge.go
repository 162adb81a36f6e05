package schema

import (
	"bytes"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits of SPEC.md §1, in bytes of UTF-8.
const (
	maxEventID = 128
	maxSource  = 256
	maxID      = 256
	maxText    = 256  // all texts that are neither ids, names, descriptions nor URLs
	maxName    = 4096 // names and descriptions
	maxURL     = 2048
)

// maxAhead is how far an event's time may lie after the moment it is read.
const maxAhead = Millis(24 * time.Hour / time.Millisecond)

// A judge reads values out of the fields. It keeps the first sentence about a missing field and the
// first about an invalid value, because any missing field comes before any invalid value.
type judge struct {
	f                *fields
	missing, invalid string
}

// verdict applies the rules to the fields and builds the event.
func (d *Decoder) verdict(now time.Time, ev *Event) *Rejection {
	f := &d.fields
	j := &d.judge
	*j = judge{f: f}
	typ, rej := d.envelope()
	if rej != nil {
		return d.about(rej)
	}
	*ev = Event{Type: typ}
	ev.ID = j.attribute(envelopeID, maxEventID)
	ev.Source = j.attribute(source, maxSource)
	at, timeKnown := j.time()
	switch f.data {
	case object:
		ev.Org = j.require(orgID, maxID)
		d.data(ev)
	case absent:
		j.miss("data is missing; send the event's fields in it, org_id first")
	default:
		j.wrong("data is not an object; send the event's fields as a JSON object")
	}
	switch {
	case j.missing != "":
		return d.about(&Rejection{Reason: MissingField, Detail: j.missing})
	case j.invalid != "":
		return d.about(&Rejection{Reason: InvalidValue, Detail: j.invalid})
	}
	if timeKnown {
		ev.Time = at
		ev.Day = at.Day()
	}
	if rej := d.judgeTime(ev, now); rej != nil {
		return d.about(rej)
	}
	d.identify(ev)
	return nil
}

// knownTypes are the types as a rejection lists them.
var knownTypes = strings.Join(cloudEvents(), ", ")

func cloudEvents() (names []string) {
	for _, t := range Types() {
		names = append(names, t.CloudEvent())
	}
	return names
}

// envelope judges whether a record is a CloudEvent of a known type, and returns the type.
func (d *Decoder) envelope() (Type, *Rejection) {
	f := &d.fields
	switch {
	case f.batch:
		return 0, d.reject(NotCloudEvent,
			"the record is a batch, by its value or its content-type; send each event as a record of its own")
	case f.repeated && !f.has(specversion):
		return 0, d.reject(NotCloudEvent,
			"the content-type says that the value is the envelope, and there is no specversion in it; "+
				"a record with its attributes in ce_* headers has the content-type of its data, application/json")
	case !f.envelope:
		return 0, d.reject(NotCloudEvent,
			"the value is not an object; send a CloudEvents envelope, or its attributes in ce_* headers")
	case f.has(dataBase64):
		return 0, d.reject(NotCloudEvent, "data_base64 is not supported; send data as a JSON object")
	}
	if version := f.get(specversion); version.kind != text || string(version.bytes) != "1.0" {
		const detail = `specversion is %s; send the text "1.0", the only version there is`
		return 0, d.reject(NotCloudEvent, detail, said(version))
	}
	for _, k := range [...]key{envelopeID, source, eventType} {
		if f.get(k).kind != text {
			return 0, d.reject(NotCloudEvent, "%s is missing; every CloudEvent has it, as a text", keyNames[k])
		}
	}
	switch name := f.get(eventType).bytes; string(name) {
	case "usage.message.v1":
		return Message, nil
	case "usage.action.v1":
		return Action, nil
	case "usage.token.v1":
		return Token, nil
	case "usage.workflow_run.v1":
		return WorkflowRun, nil
	case "usage.entity.v1":
		return EntityState, nil
	default:
		return 0, d.reject(UnknownType, "type %q is unknown; it is one of %s", short(name), knownTypes)
	}
}

// judgeTime checks the event's time. A usage event must be exportable, an entity event must fit the
// tables.
func (d *Decoder) judgeTime(ev *Event, now time.Time) *Rejection {
	if ev.Type == EntityState {
		if ev.Day < 0 || ev.Day > lastDay {
			const detail = "time is in the year %d; an entity's lies between 1970 and 2299"
			return d.reject(InvalidValue, detail, ev.Time.Time().Year())
		}
		return nil
	}
	at := Millis(now.UnixMilli())
	if today := at.Day(); today != d.today {
		d.today, d.earliest = today, Earliest(today)
	}
	if ev.Day < d.earliest {
		return d.reject(TooOld, "time is on %s, before %s, the earliest exportable date", ev.Day, d.earliest)
	}
	if ev.Time > at+maxAhead {
		const detail = "time is %s, more than 24 h ahead; check the producer's clock"
		return d.reject(InFuture, detail, ev.Time.Time().Format(time.RFC3339))
	}
	return nil
}

func (j *judge) miss(format string, a ...any) {
	if j.missing == "" {
		j.missing = fmt.Sprintf(format, a...)
	}
}

func (j *judge) wrong(format string, a ...any) {
	if j.invalid == "" {
		j.invalid = fmt.Sprintf(format, a...)
	}
}

// time reads the envelope's time. ok is false if it is missing or not RFC 3339.
func (j *judge) time() (at Millis, ok bool) {
	v := j.f.get(eventTime)
	switch v.kind {
	case absent:
		j.miss("time is missing; send the moment of the event in RFC 3339, and the first attempt's with every retry")
	case text:
		if at, ok = parseTime(v.bytes); !ok {
			j.wrong("time is %q; write it in RFC 3339, like 2026-10-31T08:15:30.123Z", short(v.bytes))
		}
	default:
		j.wrong("time is not a text; write it in RFC 3339, like 2026-10-31T08:15:30.123Z")
	}
	return at, ok
}

// limited reads an optional text of at most limit bytes.
func (j *judge) limited(k key, limit int) []byte {
	if !j.f.has(k) {
		return nil
	}
	v := &j.f.value[k]
	if v.kind == text && len(v.bytes) <= limit {
		return v.bytes
	}
	j.unlimited(k, v, limit)
	return nil
}

func (j *judge) unlimited(k key, v *field, limit int) {
	if v.kind != text {
		j.wrong("%s is not a text", keyNames[k])
		return
	}
	j.wrong("%s has %d bytes; at most %d are accepted", keyNames[k], len(v.bytes), limit)
}

func (j *judge) require(k key, limit int) []byte {
	if !j.f.has(k) {
		j.miss("%s is missing", keyNames[k])
	}
	return j.limited(k, limit)
}

// attribute reads a text of the envelope. A header may hold any bytes, so its UTF-8 is checked
// here; JSON was checked as a whole.
func (j *judge) attribute(k key, limit int) []byte {
	v := j.limited(k, limit)
	if j.f.headers && !utf8.Valid(v) {
		j.wrong("%s is not valid UTF-8", keyNames[k])
	}
	return v
}

// oneOf reads a required text out of a closed set.
func (j *judge) oneOf(k key, set ...string) []byte {
	v := j.require(k, maxText)
	return j.in(k, v, set)
}

func (j *judge) in(k key, v []byte, set []string) []byte {
	if v == nil {
		return nil
	}
	for _, s := range set {
		if string(v) == s {
			return v
		}
	}
	j.wrong("%s is %q; it is one of %s", keyNames[k], short(v), bytes.Join(asBytes(set), []byte(", ")))
	return nil
}

func asBytes(set []string) (all [][]byte) {
	for _, s := range set {
		all = append(all, []byte(s))
	}
	return all
}

// count reads an optional integer, 0 … 2³²−1. An absent one is 0.
func (j *judge) count(k key) uint32 {
	v := j.f.get(k)
	if v.kind == absent {
		return 0
	}
	n, ok := parseCount(v)
	if !ok {
		j.wrong("%s is not an integer between 0 and 4294967295, written without fraction and exponent", keyNames[k])
	}
	return n
}

func (j *judge) requireCount(k key) uint32 {
	if !j.f.has(k) {
		j.miss("%s is missing", keyNames[k])
	}
	return j.count(k)
}

// truth reads an optional boolean. An absent one is otherwise.
func (j *judge) truth(k key, otherwise bool) bool {
	switch j.f.get(k).kind {
	case absent:
		return otherwise
	case boolTrue:
		return true
	case boolFalse:
		return false
	}
	j.wrong("%s is neither true nor false", keyNames[k])
	return otherwise
}

// said describes a value for the sentence of a rejection.
func said(v field) string {
	switch v.kind {
	case absent:
		return "missing"
	case text:
		return fmt.Sprintf("%q", short(v.bytes))
	case number:
		return fmt.Sprintf("the number %s", short(v.bytes))
	case object:
		return "an object"
	case array:
		return "a list"
	}
	return fmt.Sprint(v.kind == boolTrue)
}

// short cuts a value to what a sentence quotes of it.
func short(v []byte) []byte {
	const most = 64
	if len(v) <= most {
		return v
	}
	v = v[:most]
	for !utf8.Valid(v) { // an empty text is valid, so this ends
		v = v[:len(v)-1]
	}
	return append(v[:len(v):len(v)], "…"...)
}
