package query

import (
	"embed"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"text/template"

	"github.com/ClickHouse/clickhouse-go/v2"

	"rollcall/schema"
	"rollcall/schema/tables"
)

//go:embed *.sql
var texts embed.FS

// sqls has the SQL of the types, as templates. A template chooses between pieces that are written
// in it; no value of a request is ever put into one.
var sqls = template.Must(template.New("").Funcs(functions()).ParseFS(texts, "*.sql"))

// functions are what a template may call besides the methods of choices. Each rollup has a
// function, with the name under which the SQL reads the rollup.
func functions() template.FuncMap {
	all := template.FuncMap{"ratio": ratio}
	for _, d := range tables.Dailies() {
		all[usageOf(d)] = func() tables.Daily { return d }
	}
	return all
}

// A shape says how the rows of a type are made.
type shape struct {
	sql   string         // the template
	kinds []string       // the kinds of entities that it reads
	ID    string         // the log's column that has the entity's id
	Kind  string         // the entity's kind, and the channel of its messages
	reads []tables.Daily // the usage that it reads
	order string         // the order of the rows: columns of the SQL's result
}

var shapes = map[Type]shape{
	Users: {
		sql: "users.sql", kinds: []string{"user"}, ID: "user_id", Kind: "user", reads: tables.Dailies(),
		order: "r.messages_total_rank, r.user_id, r.grouped",
	},
	Assistants: {
		sql: "places.sql", kinds: []string{"assistant", "user"}, ID: "assistant_id", Kind: "assistant",
		reads: []tables.Daily{tables.Messages, tables.Actions, tables.Tokens},
		order: "r.messages DESC, r.assistant_id, r.grouped",
	},
	Projects: {
		sql: "places.sql", kinds: []string{"project", "user"}, ID: "project_id", Kind: "project",
		reads: []tables.Daily{tables.Messages, tables.Actions, tables.Tokens},
		order: "r.messages DESC, r.project_id",
	},
	Workflows: {
		sql: "workflows.sql", kinds: []string{"workflow", "user"}, ID: "workflow_id", Kind: "workflow",
		reads: tables.Dailies(),
		order: "r.runs DESC, r.workflow_id",
	},
	Models: {
		sql: "models.sql", reads: []tables.Daily{tables.Tokens},
		order: "r.requests DESC, r.name, r.provider, r.bring_your_keys, r.grouped",
	},
	APIKeys: {
		sql: "apikeys.sql", kinds: []string{"api_key"}, ID: "api_key_id", Kind: "api_key",
		reads: []tables.Daily{tables.Messages, tables.Tokens},
		order: "r.requests DESC, r.api_key_id, r.grouped",
	},
}

// choices are the values by which a template chooses.
type choices struct {
	shape
	Request
}

// GroupModel is the group of a usage event, and GroupToken the group of a model request.
func (c choices) GroupModel() string {
	if c.GroupBy == "model" {
		return "toString(model)"
	}
	return "''"
}

func (c choices) GroupToken() string {
	switch c.GroupBy {
	case "source":
		return "toString(client)"
	case "deployment":
		return "toString(tokens.deployment)"
	}
	return "''"
}

// Usage joins the rows of usage with the attributes of their entities and of the entities' owners.
// An entity that is only listed, without usage, gets a row of its own.
func (c choices) Usage() string {
	join := "FULL"
	owner := ""
	where := "\nWHERE usage.active OR e.listed"
	if c.WithoutInactive {
		join = "LEFT"
		where = ""
	}
	if len(c.kinds) > 1 {
		owner = "\nLEFT JOIN user_entities AS owner ON owner.entity_id = e.owner_id"
	}
	return fmt.Sprintf("usage %s JOIN %s_entities AS e ON e.entity_id = usage.id%s%s", join, c.Kind, owner, where)
}

// Entity is the id of a row of Usage.
func (choices) Entity() string { return "if(usage.active, usage.id, e.entity_id)" }

// Person is the expression for a user's id as the export shows it: a pseudonym, if the workspace
// pseudonymizes.
func (c choices) Person(id string) string {
	if !c.Settings.Pseudonymize {
		return id
	}
	const pseudonym = "lower(substring(hex(HMAC('SHA256', %[1]s, unhex({pseudonym_key:String}))), 1, 32))"
	return fmt.Sprintf("if(%[1]s = '', '', "+pseudonym+")", id)
}

