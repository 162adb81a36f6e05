package schema

// A key is a JSON member that some rule knows. All others are ignored.
type key uint8

const (
	noKey key = iota

	// the envelope
	specversion
	envelopeID
	source
	eventType
	eventTime
	dataBase64

	// data
	orgID
	userID
	channel
	assistantID
	projectID
	workflowID
	conversationID
	model
	client
	apiKeyID
	action
	promptTokens
	completionTokens
	provider
	deployment
	byok
	cachedPromptTokens
	cacheCreationTokens
	costUSD
	runID
	status
	durationMS
	errorType
	trigger
	entityKind
	entityID
	name
	email
	role
	joinedAt
	department
	companyName
	licenseType
	groupIDs
	description
	url
	ownerID
	deleted

	// data.settings
	userLevelData
	settingsBYOK
	settingsWorkflows
	pseudonymize

	keyCount

	// the members that hold others
	dataObject     = keyCount
	settingsObject = keyCount + 1
)

// envelopeKey, dataKey and settingsKey return the key of a member's name in that object. The full
// decoder uses them; the scanner finds names in names.go, and headers are found in mode.go.
func envelopeKey(name []byte) key {
	switch string(name) {
	case "specversion":
		return specversion
	case "id":
		return envelopeID
	case "source":
		return source
	case "type":
		return eventType
	case "time":
		return eventTime
	case "data_base64":
		return dataBase64
	}
	return noKey
}

func dataKey(member []byte) key {
	switch string(member) {
	case "org_id":
		return orgID
	case "user_id":
		return userID
	case "channel":
		return channel
	case "assistant_id":
		return assistantID
	case "project_id":
		return projectID
	case "workflow_id":
		return workflowID
	case "conversation_id":
		return conversationID
	case "model":
		return model
	case "client":
		return client
	case "api_key_id":
		return apiKeyID
	case "action":
		return action
	case "prompt_tokens":
		return promptTokens
	case "completion_tokens":
		return completionTokens
	case "provider":
		return provider
	case "deployment":
		return deployment
	case "byok":
		return byok
	case "cached_prompt_tokens":
		return cachedPromptTokens
	case "cache_creation_tokens":
		return cacheCreationTokens
	case "cost_usd":
		return costUSD
	case "run_id":
		return runID
	case "status":
		return status
	case "duration_ms":
		return durationMS
	case "error_type":
		return errorType
	case "trigger":
		return trigger
	case "kind":
		return entityKind
	case "id":
		return entityID
	case "name":
		return name
	case "email":
		return email
	case "role":
		return role
	case "joined_at":
		return joinedAt
	case "department":
		return department
	case "company_name":
		return companyName
	case "license_type":
		return licenseType
	case "group_ids":
		return groupIDs
	case "description":
		return description
	case "url":
		return url
	case "owner_id":
		return ownerID
	case "deleted":
		return deleted
	}
	return noKey
}

func settingsKey(name []byte) key {
	switch string(name) {
	case "user_level_data":
		return userLevelData
	case "byok":
		return settingsBYOK
	case "workflows":
		return settingsWorkflows
	case "pseudonymize":
		return pseudonymize
	}
	return noKey
}

// keyNames are the names as error messages write them.
var keyNames = [keyCount]string{
	specversion:         "specversion",
	envelopeID:          "id",
	source:              "source",
	eventType:           "type",
	eventTime:           "time",
	dataBase64:          "data_base64",
	orgID:               "data.org_id",
	userID:              "data.user_id",
	channel:             "data.channel",
	assistantID:         "data.assistant_id",
	projectID:           "data.project_id",
	workflowID:          "data.workflow_id",
	conversationID:      "data.conversation_id",
	model:               "data.model",
	client:              "data.client",
	apiKeyID:            "data.api_key_id",
	action:              "data.action",
	promptTokens:        "data.prompt_tokens",
	completionTokens:    "data.completion_tokens",
	provider:            "data.provider",
	deployment:          "data.deployment",
	byok:                "data.byok",
	cachedPromptTokens:  "data.cached_prompt_tokens",
	cacheCreationTokens: "data.cache_creation_tokens",
	costUSD:             "data.cost_usd",
	runID:               "data.run_id",
	status:              "data.status",
	durationMS:          "data.duration_ms",
	errorType:           "data.error_type",
	trigger:             "data.trigger",
	entityKind:          "data.kind",
	entityID:            "data.id",
	name:                "data.name",
	email:               "data.email",
	role:                "data.role",
	joinedAt:            "data.joined_at",
	department:          "data.department",
	companyName:         "data.company_name",
	licenseType:         "data.license_type",
	groupIDs:            "data.group_ids",
	description:         "data.description",
	url:                 "data.url",
	ownerID:             "data.owner_id",
	deleted:             "data.deleted",
	userLevelData:       "data.settings.user_level_data",
	settingsBYOK:        "data.settings.byok",
	settingsWorkflows:   "data.settings.workflows",
	pseudonymize:        "data.settings.pseudonymize",
}
