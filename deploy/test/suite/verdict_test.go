package suite

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall/deploy/test/suite/oracle"
	"rollcall/deploy/test/suite/traffic"
	"rollcall/schema"
)

var records = flag.Int("records", 20_000, "how many random records the decoder is held to the oracle with")

// Two implementations of SPEC.md §1, the decoder's and the oracle's, must agree on every record: on
// the verdict, the reason, and every field of the event.
func TestTheDecoderReadsWhatTheOracleReads(t *testing.T) {
	now := time.Now()
	r := rand.New(rand.NewPCG(*seed, 3))
	decoder := schema.NewDecoder()
	wrong := 0
	verdicts := map[string]int{}
	for _, record := range traffic.Make(traffic.Config{Seed: *seed, Now: now, Events: *records, Topics: topics}) {
		if r.IntN(3) > 0 {
			record = damaged(r, record)
		}
		want, wantReason := oracle.Read(asked(record), now)
		got, gotReason := decoded(decoder, record, now)
		verdicts[wantReason]++
		if gotReason != wantReason || wantReason == "" && got != want {
			t.Errorf("seed %d: %s\n%v\nwant %q %+v\ngot  %q %+v", *seed, record.Value, record.Headers, wantReason, want,
				gotReason, got)
			if wrong++; wrong == 10 {
				t.Fatal("10 records were read differently; the others were not looked at")
			}
		}
	}
	t.Logf("verdicts: %v", verdicts)
}

// FuzzVerdict compares the two on whatever values and headers the fuzzer makes. Headers are written
// "name=value", one on each line.
func FuzzVerdict(f *testing.F) {
	now := time.Date(2026, 10, 14, 15, 0, 0, 0, time.UTC)
	r := rand.New(rand.NewPCG(1, 3))
	for _, record := range traffic.Make(traffic.Config{Seed: 1, Now: now, Events: 300, Topics: topics}) {
		f.Add(damaged(r, record).Value, headerLines(record.Headers))
	}
	decoder := schema.NewDecoder()
	f.Fuzz(func(t *testing.T, value []byte, lines string) {
		record := traffic.Record{Value: value}
		for line := range strings.Lines(lines) {
			name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
			record.Headers = append(record.Headers, traffic.Header{Key: name, Value: []byte(value)})
		}
		want, wantReason := oracle.Read(asked(record), now)
		got, gotReason := decoded(decoder, record, now)
		if gotReason != wantReason || wantReason == "" && got != want {
			t.Errorf("want %q %+v\ngot  %q %+v", wantReason, want, gotReason, got)
		}
	})
}

func headerLines(headers []traffic.Header) string {
	var lines strings.Builder
	for _, h := range headers {
		lines.WriteString(h.Key + "=" + string(h.Value) + "\n")
	}
	return lines.String()
}

func asked(r traffic.Record) oracle.Record {
	in := oracle.Record{Value: r.Value}
	for _, h := range r.Headers {
		in.Headers = append(in.Headers, oracle.Header(h))
	}
	return in
}

var value = regexp.MustCompile(`(": ?)("(\\.|[^"\\])*"|[-0-9.eE+]+|true|false|null|\{\}|\[[^\[\]{}]*\])`)

var contentTypes = []string{
	"", "application/json", "application/cloudevents+json", " Application/CloudEvents",
	"application/cloudevents-batch+json",
}

var odd = []string{
	`"3.5E-7"`, `"1E+2"`, `"-0"`, `"0e999999999"`, `"1.0E-9"`, `"1e-999999999999999999999"`, `1e0000000002`, `"+1"`,
	`"2026-06-30T23:59:60.5+02:00"`, `"2026-06-30T23:59:61Z"`, `"\ud83d\ud83d\ude42"`, `"1.0\udc00"`, "\"\ufeff\"",
	`null`, `""`, `" "`, `0`, `-0`, `-1`, `1.0`, `1e3`, `4294967295`, `4294967296`, `"5"`, `true`, `"true"`, `[]`, `{}`,
	`[1,{"a":null}]`, `"chat"`, `"assistant"`, `"deleted"`,
	`1e9`, `1.0000000000000000001e9`, `1E-400`, `99999999999999999999999999`, `0.0000000005`, `"1.2345678901"`, `"-1"`,
	`"1e3"`, `"999999999.999999999"`, `0.1234567895`, `-0.0000000004`,
	`"2026-02-29"`, `"2024-02-29"`, `"2026-06-30T23:59:60Z"`, `"2026-06-30t12:00:00z"`,
	`"2026-06-30T12:00:00.123456789+05:30"`, `"2026-06-30T12:00:00-00:00"`, `"2026-06-30T12:00:00+24:00"`,
	`"2026-06-30 12:00:00Z"`, `"2026-06-30T12:00:00"`, `"2026-06-30T12:00:00."`, `"2026-06-30T12:00:00,5Z"`,
	`"1969-12-31T23:59:59.999Z"`, `"2299-12-31T23:59:59Z"`, `"2026-06-30T24:00:00Z"`,
	`"\ud83d\ude42"`, `"\ud83d"`, `"\ude42"`, `"\u0000"`, `"a\u0000b"`, `"\\ud83d"`, "\"\xff\"", "\"tab\tin text\"",
	`"usage.message.v1"`, `"usage.entity.v1"`, `"1.0"`, `"1"`, `{"byok":1}`, `{"byok":null,"x":{}}`,
	`"active"`, `"suspended"`, `"group"`, `["b","a","b"]`, `["\u0062","b"]`, `["\ud83d","\ufffd"]`, `["a",""]`, `["a",null]`,
	`["a",7]`, `[["a"]]`, `[{"a":"b"}]`, `["a",]`, `["a" "b"]`, "[\"\xff\"]", manyIDs(64), manyIDs(65),
	`["` + strings.Repeat("g", 256) + `"]`, `["` + strings.Repeat("g", 257) + `"]`}