// TokenSums are the columns T of SPEC.md §2.2.
func (choices) TokenSums() string {
	return `sum(prompt_tokens) AS sum_prompt_tokens, sum(completion_tokens) AS sum_completion_tokens,
        sum(cached_prompt_tokens) AS sum_cached_prompt_tokens, sum(cache_creation_tokens) AS sum_cache_creation_tokens,
        if(sum_prompt_tokens > sum_cached_prompt_tokens, sum_prompt_tokens - sum_cached_prompt_tokens, 0) AS no_cache_tokens,
        sum(cost_usd) AS total_cost_usd`
}

// ratio is the quotient of two integers with so many digits after the point, or 0 if the divisor is
// 0. It is rounded half away from zero, in integer arithmetic.
func ratio(dividend, divisor string, digits int) string {
	one := "1" + strings.Repeat("0", digits)
	const rounded = "intDiv(2 * %[3]s * toUInt256(%[1]s) + %[2]s, 2 * toUInt256(%[2]s))"
	return fmt.Sprintf("toDecimal128(if(%[2]s = 0, 0, "+rounded+"), %[4]d) / %[3]s", dividend, divisor, one, digits)
}

// A draft is a statement that is being built.
type draft struct {
	Request
	shape
	reading
	rows string // the WITH clauses and the SELECT that make the rows, with plain values
}

func newDraft(r Request, plan tables.Plan) (draft, error) {
	d := draft{Request: r, shape: shapes[r.Type], reading: newReading(r.Period, plan)}
	parts := []string{"WITH " + d.sources(d.reads)}
	for _, kind := range d.kinds {
		text, err := execute("entities.sql", kind)
		if err != nil {
			return d, err
		}
		parts = append(parts, text)
	}
	text, err := execute(d.sql, choices{d.shape, r})
	d.rows = strings.Join(append(parts, text), ",\n")
	return d, err
}

func execute(name string, with any) (string, error) {
	var b strings.Builder
	if err := sqls.ExecuteTemplate(&b, name, with); err != nil {
		return "", fmt.Errorf("make the SQL of %s: %w", name, err)
	}
	return strings.TrimSpace(b.String()), nil
}

// selected is the SELECT of the request's columns, in its format and in the order of the export.
func (d draft) selected() (string, error) {
	columns, err := Columns(d.Request)
	if err != nil {
		return "", err
	}
	cells := make([]string, len(columns))
	for i, c := range columns {
		cells[i] = fmt.Sprintf("%s AS %s", d.cell(c), c.Name)
	}
	sql := fmt.Sprintf("SELECT\n    %s\n%s\nORDER BY %s", strings.Join(cells, ",\n    "), d.from(), d.order)
	if d.Limit > 0 {
		sql += "\nLIMIT " + strconv.Itoa(d.Limit)
	}
	return sql, nil
}

// from is the FROM clause with the guarded rows.
func (d draft) from() string {
	return fmt.Sprintf("FROM (\n%s\n) AS r\nWHERE %s", d.rows, d.guards())
}

// params are all values of the statement.
func (d draft) params() clickhouse.Parameters {
	p := d.plan.Params()
	from, to, _ := d.Period.whole()
	p["whole_from"] = from.String()
	p["whole_to"] = to.String()
	p["log_days"] = days(d.logDays)
	p["log_version"] = d.plan.VersionOf(d.logDays...)
	p["from"] = millis(d.Period.From)
	p["to"] = millis(d.Period.To)
	p["at"] = millis(d.attributesAt())
	if d.Entities != nil {
		p["entity_events"] = strconv.FormatUint(d.Entities.Events, 10)
		p["entity_digest"] = strconv.FormatUint(d.Entities.Digest, 10)
	}
	p["start"] = d.Period.Start
	p["end"] = d.Period.End
	if d.Settings.Pseudonymize {
		p["pseudonym_key"] = hex.EncodeToString(d.PseudonymKey[:])
	}
	return p
}

func millis(m schema.Millis) string { return strconv.FormatInt(int64(m), 10) }

func days(all []schema.Day) string {
	quoted := make([]string, len(all))
	for i, d := range all {
		quoted[i] = "'" + d.String() + "'"
	}
	return "[" + strings.Join(quoted, ",") + "]"
}
