package schema

// data judges the fields of the event's type and puts them into ev.
func (d *Decoder) data(ev *Event) {
	switch ev.Type {
	case Message:
		d.message(ev)
	case Action:
		d.action(ev)
	case Token:
		d.token(ev)
	case WorkflowRun:
		d.workflowRun(ev)
	case EntityState:
		d.entityState(ev)
	}
}

func (d *Decoder) message(ev *Event) {
	j := &d.judge
	ev.User = j.require(userID, maxID)
	ev.Channel = j.oneOf(channel, "chat", "assistant", "project", "workflow", "api")
	switch string(ev.Channel) {
	case "assistant":
		j.requireFor(assistantID, "assistant")
	case "project":
		j.requireFor(projectID, "project")
	case "workflow":
		j.requireFor(workflowID, "workflow")
	}
	d.context(ev)
	ev.APIKey = j.limited(apiKeyID, maxID)
}

// requireFor reports a missing id: a message of a channel carries the id of its entity.
func (j *judge) requireFor(k key, channel string) {
	if j.f.get(k).kind == absent {
		j.miss("%s is missing; a message of channel %s carries it", keyNames[k], channel)
	}
}

// context reads the fields that messages and actions share.
func (d *Decoder) context(ev *Event) {
	j := &d.judge
	d.entities(ev)
	ev.Conversation = j.limited(conversationID, maxID)
	ev.Model = j.limited(model, maxText)
	ev.Client = j.limited(client, maxText)
}

// entities reads the ids of the three things that usage may belong to.
func (d *Decoder) entities(ev *Event) {
	j := &d.judge
	ev.Assistant = j.limited(assistantID, maxID)
	ev.Project = j.limited(projectID, maxID)
	ev.Workflow = j.limited(workflowID, maxID)
}

func (d *Decoder) action(ev *Event) {
	j := &d.judge
	ev.User = j.require(userID, maxID)
	ev.Action = j.require(action, maxText)
	d.context(ev)
}

func (d *Decoder) token(ev *Event) {
	j := &d.judge
	ev.Model = j.require(model, maxText)
	ev.PromptTokens = j.requireCount(promptTokens)
	ev.CompletionTokens = j.requireCount(completionTokens)
	if j.f.get(userID).kind == absent && j.f.get(apiKeyID).kind == absent {
		j.miss("data.user_id and data.api_key_id are missing; a request has at least one of them")
	}
	ev.User = j.limited(userID, maxID)
	ev.APIKey = j.limited(apiKeyID, maxID)
	ev.Provider = j.limited(provider, maxText)
	ev.Deployment = j.limited(deployment, maxText)
	ev.BYOK = j.truth(byok, false)
	ev.CachedPromptTokens = j.count(cachedPromptTokens)
	ev.CacheCreationTokens = j.count(cacheCreationTokens)
	ev.CostNanoUSD = j.cost(costUSD)
	d.entities(ev)
	ev.Client = j.limited(client, maxText)
}

func (d *Decoder) workflowRun(ev *Event) {
	j := &d.judge
	ev.Workflow = j.require(workflowID, maxID)
	ev.Run = j.require(runID, maxID)
	ev.Status = j.oneOf(status, "succeeded", "failed", "cancelled")
	ev.DurationMS = j.requireCount(durationMS)
	ev.ErrorType = j.limited(errorType, maxText)
	ev.Trigger = j.limited(trigger, maxText)
	ev.User = j.limited(userID, maxID)
}

// kinds are the entity kinds as events name them, in the order of Kind.
var kinds = []string{"workspace", "user", "assistant", "workflow", "project", "api_key", "group"}

// statuses are the statuses of entities as events name them, in the order of EntityStatus.
var statuses = []string{"active", "invited", "suspended"}

func (d *Decoder) entityState(ev *Event) {
	j := &d.judge
	e := &d.entity
	*e = Entity{ID: j.require(entityID, maxID)}
	ev.Entity = e
	named := j.oneOf(entityKind, kinds...)
	for i, k := range kinds {
		if string(named) == k {
			e.Kind = Kind(i + 1)
		}
	}
	if e.Kind == Workspace && e.ID != nil && ev.Org != nil && string(e.ID) != string(ev.Org) {
		j.wrong("data.id of a workspace is not its org_id; they are the same")
	}
	if e.Deleted = j.truth(deleted, false); e.Deleted {
		return // its attributes are ignored
	}
	e.Name = j.limited(name, maxName)
	e.Email = j.limited(email, maxText)
	if e.Role = j.limited(role, maxText); e.Role != nil {
		e.Role = j.in(role, e.Role, []string{"member", "editor", "admin"})
	}
	e.Department = j.limited(department, maxText)
	e.Company = j.limited(companyName, maxText)
	e.License = j.limited(licenseType, maxText)
	e.Status = j.entityStatus()
	e.GroupIDs = j.groups()
	e.Description = j.limited(description, maxName)
	e.URL = j.limited(url, maxURL)
	e.Owner = j.limited(ownerID, maxID)
	e.JoinedAt = d.joinedAt()
	if e.Kind == Workspace {
		e.Settings = d.settings()
	}
}

// entityStatus reads the optional status. Without one, the entity is active.
func (j *judge) entityStatus() EntityStatus {
	v := j.limited(status, maxText)
	named := j.in(status, v, statuses)
	for i, s := range statuses {
		if string(named) == s {
			return EntityStatus(i)
		}
	}
	return Active
}

func (d *Decoder) joinedAt() *Day {
	j := &d.judge
	v := j.f.get(joinedAt)
	if v.kind == absent {
		return nil
	}
	day, ok := parseDate(v)
	if !ok {
		j.wrong("data.joined_at is not a date between 1900-01-01 and 2299-12-31, written like 2026-10-31")
		return nil
	}
	d.joined = day
	return &d.joined
}

// settings returns nil if the event has none: the settings of the workspace then stay as they were.
// A member that is left out takes its default.
func (d *Decoder) settings() *Settings {
	j := &d.judge
	switch j.f.settings {
	case absent:
		return nil
	case object:
		return &Settings{
			UserLevelData: j.truth(userLevelData, DefaultSettings.UserLevelData),
			BYOK:          j.truth(settingsBYOK, DefaultSettings.BYOK),
			Workflows:     j.truth(settingsWorkflows, DefaultSettings.Workflows),
			Pseudonymize:  j.truth(pseudonymize, DefaultSettings.Pseudonymize),
		}
	}
	j.wrong("data.settings is not an object")
	return nil
}
