package query

import "slices"

// modelColumns: SPEC.md §2.2, models.
var modelColumns = slices.Concat([]Column{
	{"name", Text, "The model.", always},
	{"provider", Text, "Who runs the model.", always},
	{"bring_your_keys", Bool, "Whether the requests were made with the workspace's own keys.", always},
	{"source", Text, "The client that the requests came from.", ifSource},
	{"deployment", Text, "The deployment that answered the requests.", ifDeployment},
}, groupTeam, []Column{
	{"requests", Integer, "Model requests (token events).", always},
}, tokenSums)
