package query

import (
	"slices"
	"strings"
)

// A Kind is the type of a column's values. The format decides how they are written (SPEC.md §2.5).
type Kind string

const (
	Text     Kind = "text"
	Date     Kind = "date"      // YYYY-MM-DD; one that is missing is empty in csv, else null
	Integer  Kind = "integer"   // 0 … 2⁶⁴−1
	Ratio    Kind = "ratio"     // 2 digits after the point, rounded half away from zero
	Rate     Kind = "rate"      // 4 digits
	Cost     Kind = "cost"      // USD, up to 9 digits after the point, exact
	Quantity Kind = "quantity"  // an integer that csv writes with a decimal point
	Time     Kind = "time"      // a UTC day's first moment: YYYY-MM-DDT00:00:00Z
	Bool     Kind = "bool"      // true or false
	CountMap Kind = "count map" // id → integer
	CostMap  Kind = "cost map"  // model → USD
	TextMap  Kind = "text map"  // name → text
	List     Kind = "list"      // texts, sorted by bytes
)

const orNull = " or null"

// OrNull is the type of values that can be missing: empty in csv, else null. A date always can.
func (k Kind) OrNull() Kind { return k + orNull }

// Base is the type of the values that are there, and says whether one can be missing.
func (k Kind) Base() (base Kind, canBeNull bool) {
	name, found := strings.CutSuffix(string(k), orNull)
	return Kind(name), found || k == Date
}

// A Column is one column of an export. The SQL, GET /v1/exports, the OpenAPI document and the
// README all describe it by this.
type Column struct {
	Name    string
	Kind    Kind
	Meaning string // one sentence
	When    string // the condition under which the export has it; "": always
}

// Columns lists the request's columns in their order.
func Columns(r Request) ([]Column, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	available := r.available()
	usual := slices.DeleteFunc(slices.Clone(available), func(c Column) bool { return OnRequest(r.Type, c) })
	if r.Names == nil {
		return usual, nil
	}
	return chosen(r, usual, available)
}

// Available lists the columns that the request can name.
func Available(r Request) ([]Column, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	return r.available(), nil
}

func (r Request) available() []Column {
	return slices.DeleteFunc(AllColumns(r.Type), func(c Column) bool { return !present(r, c) })
}

// OnRequest says whether an export has the column only if the request names it.
func OnRequest(t Type, c Column) bool { return slices.Contains(onRequest[t], c) }

// wants says whether the request names one of these columns.
func (r Request) wants(names ...string) bool {
	return slices.ContainsFunc(r.Names, func(name string) bool { return slices.Contains(names, name) })
}

// chosen are the columns that the request names, in its order.
func chosen(r Request, usual, available []Column) (all []Column, err error) {
	for _, name := range r.Names {
		if name == "default" {
			all = append(all, usual...)
			continue
		}
		i := slices.IndexFunc(available, func(c Column) bool { return c.Name == name })
		if i < 0 {
			return nil, bad("columns", "columns: the export %s that you ask for has no column %q; "+
				"GET /v1/exports lists the columns of this workspace, and under which condition each is there.",
				r.Type, clip(name))
		}
		all = append(all, available[i])
	}
	seen := map[string]bool{}
	for _, c := range all {
		if seen[c.Name] {
			return nil, bad("columns", "columns: %s would be there twice; name each column once.", c.Name)
		}
		seen[c.Name] = true
	}
	return all, nil
}

// The conditions of columns.
const (
	always       = ""
	ifPersonal   = "where the workspace shows user-level data and does not pseudonymize"
	ifBYOK       = "where the workspace has byok on"
	ifModel      = "with group_by=model"
	ifSource     = "with group_by=source"
	ifDeployment = "with group_by=deployment"
	ifDepartment = "with group_by=department"
	ifGroup      = "with group_by=group"
)

func present(r Request, c Column) bool {
	switch c.When {
	case ifPersonal:
		return r.named()
	case ifBYOK:
		return r.Settings.BYOK
	case ifModel:
		return r.GroupBy == "model"
	case ifSource:
		return r.GroupBy == "source"
	case ifDeployment:
		return r.GroupBy == "deployment"
	case ifDepartment:
		return r.GroupBy == "department"
	case ifGroup:
		return r.GroupBy == "group"
	}
	return true
}

// AllColumns lists the columns that a type can have, in their order. Those on request are the last.
func AllColumns(t Type) []Column {
	own := map[Type][]Column{
		Users: userColumns, Assistants: assistantColumns, Workflows: workflowColumns, Projects: projectColumns,
		Models: modelColumns, APIKeys: apiKeyColumns, Departments: departmentColumns, Groups: groupColumns,
		Adoption: adoptionColumns,
	}
	if t == Focus { // whose columns another specification names
		return focusColumns
	}
	return slices.Concat(everyRow, own[t], onRequest[t])
}

// everyRow are the columns that every row starts with.
var everyRow = []Column{
	{"period_start", Date, "First day of the period (with granularity: of the row's bucket), in the period's time zone.", always},
	{"period_end", Date, "Last day of the period (with granularity: of the row's bucket), in the period's time zone.", always},
	{"org_id", Text, "The workspace.", always},
}

var groupModel = Column{"model", Text, "The model that the row's events name; empty for those that name none.", ifModel}

// groupTeam are the columns of group_by=department and group_by=group.
var groupTeam = []Column{
	{"department", Text, "The department that the users of the row's events belonged to; empty for none.", ifDepartment},
	{"group_id", Text, "The group that the users of the row's events belonged to; empty for none.", ifGroup},
	{"group_name", Text, "The group's name.", ifGroup},
}

// tokenSums are the columns T of SPEC.md §2.2.
var tokenSums = []Column{
	{"sum_prompt_tokens", Integer, "Prompt tokens of all requests.", ifBYOK},
	{"sum_completion_tokens", Integer, "Completion tokens of all requests.", ifBYOK},
	sumCached, sumCacheCreation, noCache, totalCost,
}

var (
	requests         = Column{"requests", Integer, "Model requests (token events).", ifBYOK}
	sumCached        = Column{"sum_cached_prompt_tokens", Integer, "Prompt tokens that were read from a cache.", ifBYOK}
	sumCacheCreation = Column{"sum_cache_creation_tokens", Integer, "Tokens that were written to a cache.", ifBYOK}
	noCache          = Column{"no_cache_tokens", Integer, "Prompt tokens less the cached ones, never below 0.", ifBYOK}
	totalCost        = Column{"total_cost_usd", Cost, "Cost of all requests in USD.", ifBYOK}
)
