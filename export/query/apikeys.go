package query

// apiKeyColumns: SPEC.md §2.2, api-keys.
var apiKeyColumns = []Column{
	{"api_key_id", Text, "The API key.", always},
	groupModel,
	{"api_key_name", Text, "The API key's name.", always},
	{"requests", Integer, "Model requests (token events) made with the key.", always},
	{"total_cost_usd", Cost, "Their cost in USD.", always},
	{"sum_prompt_tokens", Integer, "Their prompt tokens.", ifBYOK},
	{"sum_completion_tokens", Integer, "Their completion tokens.", ifBYOK},
	{"cached_prompt_tokens", Integer, "Prompt tokens that were read from a cache.", ifBYOK},
	{"cache_creation_tokens", Integer, "Tokens that were written to a cache.", ifBYOK},
	noCache,
}
