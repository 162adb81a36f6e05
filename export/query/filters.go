package query

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"rollcall/schema/tables"
)

// A Filter lets only those usage events count that carry one of some values.
type Filter struct {
	Name   string   // one of Type.Filters
	Values []string // each once; "" means none, with department and group_id only
}

// maxFilterValues bounds the values of all filters of a request.
const maxFilterValues = 50

// FilterNames are all filters, in the order of the documentation.
func FilterNames() []string {
	return []string{
		"user_id", "assistant_id", "project_id", "workflow_id", "model", "api_key_id", "department", "group_id",
	}
}

// Filters lists the filters that the type takes.
func (t Type) Filters() []string {
	if t == Workflows { // runs have a user and a workflow, and nothing else
		return []string{"user_id", "workflow_id", "department", "group_id"}
	}
	return FilterNames()
}

var pseudonymForm = regexp.MustCompile(`^[0-9a-f]{32}$`)

func (r Request) checkFilters() error {
	all := 0
	for _, f := range r.Filters {
		if !slices.Contains(r.Type.Filters(), f.Name) {
			return bad(f.Name, "The export %s cannot be filtered by %s; it takes %s.", r.Type, f.Name,
				strings.Join(r.Type.Filters(), ", "))
		}
		if all += len(f.Values); all > maxFilterValues {
			return bad(f.Name, "A request takes at most %d values of filters; ask for some of them after the others.",
				maxFilterValues)
		}
		for _, v := range f.Values {
			if f.Name == "user_id" && r.Settings.Pseudonymize && !pseudonymForm.MatchString(v) {
				return bad(f.Name, "user_id must be a pseudonym, 32 lower-case hex digits as the exports show them, not %q: "+
					"this workspace pseudonymizes.", clip(v))
			}
		}
	}
	return nil
}

// conditions are what the filters say about the usage of one type of event, in the shape of its
// rollup. Usage that cannot carry the value of a filter does not count.
func (r Request) conditions(d tables.Daily) string {
	var all []string
	for _, f := range r.Filters {
		values := "{filter_" + f.Name + ":Array(String)}"
		switch {
		case f.Name == "department":
			all = append(all, "department IN "+values)
		case f.Name == "group_id":
			all = append(all, fmt.Sprintf("hasAny(teams, %s)", values))
		case !slices.ContainsFunc(d.Keys, func(k tables.Key) bool { return k.Name == f.Name }):
			all = append(all, "0")
		case f.Name == "user_id":
			all = append(all, fmt.Sprintf("user_id != '' AND %s IN %s", r.person("user_id"), values))
		default:
			all = append(all, fmt.Sprintf("%s IN %s", f.Name, values))
		}
	}
	return strings.Join(all, " AND ")
}

// filtered returns the values of a filter, or nil.
func (r Request) filtered(name string) []string {
	for _, f := range r.Filters {
		if f.Name == name {
			return f.Values
		}
	}
	return nil
}

// belongs says whether it matters what users belonged to when they used something.
func (r Request) belongs() bool {
	return r.teams() || r.Type == Focus || r.GroupBy == "department" || r.GroupBy == "group" ||
		r.filtered("department") != nil || r.filtered("group_id") != nil
}

// textArray is the value of a parameter of the type Array(String). The engine takes its elements as
// quoted texts, with the same escapes as in a parameter that is one text.
func textArray(all []string) string {
	quoted := make([]string, len(all))
	for i, text := range all {
		quoted[i] = "'" + strings.ReplaceAll(tables.EscapeParam(text), "'", `\'`) + "'"
	}
	return "[" + strings.Join(quoted, ",") + "]"
}
