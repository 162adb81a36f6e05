package rows

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"rollcall/schema"
)

// Each row has its own event's values in all columns, in whatever order the types come and
// whichever types come, also when the memory is used again.
func TestEventsOfAllTypes(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	e := NewEvents()
	for _, types := range [][]schema.Type{
		{schema.Message, schema.Action, schema.Token, schema.WorkflowRun},
		{schema.Token}, {schema.WorkflowRun}, {schema.Message},
		{schema.WorkflowRun, schema.Token}, {schema.Action, schema.WorkflowRun},
	} {
		for _, n := range []int{1, 2, 300, 1500} {
			e.Reset()
			var all []*schema.Event
			for len(all) < n {
				typ := types[random.IntN(len(types))]
				for range 1 + random.IntN(5) {
					ev := eventOf(typ, random.IntN(1000))
					all = append(all, ev)
					e.Add(ev)
				}
			}
			for _, block := range e.Blocks(ignoreCopies) {
				for _, row := range block.rows {
					checkRow(t, e, row, all[row])
				}
			}
		}
	}
}

func ignoreCopies(schema.Type, bool) {}

// checkRow compares one of many rows with the only row of a table of that event alone.
func checkRow(t *testing.T, e *Events, row uint32, ev *schema.Event) {
	t.Helper()
	alone := NewEvents()
	alone.Add(ev)
	alone.fill()
	for i, f := range e.fields {
		got := valueOf(f.column, row)
		want := valueOf(alone.fields[i].column, 0)
		if !bytes.Equal(got, want) {
			t.Fatalf("row %d of type %d: %s is %q, want %q", row, ev.Type, f.name, got, want)
		}
	}
}

func valueOf(c column, row uint32) []byte {
	if w, is := c.(*words); is { // its encoding has the dictionary in it
		return w.at(row)
	}
	return c.encode(nil, []uint32{row})
}

// eventOf fills every field that an event of the type may have.
func eventOf(typ schema.Type, n int) *schema.Event {
	text := func(name string) []byte { return fmt.Appendf(nil, "%s-%d", name, n) }
	ev := &schema.Event{
		Type:     typ,
		Day:      schema.Day(20000 + n%40),
		Time:     schema.Millis(n),
		EventID:  schema.EventID{byte(n), byte(n >> 8), byte(typ)},
		Version:  uint64(n),
		Source:   text("source"),
		ID:       text("id"),
		Org:      text("org"),
		User:     text("user"),
		Workflow: text("workflow"),
	}
	if typ != schema.WorkflowRun {
		ev.Assistant = text("assistant")
		ev.Project = text("project")
		ev.Model = text("model")
		ev.Client = text("client")
	}
	switch typ {
	case schema.Message:
		ev.Channel = text("channel")
		ev.Conversation = text("conversation")
		ev.APIKey = text("key")
	case schema.Action:
		ev.Action = text("action")
		ev.Conversation = text("conversation")
	case schema.Token:
		ev.APIKey = text("key")
		ev.Provider = text("provider")
		ev.Deployment = text("deployment")
		ev.BYOK = true
		ev.CostNanoUSD = uint64(n + 1)
		ev.PromptTokens = uint32(n + 2)
		ev.CompletionTokens = uint32(n + 3)
		ev.CachedPromptTokens = uint32(n + 4)
		ev.CacheCreationTokens = uint32(n + 5)
	case schema.WorkflowRun:
		ev.Run = text("run")
		ev.Status = text("status")
		ev.ErrorType = text("error")
		ev.Trigger = text("trigger")
		ev.DurationMS = uint32(n + 6)
	}
	return ev
}

// The log's types are all types but that of entities, in the order and with the numbers of its
// table.
func TestTypesOfTheLog(t *testing.T) {
	const want = "Enum8('message' = 1, 'action' = 2, 'token' = 3, 'workflow_run' = 4)"
	if got := NewEvents().typ.kind(); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
