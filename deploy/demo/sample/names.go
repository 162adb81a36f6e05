package sample

// The names of the imaginary people and things. Some contain quotes, a comma or more than ASCII, as
// real names do.
var (
	firstNames = []string{"Amélie", "Ben", "Chloé", "David", "Élodie", "Farid", "Greta", "Hannah", "Ivo", "Jana", "Kenji",
		"Lena", "Mateusz", "Nora", "Óscar", "Priya",
		"Quentin", "Rosa", "Søren", "Tomáš", "Uma", "Viktor", "Wanda", "Xin", "Yusuf", "Zoë", "陽子", "Олена"}
	lastNames = []string{"Müller", "Nguyen", "O'Brien", "García", "Kowalski", "Schmidt", "van den Berg", "Øberg", "Šimek",
		"Rossi", "Weiß", "Dubois", "Yılmaz", "Haddad",
		"Lindström", "Petrov", "Tanaka", "Okafor", "Silva", "Jansen", "Fischer", "Moreau", "Novák", "Kim"}
	topicsOfWork = []string{"Contracts", "Onboarding", "Travel", "Support", "Sales", "Research", "Code review",
		"Newsletter", "Payroll", "Data protection", "Tenders",
		"Translation", "Quality", "Legal", "Marketing", "Roadmap", "Budget", "Events", "Security", "Hiring"}
	kindsOfAssistant = []string{
		"Assistant", "Coach", "Writer", "Analyst", "Guide", "Reviewer", "\"Second pair of eyes\"", "Helper, all languages",
	}
	kindsOfProject  = []string{"2026", "Rollout", "Migration", "Pilot", "Archive", "Task force", "Relaunch"}
	kindsOfWorkflow = []string{"Digest", "Triage", "Import", "Report", "Approval", "Follow-up"}
	kindsOfGroup    = []string{"Guild", "Squad", "Champions", "Task force", "Circle"}
	agencies        = []string{"Norðurljós Consulting", "Temp & Partners"}
	departments     = []string{"Engineering", "Sales", "Legal", "Finance", "People", "Marketing", "Operations"}

	actionNames = []string{"web_search", "canvas", "data_analysis", "image_generation", "Jira_Search for issues",
		"SharePoint_Find files", "Calendar_List events",
		"Slack_Send message", "Salesforce_Look up account", "code_interpreter"}
	clients    = []string{"web", "web", "web", "desktop", "mobile", "slack", "teams"}
	triggers   = []string{"schedule", "schedule", "manual", "webhook", "api"}
	errorTypes = []string{"timeout", "rate_limited", "tool_error", "invalid_input"}
)

// A model of a provider. Prices are in 10⁻⁹ USD per token.
type model struct {
	name, provider, deployment string
	promptPrice, outputPrice   uint64
}

var models = []model{
	{"mistral-large-2", "mistral", "eu-west", 2_000, 6_000},
	{"llama-3.3-70b", "bedrock", "frankfurt", 720, 720},
	{"qwen3-32b", "self-hosted", "gpu-1", 150, 600},
	{"deepseek-v3", "azure", "sweden-central", 570, 1_680},
	{"mistral-small-3", "mistral", "eu-west", 100, 300},
	{"gemma-3-27b", "self-hosted", "gpu-2", 90, 170},
	{"phi-4", "azure", "sweden-central", 125, 500},
}
