package ingest

import "rollcall/schema"

// events are rows of the log, schema/tables/migrations/0001_events.sql.
type events struct {
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

	user, assistant, project, workflow, conversation, apiKey texts
	channel, action, model, client                           words

	provider, deployment                                    words
	byok                                                    numbers[uint8]
	promptTokens, completionTokens, cachedTokens, newCached numbers[uint32]
	cost                                                    numbers[uint64]

	run                        texts
	status, errorType, trigger words
	duration                   numbers[uint32]
}

const eventTypeEnum = "Enum8('message' = 1, 'action' = 2, 'token' = 3, 'workflow_run' = 4)"

func newEvents() *events {
	e := &events{}
	e.day = numbers[uint16]{width: 2, typ: "Date"}
	e.typ = numbers[schema.Type]{width: 1, typ: eventTypeEnum}
	e.eventID = hashes{width: 16, typ: "FixedString(16)"}
	e.version = numbers[uint64]{width: 8, typ: "UInt64"}
	e.time = numbers[schema.Millis]{width: 8, typ: "DateTime64(3, 'UTC')"}
	e.byok = numbers[uint8]{width: 1, typ: "Bool"}
	e.cost = numbers[uint64]{width: 16, typ: "Decimal(38, 9)"}
	for _, c := range []*numbers[uint32]{&e.promptTokens, &e.completionTokens, &e.cachedTokens, &e.newCached, &e.duration} {
		*c = numbers[uint32]{width: 4, typ: "UInt32"}
	}
	e.table = table{name: "events", fields: []field{
		{"org_id", &e.org}, {"day", &e.day}, {"type", &e.typ}, {"event_id", &e.eventID}, {"version", &e.version},
		{"time", &e.time}, {"source", &e.source}, {"id", &e.id},
		{"user_id", &e.user}, {"channel", &e.channel}, {"action", &e.action}, {"assistant_id", &e.assistant}, {"project_id", &e.project},
		{"workflow_id", &e.workflow}, {"conversation_id", &e.conversation}, {"api_key_id", &e.apiKey}, {"model", &e.model}, {"client", &e.client},
		{"provider", &e.provider}, {"deployment", &e.deployment}, {"byok", &e.byok}, {"prompt_tokens", &e.promptTokens},
		{"completion_tokens", &e.completionTokens}, {"cached_prompt_tokens", &e.cachedTokens}, {"cache_creation_tokens", &e.newCached}, {"cost_usd", &e.cost},
		{"run_id", &e.run}, {"status", &e.status}, {"error_type", &e.errorType}, {"trigger", &e.trigger}, {"duration_ms", &e.duration},
	}}
	return e
}

func (e *events) reset() {
	e.table.reset()
	e.keys = e.keys[:0]
}

// add copies one event; nothing of ev is kept.
func (e *events) add(ev *schema.Event) {
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
	e.channel.add(ev.Channel)
	e.action.add(ev.Action)
	e.assistant.add(ev.Assistant)
	e.project.add(ev.Project)
	e.workflow.add(ev.Workflow)
	e.conversation.add(ev.Conversation)
	e.apiKey.add(ev.APIKey)
	e.model.add(ev.Model)
	e.client.add(ev.Client)

	e.provider.add(ev.Provider)
	e.deployment.add(ev.Deployment)
	e.byok.add(oneIf(ev.BYOK))
	e.promptTokens.add(ev.PromptTokens)
	e.completionTokens.add(ev.CompletionTokens)
	e.cachedTokens.add(ev.CachedPromptTokens)
	e.newCached.add(ev.CacheCreationTokens)
	e.cost.add(ev.CostNanoUSD)

	e.run.add(ev.Run)
	e.status.add(ev.Status)
	e.errorType.add(ev.ErrorType)
	e.trigger.add(ev.Trigger)
	e.duration.add(ev.DurationMS)
}

func oneIf(v bool) uint8 {
	if v {
		return 1
	}
	return 0
}
