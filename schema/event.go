package schema

// A Type is one of the five kinds of event.
type Type uint8

// The values of the first four are the log's Enum8 (schema/tables/migrations/0001_events.sql).
const (
	Message     Type = 1 + iota // usage.message.v1
	Action                      // usage.action.v1
	Token                       // usage.token.v1
	WorkflowRun                 // usage.workflow_run.v1
	EntityState                 // usage.entity.v1: kept in entities, not in the log
)

// An EventID is the part of an event's identity that is not its org and day: a 128-bit hash of
// (type, source, id).
type EventID [16]byte

// Erased is the lowest bit of a version, and set in tombstones only. A tombstone has the version of
// the copy it stands for and this bit: it wins against that copy, whenever that comes again, and
// against those that the copy won against; it loses against those that the copy lost against, which
// may be somebody else's.
const Erased = uint64(1)

// Redaction is added to the version of a copy when an erased person's name as an owner is taken out
// of it: above the copy itself, so that its replay changes nothing, and to the other copies of the
// event what it was before.
const Redaction = 2

// An Event is one valid, normalised event. Its texts are views into the record it was decoded from
// or into the Decoder's scratch memory: they hold until the Decoder's next call. An absent optional
// field is empty or 0.
type Event struct {
	Type    Type
	Day     Day
	Time    Millis
	EventID EventID
	Version uint64 // hash of the content below (Time and Source/ID included); the lowest bit is 0

	Source, ID []byte
	Org        []byte

	User, Channel, Action, Assistant, Project, Workflow, Conversation, APIKey, Model, Client []byte

	Provider, Deployment                                                    []byte
	BYOK                                                                    bool
	PromptTokens, CompletionTokens, CachedPromptTokens, CacheCreationTokens uint32
	CostNanoUSD                                                             uint64 // 10⁻⁹ USD, 0 … 10¹⁸

	Run, Status, ErrorType, Trigger []byte
	DurationMS                      uint32

	Entity *Entity // with EntityState only
}

// A Kind is what an entity event describes; the values are the Enum8 of the table entities.
type Kind uint8

const (
	Workspace Kind = 1 + iota
	User
	Assistant
	Workflow
	Project
	APIKey
)

// An Entity is the full state of one entity from the event's time on.
type Entity struct {
	Kind                                                   Kind
	ID                                                     []byte
	Deleted                                                bool
	Name, Email, Role, Department, Description, URL, Owner []byte
	JoinedAt                                               *Day      // nil if absent
	Settings                                               *Settings // workspaces only; nil if the event had none
}

// Settings are a workspace's, as the last event that carried any left them.
type Settings struct {
	UserLevelData, BYOK, Workflows, Pseudonymize bool
}

// DefaultSettings are those of a workspace that never sent any.
var DefaultSettings = Settings{UserLevelData: true}
