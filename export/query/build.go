package query

import (
	"embed"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
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
	sql        string         // the template
	ID         string         // the log's column that has the entity's id
	Kind       string         // the entity's kind, and the channel of its messages; "": the rows are no entities
	attributes []string       // what the SQL shows of the entity
	owned      bool           // the SQL shows the e-mail address of the entity's owner
	reads      []tables.Daily // the usage that it reads
	order      string         // of the rows, in a bucket: columns of the SQL's result; "": it has one row
	members    bool           // the SQL counts members of the workspace
	names      bool           // the SQL reads what entities were called at the end of a UTC day
}

var shapes = map[Type]shape{
	Users: {
		sql: "users.sql", ID: "user_id", Kind: "user", attributes: []string{"name", "email", "role", "joined_at"},
		reads: tables.Dailies(),
		order: "r.messages_total_rank, r.user_id",
	},
	Assistants: {
		sql: "places.sql", ID: "assistant_id", Kind: "assistant",
		attributes: []string{"name", "description", "url", "owner_id"}, owned: true,
		reads: []tables.Daily{tables.Messages, tables.Actions, tables.Tokens},
		order: "r.messages DESC, r.assistant_id",
	},
	Projects: {
		sql: "places.sql", ID: "project_id", Kind: "project", attributes: []string{"name", "owner_id"}, owned: true,
		reads: []tables.Daily{tables.Messages, tables.Actions, tables.Tokens},
		order: "r.messages DESC, r.project_id",
	},
	Workflows: {
		sql: "workflows.sql", ID: "workflow_id", Kind: "workflow", attributes: []string{"name", "owner_id"}, owned: true,
		reads: tables.Dailies(),
		order: "r.runs DESC, r.workflow_id",
	},
	Models: {
		sql: "models.sql", reads: []tables.Daily{tables.Tokens},
		order: "r.requests DESC, r.name, r.provider, r.bring_your_keys",
	},
	APIKeys: {
		sql: "apikeys.sql", ID: "api_key_id", Kind: "api_key", attributes: []string{"name"},
		reads: []tables.Daily{tables.Messages, tables.Tokens},
		order: "r.requests DESC, r.api_key_id",
	},
	Departments: {
		sql: "teams.sql", ID: "department", members: true, reads: tables.Dailies(),
		order: "r.messages DESC, r.department",
	},
	Groups: {
		sql: "teams.sql", ID: "group_id", Kind: "group", attributes: []string{"name"}, members: true, reads: tables.Dailies(),
		order: "r.messages DESC, r.group_id",
	},
	Adoption: {sql: "adoption.sql", members: true, reads: tables.Dailies()},
	Focus: {
		sql: "focus.sql", names: true, reads: []tables.Daily{tables.Tokens},
		order: "r.day, r.service, r.host, r.own_keys, r.shown_person, r.api_key, r.assistant, r.project",
	},
}

// An entityRead says what a statement reads of the entities of one kind. The statement has only
// what it needs: see fromRollups.
type entityRead struct {
	Name       string // of the WITH clauses
	Kind       string
	attributes []string
	Listed     bool // whether the entity has a row without usage
	InBuckets  bool // and in which buckets
	First      bool // when it was first described, or its deletion
	Removed    bool // says whether the entity is deleted at {at}
}

// Values are the attributes as an event has them, and Shown as the WITH clause has them.
func (e entityRead) Values() string {
	all := slices.Clone(e.attributes)
	for i, name := range all {
		if name == "role" || name == "status" || name == "license_type" {
			all[i] = "toString(" + name + ")"
		}
	}
	return strings.Join(all, ", ")
}

func (e entityRead) Shown() string {
	all := make([]string, len(e.attributes))
	for i, name := range e.attributes {
		all[i] = fmt.Sprintf("shown.%d AS %s", i+1, name)
	}
	return strings.Join(all, ", ")
}

// choices are the values by which a template chooses.
type choices struct {
	shape
	Request
}

// entities are what the type's SQL reads of entities.
func (c choices) entities() (all []entityRead) {
	if c.Kind != "" {
		listed := !c.WithoutInactive
		all = append(all, entityRead{
			Name: c.Kind, Kind: c.Kind, attributes: c.shownAttributes(), Listed: listed,
			InBuckets: listed && c.Period.Buckets != nil, Removed: c.wants("status"),
		})
	}
	if c.showsOwners() {
		all = append(all, entityRead{Name: "owner", Kind: "user", attributes: []string{"email"}})
	}
	if c.GroupBy == "group" {
		all = append(all, entityRead{Name: "group", Kind: "group", attributes: []string{"name"}})
	}
	if c.members {
		attributes := []string{"joined_at", "department", "group_ids"}
		all = append(all, entityRead{
			Name: "user", Kind: "user", attributes: attributes, Listed: true, InBuckets: c.Period.Buckets != nil,
			First: c.Type == Adoption,
		})
	}
	return all
}

