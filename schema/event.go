package schema

// A Type is one of the kinds of event.
type Type uint8

// The values of the first four are the log's Enum8 (schema/tables/migrations/0001_events.sql).
const (
	Message     Type = 1 + iota // usage.message.v1
	Action                      // usage.action.v1
	Token                       // usage.token.v1
	WorkflowRun                 // usage.workflow_run.v1
	EntityState                 // usage.entity.v1: kept in entities, not in the log
	TypesEnd                    // no type: it stays last, as the length of arrays by type
)

// An EventID is an event's identity without org and day: a 128-bit hash of (type, source, id).
type EventID [16]byte

// Erased is the lowest bit of a version. Only tombstones have it set. A tombstone has the version
// of the copy that it replaces, with this bit. So it wins against that copy, whenever the copy
// arrives again, and against every copy that the copy won against. It loses against a copy that the
// copy lost against: that one may be about another person.
const Erased = uint64(1)

// Redaction is added to the version of a copy when the id of an erased person is removed from it as
// owner_id. The redacted copy wins against the original, so a replay of the original changes
// nothing. Against other copies of the event it wins or loses as the original did.
const Redaction = 2

// An Event is one valid, normalised event. Its texts are views into the record that it was decoded
// from, or into the Decoder's memory: they are valid until the Decoder's next call. An absent
// optional field is empty or 0.
type Event struct {
	Type    Type
	Day     Day
	Time    Millis
	EventID EventID
	Version uint64 // hash of Type, Time and the fields of the type below; the lowest bit is 0

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

// A Kind is what an entity event describes. Its values are those of the Enum8 of the table
// entities.
type Kind uint8

const (
	Workspace Kind = 1 + iota
	User
	Assistant
	Workflow
	Project
	APIKey
	Group // users belong to groups: their GroupIDs
)

// An EntityStatus says whether a user takes part. Its values are those of the Enum8 of the column
// status of the table entities.
type EntityStatus uint8

const (
	Active EntityStatus = iota // the default
	Invited
	Suspended
)

// An Entity is the full state of one entity from the event's time on.
type Entity struct {
	Kind                                                   Kind
	ID                                                     []byte
	Deleted                                                bool
	Name, Email, Role, Department, Description, URL, Owner []byte
	JoinedAt                                               *Day      // nil if absent
	Settings                                               *Settings // workspaces only; nil if the event had none

	// Fields that the contract got later: see appendLater.
	Company, License []byte
	Status           EntityStatus
	GroupIDs         [][]byte // sorted by bytes, each once, at most 64
}

// Settings are those of a workspace, as the last event that carried settings left them.
type Settings struct {
	UserLevelData, BYOK, Workflows, Pseudonymize bool
}

// DefaultSettings are the settings of a workspace that never sent any.
var DefaultSettings = Settings{UserLevelData: true}
