package rows

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/ClickHouse/ch-go/proto"

	"rollcall/schema"
)

// chGo are the log's columns in ch-go/proto, another library that writes Native blocks.
type chGo struct {
	org, source, channel, action, model, client           *proto.ColLowCardinality[string]
	provider, deployment, status, errorType, trigger      *proto.ColLowCardinality[string]
	day                                                   proto.ColDate
	typ                                                   proto.ColEnum8
	eventID                                               proto.ColFixedStr16
	version                                               proto.ColUInt64
	time                                                  proto.ColDateTime64
	id, user, assistant, project, workflow                proto.ColStr
	conversation, apiKey, run                             proto.ColStr
	byok                                                  proto.ColBool
	prompt, completion, cachedRead, cacheCreation, length proto.ColUInt32
	cost                                                  proto.ColDecimal128

	input proto.Input
	out   proto.Buffer
}

func newChGo() *chGo {
	c := &chGo{}
	c.time.WithPrecision(proto.PrecisionMilli)
	words := []**proto.ColLowCardinality[string]{
		&c.org, &c.source, &c.channel, &c.action, &c.model, &c.client,
		&c.provider, &c.deployment, &c.status, &c.errorType, &c.trigger,
	}
	for _, w := range words {
		*w = new(proto.ColStr).LowCardinality()
	}
	c.input = proto.Input{
		{Name: "org_id", Data: c.org}, {Name: "day", Data: &c.day}, {Name: "type", Data: &c.typ},
		{Name: "event_id", Data: &c.eventID}, {Name: "version", Data: &c.version}, {Name: "time", Data: &c.time},
		{Name: "source", Data: c.source}, {Name: "id", Data: &c.id}, {Name: "user_id", Data: &c.user},
		{Name: "channel", Data: c.channel}, {Name: "action", Data: c.action}, {Name: "assistant_id", Data: &c.assistant},
		{Name: "project_id", Data: &c.project}, {Name: "workflow_id", Data: &c.workflow},
		{Name: "conversation_id", Data: &c.conversation}, {Name: "api_key_id", Data: &c.apiKey},
		{Name: "model", Data: c.model}, {Name: "client", Data: c.client}, {Name: "provider", Data: c.provider},
		{Name: "deployment", Data: c.deployment}, {Name: "byok", Data: &c.byok}, {Name: "prompt_tokens", Data: &c.prompt},
		{Name: "completion_tokens", Data: &c.completion}, {Name: "cached_prompt_tokens", Data: &c.cachedRead},
		{Name: "cache_creation_tokens", Data: &c.cacheCreation}, {Name: "cost_usd", Data: &c.cost},
		{Name: "run_id", Data: &c.run},
		{Name: "status", Data: c.status}, {Name: "error_type", Data: c.errorType}, {Name: "trigger", Data: c.trigger},
		{Name: "duration_ms", Data: &c.length},
	}
	return c
}

func (c *chGo) reset() {
	c.input.Reset()
	c.out.Reset()
}

// add appends one event. It does not copy the texts, though texts that come from records would have
// to be copied.
func (c *chGo) add(ev *schema.Event) {
	c.org.Append(uncopied(ev.Org))
	c.day = append(c.day, proto.Date(ev.Day))
	c.typ = append(c.typ, proto.Enum8(ev.Type))
	c.eventID = append(c.eventID, ev.EventID)
	c.version = append(c.version, ev.Version)
	c.time.AppendRaw(proto.DateTime64(ev.Time))
	c.source.Append(uncopied(ev.Source))
	c.id.AppendBytes(ev.ID)
	c.user.AppendBytes(ev.User)
	c.channel.Append(uncopied(ev.Channel))
	c.action.Append(uncopied(ev.Action))
	c.assistant.AppendBytes(ev.Assistant)
	c.project.AppendBytes(ev.Project)
	c.workflow.AppendBytes(ev.Workflow)
	c.conversation.AppendBytes(ev.Conversation)
	c.apiKey.AppendBytes(ev.APIKey)
	c.model.Append(uncopied(ev.Model))
	c.client.Append(uncopied(ev.Client))
	c.provider.Append(uncopied(ev.Provider))
	c.deployment.Append(uncopied(ev.Deployment))
	c.byok = append(c.byok, ev.BYOK)
	c.prompt = append(c.prompt, ev.PromptTokens)
	c.completion = append(c.completion, ev.CompletionTokens)
	c.cachedRead = append(c.cachedRead, ev.CachedPromptTokens)
	c.cacheCreation = append(c.cacheCreation, ev.CacheCreationTokens)
	c.cost = append(c.cost, proto.Decimal128{Low: ev.CostNanoUSD})
	c.run.AppendBytes(ev.Run)
	c.status.Append(uncopied(ev.Status))
	c.errorType.Append(uncopied(ev.ErrorType))
	c.trigger.Append(uncopied(ev.Trigger))
	c.length = append(c.length, ev.DurationMS)
}