// showsOwners says whether the rows have the e-mail address of the entity's owner.
func (c choices) showsOwners() bool { return c.owned && c.named() }

// Split names the columns by which the usage of an entity is split into rows: bucket and grouped,
// as far as the request has them, at the beginning of a list of columns. SplitUsage are these
// columns of a usage event; SplitOther those of usage without a model.
func (c choices) Split() string      { return c.split("grouped, ") }
func (c choices) SplitOther() string { return c.split("'' AS grouped, ") }
func (c choices) SplitUsage() string { return c.split(groupings[c.GroupBy].of + " AS grouped, ") }

// Grouped are the columns of the grouping as the export has them, at the beginning of a list.
func (c choices) Grouped() string { return groupings[c.GroupBy].shown }

// JoinGroup joins the name of the group of group_by=group.
func (c choices) JoinGroup() string {
	if c.GroupBy != "group" {
		return ""
	}
	return "\nLEFT JOIN group_entities AS team ON team.entity_id = usage.grouped"
}

// groupings have, by group_by, the group of a usage event, and the columns that show it.
var groupings = map[string]struct{ of, shown string }{
	"model":      {"toString(model)", "grouped AS model, "},
	"source":     {"toString(client)", "grouped AS source, "},
	"deployment": {"toString(tokens.deployment)", "grouped AS deployment, "},
	"department": {"department", "grouped AS department, "},
	"group":      {"arrayJoin(teams)", "grouped AS group_id, team.name AS group_name, "},
}

func (c choices) split(grouped string) string {
	if c.GroupBy == "" {
		grouped = ""
	}
	if c.Period.Buckets == nil {
		return grouped
	}
	return "bucket, " + grouped
}

// SplitNames are the columns of Split.
func (c choices) SplitNames() []string {
	return strings.FieldsFunc(c.Split(), func(r rune) bool { return r == ',' || r == ' ' })
}

// Within begins the window of a rank.
func (c choices) Within() string {
	within := strings.TrimSuffix(c.Split(), ", ")
	if within == "" {
		return ""
	}
	return "PARTITION BY " + strings.Replace(within, "bucket", "bucket_start", 1) + " "
}

// Bucket is the column bucket_start of a row, at the end of a list of columns.
func (c choices) Bucket() string {
	switch {
	case c.Period.Buckets == nil:
		return ""
	case c.listsBuckets():
		return ", if(usage.active, usage.bucket, listed.bucket) AS bucket_start"
	}
	return ", usage.bucket AS bucket_start"
}

// listsBuckets says whether each bucket lists its entities without usage.
func (c choices) listsBuckets() bool {
	return c.Period.Buckets != nil && !c.WithoutInactive && c.Kind != "" && !c.teams()
}

// Usage joins the rows of usage with the attributes of their entities and of the entities' owners.
// An entity that is only listed, without usage, gets a row of its own, in each bucket.
func (c choices) Usage() string {
	entities := c.Kind + "_entities"
	var joined, where string
	switch {
	case c.WithoutInactive:
		joined = fmt.Sprintf("usage LEFT JOIN %s AS e ON e.entity_id = usage.id", entities)
	case c.listsBuckets():
		joined = fmt.Sprintf(`usage FULL JOIN (SELECT entity_id, arrayJoin(listed_in) AS bucket FROM %[1]s) AS listed
    ON listed.entity_id = usage.id AND listed.bucket = usage.bucket
LEFT JOIN %[1]s AS e ON e.entity_id = if(usage.active, usage.id, listed.entity_id)`, entities)
	default:
		joined = fmt.Sprintf("usage FULL JOIN %s AS e ON e.entity_id = usage.id", entities)
		where = "\nWHERE usage.active OR e.listed"
	}
	if c.showsOwners() {
		joined += "\nLEFT JOIN owner_entities AS owner ON owner.entity_id = e.owner_id"
	}
	return joined + c.JoinGroup() + c.joinActivity() + where
}

// Entity is the id of a row of Usage.
func (choices) Entity() string { return "if(usage.active, usage.id, e.entity_id)" }

// Owner are the columns about the owner of a row of Usage.
func (c choices) Owner() string {
	owner := fmt.Sprintf("%s AS %s_owner_id", c.Person("e.owner_id"), c.Kind)
	if c.showsOwners() {
		owner += fmt.Sprintf(", owner.email AS %s_owner_email", c.Kind)
	}
	return owner
}

// Person is the expression for a user's id as the export shows it: a pseudonym, if the workspace
// pseudonymizes.
func (c choices) Person(id string) string { return c.person(id) }

func (r Request) person(id string) string {
	if !r.Settings.Pseudonymize {
		return id
	}
	const pseudonym = "lower(substring(hex(HMAC('SHA256', %[1]s, unhex({pseudonym_key:String}))), 1, 32))"
	return fmt.Sprintf("if(%[1]s = '', '', "+pseudonym+")", id)
}

