package traffic

import "fmt"

// awkward has texts that are difficult for spreadsheets, CSV, JSON, the engine's own escapes, and
// sorting by bytes.
var awkward = []string{
	"=1+1", "+49", "-1", "@cmd", "\tindented", "\rreturned", "'quoted", `a "b" c`, `back\slash`, `\N`, "NULL", "null",
	"comma, semicolon;", "line\r\nend", "lf\nonly",
	"/slash/", "Zoë", "zoe", "陽子", "Олена", "🙂 smile", "line\u2028separator", "bell\x07", "del\x7f", " space", "{}",
	"<b>&amp;", "é", "e\u0301", "%s", "${x}", "\ufeffbom",
	"\x00=1+1", "\x01\x1f@cmd", "\nline first", "\x00plain",
}

func numbered(prefix string, n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("%s%d", prefix, i))
	}
	return all
}

var (
	sources       = []string{"/a", "/b", "urn:ß"}
	users         = append(numbered("u", 20), awkward...)
	assistants    = append(numbered("asst-", 6), awkward[:8]...)
	projects      = append(numbered("proj-", 5), awkward[8:14]...)
	flows         = append(numbered("flow-", 5), awkward[14:18]...)
	apiKeys       = append(numbered("key-", 3), "=key", "ключ")
	conversations = append(numbered("c", 30), "🙂")
	models        = append(numbered("model-", 4), "m/1", "=SUM(A1)", "line\u2028separator", `quo"te\`, "bell\x07\n")
	actions       = []string{"canvas", "web_search", "Jira_Search for issues", `"quoted" action`, "поиск", "a/b"}
	clients       = []string{"web", "mobile", "slack", "=client", "ü"}
	providers     = []string{"azure", "bedrock", "mistral"}
	deployments   = []string{"eu", "us-east", "+plus"}
	errorTypes    = []string{"timeout", "tool\nerror", "=error"}
	triggers      = []string{"manual", "schedule", "webhook", "cron/5"}
	groups        = append(numbered("grp-", 6), awkward[18:26]...)
	departments   = []string{"Sales", "R&D", "=dept", "Zoë's", "日本", " "}
	companies     = []string{"Acme", "=Acme", "Öl & Gas"}
	licenses      = []string{"pro", "free", "+plus"}
	roles         = []string{"member", "editor", "admin"}
)
