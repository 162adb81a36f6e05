package query

import "slices"

// projectColumns: SPEC.md §2.2, projects.
var projectColumns = slices.Concat([]Column{
	{"project_id", Text, "The project.", always},
	{"project_name", Text, "The project's name.", always},
	{"project_owner_id", Text, "The user who owns the project; a pseudonym where the workspace pseudonymizes.", always},
	{"project_owner_email", Text, "The owner's e-mail address.", ifPersonal},
	{"messages", Integer, "Messages in the project.", always},
	{"unique_users", Integer, "How many users sent messages in it.", always},
	{"conversations", Integer, "How many conversations its messages belong to.", always},
	requests,
}, tokenSums)