// Tokens are the measures of token events that the type shows, at the end of a list of columns.
// NoTokens are their values in a row of other usage.
func (c choices) Tokens() string   { return c.ifTokens(c.tokens().Names()) }
func (c choices) NoTokens() string { return c.ifTokens(c.tokens().Zeros()) }

// Amounts and NoAmounts are the same for token events that are merged, without their number.
func (c choices) Amounts() string   { return c.ifTokens(tables.Tokens.Amounts().Merges()) }
func (c choices) NoAmounts() string { return c.ifTokens(tables.Tokens.Amounts().Zeros()) }

func (c choices) tokens() tables.Daily {
	if c.Type == Assistants { // which shows the smallest and the greatest request
		return tables.Tokens
	}
	return tables.Tokens.Sums()
}

func (c choices) ifTokens(columns string) string {
	if !c.Settings.BYOK {
		return ""
	}
	return ", " + columns
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
	d := draft{Request: r, shape: shapes[r.Type], reading: newReading(r, plan)}
	if len(r.Period.Buckets) == 0 && !slices.Contains(r.Type.Granularities(), "") {
		return d, bad("granularity", "The export %s has its rows by day, week or month; name a granularity.", r.Type)
	}
	c := choices{d.shape, r}
	text, err := execute(d.sql, c)
	if err != nil {
		return d, err
	}
	parts := []string{"WITH " + d.sources(d.reads, text)}
	if d.teams() || d.Type == Adoption && d.Filters != nil { // else what counts is everything
		parts = append(parts, d.present())
	}
	for _, read := range c.entities() {
		entities, err := execute("entities.sql", read)
		if err != nil {
			return d, err
		}
		parts = append(parts, entities)
	}
	if d.teams() {
		members, err := execute("members.sql", c)
		if err != nil {
			return d, err
		}
		parts = append(parts, members)
	}
	if d.names {
		names, err := execute("named.sql", c)
		if err != nil {
			return d, err
		}
		parts = append(parts, names)
	}
	if d.activity() {
		activity, err := execute("activity.sql", c)
		if err != nil {
			return d, err
		}
		parts = append(parts, activity)
	}
	d.rows = strings.Join(append(parts, text), ",\n")
	return d, nil
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
	sql := fmt.Sprintf("SELECT\n    %s\n%s\nORDER BY %s", strings.Join(cells, ",\n    "), d.from(), d.ordered())
	if d.Limit > 0 {
		sql += "\nLIMIT " + strconv.Itoa(d.Limit)
	}
	return sql, nil
}

// ordered is the order of all rows.
func (d draft) ordered() string {
	var by []string
	if d.Period.Buckets != nil {
		by = append(by, "r.bucket_start")
	}
	if d.order != "" {
		by = append(by, d.order)
	}
	if d.GroupBy != "" {
		by = append(by, "r.grouped")
	}
	return strings.Join(by, ", ")
}

// from is the FROM clause with the guarded rows.
func (d draft) from() string {
	return fmt.Sprintf("FROM (\n%s\n) AS r\nWHERE %s", d.rows, d.guards())
}

// params are all values of the statement.
func (d draft) params() clickhouse.Parameters {
	p := d.plan.Params()
	from, to := d.period.whole()
	p["whole_from"] = from.String()
	p["whole_to"] = to.String()
	p["log_days"] = days(d.logDays)
	p["log_version"] = d.plan.VersionOf(d.logDays...)
	p["from"] = millis(d.period.From)
	p["to"] = millis(d.period.To)
	p["at"] = millis(d.attributesAt())
	if d.Entities != nil {
		p["entity_events"] = strconv.FormatUint(d.Entities.Events, 10)
		p["entity_digest"] = strconv.FormatUint(d.Entities.Digest, 10)
	}
	p["start"] = d.Period.Start
	p["end"] = d.Period.End
	if d.Period.Buckets != nil {
		maps.Copy(p, bucketParams(d.Period.Buckets))
	}
	if d.tellsDays() {
		maps.Copy(p, localDayParams(d.period.days()))
	}
	if d.Type == Adoption {
		p["earliest"] = strconv.Itoa(int(d.earliest()))
	}
	p["org_cell"] = tables.EscapeParam(textCell(d.Org))
	for _, f := range d.Filters {
		p["filter_"+f.Name] = textArray(f.Values)
	}
	if d.Settings.Pseudonymize {
		p["pseudonym_key"] = hex.EncodeToString(d.PseudonymKey[:])
	}
	return p
}

// millis is the value of a parameter of the type DateTime64(3, 'UTC').
func millis(m schema.Millis) string { return m.Time().UTC().Format("2006-01-02 15:04:05.000") }

func days(all []schema.Day) string {
	quoted := make([]string, len(all))
	for i, d := range all {
		quoted[i] = "'" + d.String() + "'"
	}
	return "[" + strings.Join(quoted, ",") + "]"
}
