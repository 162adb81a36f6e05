package oracle

// An Event is a valid event in a normal form, in which equal events are copies of one another.
// Absent texts are empty, absent numbers 0.
type Event struct {
	Type, Source, ID, Org string
	Time                  int64 // milliseconds since 1970

	User, Channel, Action, Assistant, Project, Workflow, Conversation, APIKey, Model, Client string

	Provider, Deployment                            string
	BYOK                                            bool
	Prompt, Completion, CachedPrompt, CacheCreation int64
	Cost                                            int64 // 10⁻⁹ USD

	Run, ErrorType, Trigger string
	Status                  string // of a run, or of an entity, which is active if the event does not say
	Duration                int64  // milliseconds

	Kind, Entity                                                   string
	Deleted                                                        bool
	Name, Email, Role, Joined, Department, Description, URL, Owner string // Joined: YYYY-MM-DD
	CompanyName, LicenseType, GroupIDs                             string // GroupIDs: see the function
	HasSettings                                                    bool
	Settings                                                       Settings
}

// Settings are those of a workspace.
type Settings struct{ UserLevelData, BYOK, Workflows, Pseudonymize bool }

const (
	messageType  = "usage.message.v1"
	actionType   = "usage.action.v1"
	tokenType    = "usage.token.v1"
	workflowType = "usage.workflow_run.v1"
	entityType   = "usage.entity.v1"
)

// contract has for each type the function that reads its data.
var contract = map[string]func(*data, *Event){
	messageType: func(d *data, e *Event) {
		d.need("org_id", "user_id", "channel")
		e.Channel = d.text("channel", 256, "chat", "assistant", "project", "workflow", "api")
		switch e.Channel {
		case "assistant", "project", "workflow":
			d.need(e.Channel + "_id")
		}
		d.shared(e)
		e.Conversation = d.text("conversation_id", 256)
		e.APIKey = d.text("api_key_id", 256)
	},
	actionType: func(d *data, e *Event) {
		d.need("org_id", "user_id", "action")
		e.Action = d.text("action", 256)
		d.shared(e)
		e.Conversation = d.text("conversation_id", 256)
	},
	tokenType: func(d *data, e *Event) {
		d.need("org_id", "model", "prompt_tokens", "completion_tokens")
		d.missing = d.missing || d.value("user_id") == "" && d.value("api_key_id") == ""
		d.shared(e)
		e.APIKey = d.text("api_key_id", 256)
		e.Provider = d.text("provider", 256)
		e.Deployment = d.text("deployment", 256)
		e.BYOK = d.bool("byok", false)
		e.Prompt = d.count("prompt_tokens")
		e.Completion = d.count("completion_tokens")
		e.CachedPrompt = d.count("cached_prompt_tokens")
		e.CacheCreation = d.count("cache_creation_tokens")
		e.Cost = d.cost("cost_usd")
	},
	workflowType: func(d *data, e *Event) {
		d.need("org_id", "workflow_id", "run_id", "status", "duration_ms")
		e.Org = d.text("org_id", 256)
		e.User = d.text("user_id", 256)
		e.Workflow = d.text("workflow_id", 256)
		e.Run = d.text("run_id", 256)
		e.Status = d.text("status", 256, "succeeded", "failed", "cancelled")
		e.Duration = d.count("duration_ms")
		e.ErrorType = d.text("error_type", 256)
		e.Trigger = d.text("trigger", 256)
	},
	entityType: func(d *data, e *Event) {
		d.need("org_id", "kind", "id")
		e.Org = d.text("org_id", 256)
		e.Entity = d.text("id", 256)
		e.Kind = d.text("kind", 256, "workspace", "user", "group", "assistant", "workflow", "project", "api_key")
		d.invalid = d.invalid || e.Kind == "workspace" && e.Org != "" && e.Entity != "" && e.Entity != e.Org
		e.Status = "active"
		if e.Deleted = d.bool("deleted", false); !e.Deleted {
			d.attributes(e)
		}
	},
}

// shared reads the fields that messages, actions and token events have in common.
func (d *data) shared(e *Event) {
	e.Org = d.text("org_id", 256)
	e.User = d.text("user_id", 256)
	e.Assistant = d.text("assistant_id", 256)
	e.Project = d.text("project_id", 256)
	e.Workflow = d.text("workflow_id", 256)
	e.Model = d.text("model", 256)
	e.Client = d.text("client", 256)
}

func (d *data) attributes(e *Event) {
	e.Name = d.text("name", 4096)
	e.Description = d.text("description", 4096)
	e.Email = d.text("email", 256)
	e.Role = d.text("role", 256, "member", "editor", "admin")
	e.Department = d.text("department", 256)
	e.CompanyName = d.text("company_name", 256)
	e.LicenseType = d.text("license_type", 256)
	if d.value("status") != "" {
		e.Status = d.text("status", 256, "active", "invited", "suspended")
	}
	e.GroupIDs = d.groupIDs("group_ids")
	e.URL = d.text("url", 2048)
	e.Owner = d.text("owner_id", 256)
	e.Joined = d.date("joined_at")
	if e.Kind != "workspace" || d.value("settings") == "" {
		return
	}
	s := data{fields: object(d.fields["settings"])}
	e.HasSettings = true
	e.Settings = Settings{
		s.bool("user_level_data", true), s.bool("byok", false), s.bool("workflows", false), s.bool("pseudonymize", false),
	}
	d.invalid = d.invalid || s.invalid || s.fields == nil
}
