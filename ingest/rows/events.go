package rows

import (
	"fmt"
	"strings"

	"rollcall/schema"
)

// Events are rows of the log, schema/tables/migrations/0001_events.sql.
type Events struct {
	table
	sorter

	org     words
	day     numbers[uint16]
	typ     numbers[schema.Type]
	eventID hashes
	version numbers[uint64]
	time    numbers[schema.Millis]
	source  words
	id      texts

	user, workflow texts

	// These columns exist for some types only. Events of other types add no rows to them: the next
	// event that has the columns fills the gap, and fill adds the missing rows at the end.
	channel, action                                             words
	conversation                                                texts
	assistant, project, apiKey                                  texts
	model, client                                               words
	provider, deployment                                        words
	byok                                                        numbers[uint8]
	promptTokens, completionTokens, cachedTokens, cacheCreation numbers[uint32]
	cost                                                        numbers[uint64]
	run                                                         texts
	status, errorType, trigger                                  words
	duration                                                    numbers[uint32]

	ofUse, ofUseAndTokens, ofTokens, ofRuns group
}

// eventTypeEnum is the log's Enum8. It has all types but that of entities, which have a table of
// their own.
var eventTypeEnum = enumOf(schema.Types())

func enumOf(types []schema.Type) string {
	var values []string
	for _, t := range types {
		if t != schema.EntityState {
			values = append(values, fmt.Sprintf("'%s' = %d", t, uint8(t)))
		}
	}
	return "Enum8(" + strings.Join(values, ", ") + ")"
}

// NewEvents makes Events without rows.
func NewEvents() *Events {
	e := &Events{}
	e.day = numbers[uint16]{width: 2, typ: "Date"}
	e.typ = numbers[schema.Type]{width: 1, typ: eventTypeEnum}
	e.eventID = hashes{width: 16, typ: "FixedString(16)"}
	e.version = numbers[uint64]{width: 8, typ: "UInt64"}
	e.time = numbers[schema.Millis]{width: 8, typ: "DateTime64(3, 'UTC')"}
	e.byok = numbers[uint8]{width: 1, typ: "Bool"}
	e.cost = numbers[uint64]{width: 16, typ: "Decimal(38, 9)"}
	for _, c := range []*numbers[uint32]{
		&e.promptTokens, &e.completionTokens, &e.cachedTokens, &e.cacheCreation, &e.duration,
	} {
		*c = numbers[uint32]{width: 4, typ: "UInt32"}
	}
	e.table = table{name: "events", fields: []field{
		{"org_id", &e.org}, {"day", &e.day}, {"type", &e.typ}, {"event_id", &e.eventID}, {"version", &e.version},
		{"time", &e.time}, {"source", &e.source}, {"id", &e.id},
		{"user_id", &e.user}, {"channel", &e.channel}, {"action", &e.action},
		{"assistant_id", &e.assistant}, {"project_id", &e.project}, {"workflow_id", &e.workflow},
		{"conversation_id", &e.conversation}, {"api_key_id", &e.apiKey}, {"model", &e.model}, {"client", &e.client},
		{"provider", &e.provider}, {"deployment", &e.deployment}, {"byok", &e.byok},
		{"prompt_tokens", &e.promptTokens}, {"completion_tokens", &e.completionTokens},
		{"cached_prompt_tokens", &e.cachedTokens}, {"cache_creation_tokens", &e.cacheCreation}, {"cost_usd", &e.cost},
		{"run_id", &e.run}, {"status", &e.status}, {"error_type", &e.errorType}, {"trigger", &e.trigger},
		{"duration_ms", &e.duration},
	}}
	e.ofUse = group{&e.channel, &e.action, &e.conversation}
	e.ofUseAndTokens = group{&e.assistant, &e.project, &e.apiKey, &e.model, &e.client}
	e.ofTokens = group{
		&e.provider, &e.deployment, &e.byok, &e.promptTokens, &e.completionTokens, &e.cachedTokens, &e.cacheCreation, &e.cost,
	}
	e.ofRuns = group{&e.run, &e.status, &e.errorType, &e.trigger, &e.duration}
	return e
}

