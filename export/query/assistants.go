package query

import "slices"

// assistantColumns: SPEC.md §2.2, assistants.
var assistantColumns = slices.Concat([]Column{
	{"assistant_id", Text, "The assistant.", always},
	groupModel,
}, groupTeam, []Column{
	{"assistant_name", Text, "The assistant's name.", always},
	{"messages", Integer, "Messages to the assistant.", always},
	{"unique_users", Integer, "How many users sent it messages.", always},
	{"active_users", Integer, "How many users have any usage that carries the assistant.", always},
	{"conversations", Integer, "How many conversations its messages belong to.", always},
	{"messages_per_user", Ratio, "messages / active_users.", always},
	{"assistant_description", Text, "What the assistant is for.", ifPersonal},
	{"assistant_url", Text, "Where the assistant is found.", ifPersonal},
	{"assistant_owner_id", Text, "The user who owns the assistant.", ifPersonal},
	{"assistant_owner_email", Text, "The owner's e-mail address.", ifPersonal},
	{"sum_prompt_tokens", Integer, "Prompt tokens of all requests.", ifBYOK},
	{"avg_prompt_tokens", Ratio, "Prompt tokens per request.", ifBYOK},
	{"min_prompt_tokens", Integer, "Fewest prompt tokens of a request.", ifBYOK},
	{"max_prompt_tokens", Integer, "Most prompt tokens of a request.", ifBYOK},
	{"sum_completion_tokens", Integer, "Completion tokens of all requests.", ifBYOK},
	{"avg_completion_tokens", Ratio, "Completion tokens per request.", ifBYOK},
	{"min_completion_tokens", Integer, "Fewest completion tokens of a request.", ifBYOK},
	{"max_completion_tokens", Integer, "Most completion tokens of a request.", ifBYOK},
	sumCached, sumCacheCreation, noCache, totalCost,
})
