package traffic

import (
	"slices"
	"strings"
)

// encode writes an event in one of the two content modes. An event that must be written differently
// may also get a byte order mark.
func (m *maker) encode(e event) Record {
	r := m.inMode(e)
	if e.mixed && m.IntN(4) == 0 {
		r.Value = append([]byte("\ufeff"), r.Value...)
	}
	return r
}

func (m *maker) inMode(e event) Record {
	r := Record{Topic: pick(m, m.Topics), Key: []byte(e.fields[0].json)}
	fields := slices.Clone(e.fields)
	if e.mixed {
		fields = m.mix(fields)
	}
	data := objectOf(fields)
	when := m.written(e.at)
	if m.IntN(3) == 0 {
		r.Value = []byte(data)
		r.Headers = []Header{
			{"ce_specversion", []byte("1.0")}, {"ce_id", []byte(e.id)}, {"ce_source", []byte(e.source)},
			{"ce_type", []byte(e.kind)}, {"ce_time", []byte(when)},
		}
		if m.IntN(2) == 0 {
			r.Headers = append(r.Headers, Header{"content-type", []byte("application/json; charset=utf-8")},
				Header{"trace", []byte{0xff, 0}})
		}
		return r
	}
	envelope := []field{
		{"specversion", `"1.0"`}, {"id", quoted(e.id)}, {"source", quoted(e.source)}, {"type", quoted(e.kind)},
		{"time", quoted(when)}, {"data", data},
	}
	if e.mixed {
		envelope = m.mix(envelope)
	}
	r.Value = []byte(objectOf(envelope))
	// Official SDKs send the attributes in headers, too.
	if m.IntN(3) == 0 {
		r.Headers = []Header{
			{"ce_specversion", []byte("1.0")}, {"ce_id", []byte(e.id)}, {"ce_type", []byte("usage.other.v1")}, {"ce_time", nil},
			{"content-type", []byte(pick(m,
				[]string{"application/cloudevents+json", "Application/CloudEvents; charset=UTF-8"}))},
		}
	}
	return r
}

func objectOf(fields []field) string {
	var b strings.Builder
	for i, f := range fields {
		b.WriteString(map[bool]string{true: "{", false: ","}[i == 0])
		b.WriteString(quoted(f.name) + ":" + f.json)
	}
	return b.String() + "}"
}

// mix changes the JSON but not its meaning: the order of keys, unknown keys (among them a known one
// in capitals, and half a surrogate pair), and repeated keys before the one that counts.
func (m *maker) mix(fields []field) []field {
	m.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
	unknown := []field{
		{"unknown", `{"nested":[1,{"user_id":"nobody"}],"n":-1.5e+3}`}, {"USER_ID", `"nobody"`}, {"data_base64", "null"},
		{"preview", `"cut in the middle \ud83d"`},
	}
	fields = slices.Insert(fields, m.IntN(len(fields)+1), unknown...)
	again := fields[m.IntN(len(fields))]
	again.json = pick(m, []string{"null", `"first"`, "7"})
	return slices.Insert(fields, 0, again)
}

// shuffled is the same content, to be written differently: with another order, other escapes, and
// absent fields written out.
func (m *maker) shuffled(e event) event {
	e.mixed = true
	e.fields = slices.Clone(e.fields)
	for i, f := range e.fields {
		e.fields[i].json = strings.NewReplacer("ö", `\u00f6`, "/", `\/`, "🙂", `\ud83d\ude42`).Replace(f.json)
	}
	for i, f := range e.fields {
		if f.name == "group_ids" {
			e.fields[i].json = listedAgain(f.json)
		}
	}
	for _, name := range []string{
		"conversation_id", "provider", "owner_id", "error_type", "company_name", "license_type", "group_ids",
	} {
		if !e.has(name) {
			e.raw(name, pick(m, []string{"null", `""`}))
		}
	}
	return e
}

// changed has the same identity and other content.
func (m *maker) changed(e event) event {
	switch {
	case e.kind == "usage.entity.v1" && !e.has("deleted") && m.IntN(2) == 0:
		e.set("group_ids", m.groupIDs())
	case e.kind == "usage.entity.v1" && !e.has("deleted"):
		e.set("name", quoted(pick(m, awkward)+" changed"))
	case e.kind == "usage.entity.v1" || m.IntN(3) == 0:
		e.at = e.at - e.at%dayMS + m.Int64N(dayMS) // another time of the same day
		if e.kind == "usage.entity.v1" {
			e.at = m.settled(e.at)
		} else if limit := m.Now.UnixMilli() + 20*hourMS; e.at > limit {
			e.at = limit - limit%dayMS
		}
	case e.kind == "usage.token.v1" && m.IntN(2) == 0:
		e.set("prompt_tokens", m.count())
	default:
		e.set("user_id", quoted(pick(m, users)))
	}
	return e
}