func uncopied(text []byte) string { return unsafe.String(unsafe.SliceData(text), len(text)) }

func (c *chGo) encode(t testing.TB) []byte {
	c.out.Reset()
	block := proto.Block{Columns: len(c.input), Rows: len(c.typ)}
	if err := block.EncodeRawBlock(&c.out, 0, c.input); err != nil {
		t.Fatal(err)
	}
	return c.out.Buf
}

func (c *chGo) decode(t testing.TB, native []byte) {
	results := make(proto.Results, len(c.input))
	for i, column := range c.input {
		results[i] = proto.ResultColumn{Name: column.Name, Data: column.Data.(proto.ColResult)}
	}
	var block proto.Block
	if err := block.DecodeRawBlock(proto.NewReader(bytes.NewReader(native)), 0, results); err != nil {
		t.Fatal(err)
	}
}

// Another reader of the Native format reads from a block what its events say.
func TestBlocksAreReadByChGo(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	types := []schema.Type{schema.Message, schema.Action, schema.Token, schema.WorkflowRun}
	e := NewEvents()
	var all []*schema.Event
	for range 2000 {
		ev := eventOf(types[random.IntN(len(types))], random.IntN(1000))
		all = append(all, ev)
		e.Add(ev)
	}
	for _, block := range e.Blocks(ignoreCopies) {
		want := newChGo()
		for _, row := range block.rows {
			want.add(all[row])
		}
		got := newChGo()
		got.decode(t, block.Encode())
		got.encode(t) // it orders the dictionaries by first use
		want.encode(t)
		for i, column := range got.input {
			var gotten, wanted proto.Buffer
			column.Data.EncodeColumn(&gotten)
			want.input[i].Data.EncodeColumn(&wanted)
			if !bytes.Equal(gotten.Buf, wanted.Buf) {
				t.Errorf("%s of %d rows is read as %.200q, not %.200q", column.Name, block.Len(), gotten.Buf, wanted.Buf)
			}
		}
	}
}

// busyDay is n message events of one day: 40 orgs, thousands of users, a few models.
func busyDay(n int) []*schema.Event {
	random := rand.New(rand.NewPCG(1, 2))
	text := func(format string, a ...any) []byte { return fmt.Appendf(nil, format, a...) }
	all := make([]*schema.Event, n)
	for i := range all {
		ev := &schema.Event{
			Type:         schema.Message,
			Day:          20000,
			Time:         schema.Millis(20000*86400_000 + random.IntN(86400_000)),
			Version:      random.Uint64(),
			Org:          text("org-%02d", random.IntN(40)),
			Source:       text("//chat.example/eu-%d", random.IntN(3)),
			ID:           text("0192f3c4-%04x-7abc-8def-%012x", i&0xffff, i),
			User:         text("user-%05d", random.IntN(20000)),
			Channel:      text("assistant"),
			Assistant:    text("asst-%04d", random.IntN(2000)),
			Conversation: text("conv-%08x", random.Uint32()),
			Model:        text("model-%d", random.IntN(12)),
			Client:       text("web"),
		}
		for b := range ev.EventID {
			ev.EventID[b] = byte(random.Uint32())
		}
		all[i] = ev
	}
	return all
}

// BenchmarkNative fills columns with 50,000 events of a busy day and writes one sorted block. Our
// columns are filled in the order of arrival, ch-go/proto's in the sorted order, as they require.
// The time of sorting is not measured for either, nor the memory in which ch-go's events would wait
// to be sorted.
func BenchmarkNative(b *testing.B) {
	all := busyDay(50_000)
	e := NewEvents()
	for _, ev := range all {
		e.Add(ev)
	}
	sorted := e.Blocks(ignoreCopies)[0].rows
	b.Run("columns", func(b *testing.B) {
		b.ReportAllocs()
		defer reportCPU(b, len(all))()
		for b.Loop() {
			e.Reset()
			for _, ev := range all {
				e.Add(ev)
			}
			e.fill()
			e.encode(sorted)
		}
	})
	b.Run("ch-go", func(b *testing.B) {
		c := newChGo()
		b.ReportAllocs()
		defer reportCPU(b, len(all))()
		for b.Loop() {
			c.reset()
			for _, row := range sorted {
				c.add(all[row])
			}
			c.encode(b)
		}
	})
}

// reportCPU reports the CPU time, which grows less with other load on the machine.
func reportCPU(b *testing.B, events int) func() {
	used := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before := used()
	return func() { b.ReportMetric(float64(used()-before)/float64(b.N)/float64(events), "cpu-ns/event") }
}

// BenchmarkSort brings 50,000 events into the log's order.
func BenchmarkSort(b *testing.B) {
	e := NewEvents()
	for _, ev := range busyDay(50_000) {
		e.Add(ev)
	}
	b.ReportAllocs()
	for b.Loop() {
		e.Blocks(ignoreCopies)
	}
}