// Event returns what a row says of its event apart from the content: type, day, time, identity,
// version, org and user. Its texts are valid until Reset.
func (e *Events) Event(row uint32) schema.Event {
	return schema.Event{
		Type:    e.typ.values[row],
		Day:     schema.Day(e.day.values[row]),
		Time:    e.time.values[row],
		EventID: schema.EventID(e.eventID.at(row)),
		Version: e.version.values[row],
		Org:     e.org.at(row),
		User:    e.user.at(row),
	}
}

// Len is how many rows were added since Reset, copies included.
func (e *Events) Len() int { return len(e.keys) }

// Held is the memory that the rows take, in bytes. Reset keeps it.
func (e *Events) Held() int { return e.table.held() + e.sorter.held() }

// Reset forgets the rows.
func (e *Events) Reset() {
	e.table.reset()
	e.keys = e.keys[:0]
}

// Add copies one event. It keeps nothing of ev.
func (e *Events) Add(ev *schema.Event) {
	row := e.Len()
	if row == cap(e.keys) {
		// Make room for twice as many rows. append alone grows by a quarter, and would copy each value
		// four times before a batch is full for the first time.
		e.reserve(max(256, 2*row))
	}
	e.append(ev)
	e.org.add(ev.Org)
	e.day.add(uint16(ev.Day))
	e.typ.add(ev.Type)
	e.eventID.add(ev.EventID[:])
	e.version.add(ev.Version)
	e.time.add(ev.Time)
	e.source.add(ev.Source)
	e.id.add(ev.ID)
	e.user.add(ev.User)
	e.workflow.add(ev.Workflow)
	switch ev.Type {
	case schema.Message, schema.Action:
		e.addUse(ev, row)
		e.addUseOrTokens(ev, row)
	case schema.Token:
		e.addUseOrTokens(ev, row)
		e.addTokens(ev, row)
	case schema.WorkflowRun:
		e.addRun(ev, row)
	}
}

func (e *Events) addUse(ev *schema.Event, row int) {
	if len(e.conversation.ends) < row {
		e.ofUse.fill(row)
	}
	e.channel.add(ev.Channel)
	e.action.add(ev.Action)
	e.conversation.add(ev.Conversation)
}

func (e *Events) addUseOrTokens(ev *schema.Event, row int) {
	if len(e.assistant.ends) < row {
		e.ofUseAndTokens.fill(row)
	}
	e.assistant.add(ev.Assistant)
	e.project.add(ev.Project)
	e.apiKey.add(ev.APIKey)
	e.model.add(ev.Model)
	e.client.add(ev.Client)
}

func (e *Events) addTokens(ev *schema.Event, row int) {
	if len(e.cost.values) < row {
		e.ofTokens.fill(row)
	}
	e.provider.add(ev.Provider)
	e.deployment.add(ev.Deployment)
	e.byok.add(oneIf(ev.BYOK))
	e.promptTokens.add(ev.PromptTokens)
	e.completionTokens.add(ev.CompletionTokens)
	e.cachedTokens.add(ev.CachedPromptTokens)
	e.cacheCreation.add(ev.CacheCreationTokens)
	e.cost.add(ev.CostNanoUSD)
}

func (e *Events) addRun(ev *schema.Event, row int) {
	if len(e.duration.values) < row {
		e.ofRuns.fill(row)
	}
	e.run.add(ev.Run)
	e.status.add(ev.Status)
	e.errorType.add(ev.ErrorType)
	e.trigger.add(ev.Trigger)
	e.duration.add(ev.DurationMS)
}

func (e *Events) reserve(rows int) {
	e.keys = withRoom(e.keys, rows)
	for _, f := range e.fields {
		f.reserve(rows)
	}
}

// fill gives each column as many rows as there are events.
func (e *Events) fill() {
	for _, g := range []group{e.ofUse, e.ofUseAndTokens, e.ofTokens, e.ofRuns} {
		g.fill(e.Len())
	}
}

func oneIf(v bool) uint8 {
	if v {
		return 1
	}
	return 0
}