// manyIDs is a list of n different ids, and of one of them again.
func manyIDs(n int) string {
	list := `["g0"`
	for i := range n {
		list += fmt.Sprintf(`,"g%d"`, i)
	}
	return list + "]"
}

// damaged changes a value, a byte or the end of a record.
func damaged(r *rand.Rand, record traffic.Record) traffic.Record {
	text := append([]byte(nil), record.Value...)
	switch r.IntN(12) {
	case 0:
		if len(text) > 0 {
			text[r.IntN(len(text))] = byte(r.IntN(256))
		}
	case 1:
		text = append(text, [][]byte{[]byte(" \n"), []byte("{}"), []byte("x"), {0}}[r.IntN(4)]...)
	case 2:
		text = append([]byte([]string{" \t\r\n", "\ufeff", "\ufeff\n", " \ufeff"}[r.IntN(4)]), text...)
	case 3:
		name := []string{"content-type", "Content-Type"}[r.IntN(2)]
		contentType := traffic.Header{Key: name, Value: []byte(contentTypes[r.IntN(len(contentTypes))])}
		record.Headers = slices.Insert(slices.Clone(record.Headers), r.IntN(len(record.Headers)+1), contentType)
	default:
		places := value.FindAllSubmatchIndex(text, -1)
		if len(places) > 0 {
			at := places[r.IntN(len(places))]
			text = append(text[:at[4]:at[4]], append([]byte(odd[r.IntN(len(odd))]), text[at[5]:]...)...)
		}
	}
	record.Value = text
	return record
}

// decoded is the decoder's event in the oracle's form.
func decoded(d *schema.Decoder, r traffic.Record, now time.Time) (oracle.Event, string) {
	in := schema.Record{Topic: r.Topic, Key: r.Key, Value: r.Value}
	for _, h := range r.Headers {
		in.Headers = append(in.Headers, schema.Header{Key: []byte(h.Key), Value: h.Value})
	}
	var e schema.Event
	if rejection := d.Decode(&in, now, &e); rejection != nil {
		return oracle.Event{}, string(rejection.Reason)
	}
	out := oracle.Event{
		Type: map[schema.Type]string{schema.Message: "usage.message.v1", schema.Action: "usage.action.v1",
			schema.Token:       "usage.token.v1",
			schema.WorkflowRun: "usage.workflow_run.v1", schema.EntityState: "usage.entity.v1"}[e.Type],
		Source: string(e.Source), ID: string(e.ID), Org: string(e.Org), Time: int64(e.Time),
		User: string(e.User), Channel: string(e.Channel), Action: string(e.Action), Assistant: string(e.Assistant),
		Project: string(e.Project), Workflow: string(e.Workflow),
		Conversation: string(e.Conversation), APIKey: string(e.APIKey), Model: string(e.Model), Client: string(e.Client),
		Provider:   string(e.Provider),
		Deployment: string(e.Deployment), BYOK: e.BYOK, Prompt: int64(e.PromptTokens), Completion: int64(e.CompletionTokens),
		CachedPrompt:  int64(e.CachedPromptTokens),
		CacheCreation: int64(e.CacheCreationTokens), Cost: int64(e.CostNanoUSD),
		Run: string(e.Run), Status: string(e.Status), ErrorType: string(e.ErrorType), Trigger: string(e.Trigger),
		Duration: int64(e.DurationMS),
	}
	if e.Type == schema.EntityState {
		describe(&out, e.Entity)
	}
	return out, ""
}

func describe(out *oracle.Event, e *schema.Entity) {
	out.Kind = []string{"", "workspace", "user", "assistant", "workflow", "project", "api_key", "group"}[e.Kind]
	out.Entity = string(e.ID)
	out.Deleted = e.Deleted
	out.Name = string(e.Name)
	out.Email = string(e.Email)
	out.Role = string(e.Role)
	out.Department = string(e.Department)
	out.CompanyName = string(e.Company)
	out.LicenseType = string(e.License)
	out.Status = []string{"active", "invited", "suspended"}[e.Status]
	var groups []string
	for _, id := range e.GroupIDs {
		groups = append(groups, string(id))
	}
	out.GroupIDs = oracle.GroupIDs(groups)
	out.Description = string(e.Description)
	out.URL = string(e.URL)
	out.Owner = string(e.Owner)
	if e.JoinedAt != nil {
		out.Joined = e.JoinedAt.String()
	}
	if e.Settings != nil {
		out.HasSettings = true
		out.Settings = oracle.Settings(*e.Settings)
	}
}
