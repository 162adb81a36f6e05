package query

import (
	"fmt"
	"slices"
	"strings"
)

// onRequest are the columns that a request must name: SPEC.md §2.2, Columns on request.
var onRequest = map[Type][]Column{
	Users: slices.Concat([]Column{
		{"status", Text, "removed, active, invited, suspended or inactive: the first of these that applies.", always},
	}, activityColumns, []Column{
		{"department", Text, "The user's department.", always},
		{"company_name", Text, "The user's company.", ifPersonal},
		{"license_type", Text, "The user's license.", always},
		{"group_ids", List, "The groups that the user belongs to.", always},
	}),
	Assistants: activityColumns, Projects: activityColumns, Workflows: activityColumns,
}

var activityColumns = []Column{
	{"active_days", Integer, "On how many days there was any usage.", always},
	{"first_active_date", Date, "The first day with any usage; missing without any.", always},
	{"last_active_date", Date, "The last day with any usage; missing without any.", always},
}

// requestable are the attributes that are read only for columns on request.
var requestable = []string{"status", "department", "company_name", "license_type", "group_ids"}

// requests says whether the request names a column on request. department is one of users; of other
// types it is that of the grouping.
func (c choices) requests(name string) bool {
	return c.wants(name) && slices.ContainsFunc(onRequest[c.Type], func(of Column) bool { return of.Name == name })
}

// shownAttributes are what the SQL shows of the entity.
func (c choices) shownAttributes() []string {
	all := slices.Clone(c.attributes)
	for _, name := range requestable {
		if c.requests(name) {
			all = append(all, name)
		}
	}
	return all
}

// Requested are the columns on request that the request names, at the end of a list of columns.
func (c choices) Requested() string {
	var all strings.Builder
	for _, name := range requestable[1:] {
		if c.requests(name) {
			fmt.Fprintf(&all, ",\n    e.%s AS %[1]s", name)
		}
	}
	if c.wants("status") {
		all.WriteString(",\n    multiIf(e.removed, 'removed', usage.active, 'active', " +
			"e.status IN ('invited', 'suspended'), e.status, 'inactive') AS status")
	}
	if c.activity() {
		fmt.Fprintf(&all, ",\n    activity.active_days AS active_days, if(active_days = 0, NULL, %s) AS first_active_date, "+
			"if(active_days = 0, NULL, %s) AS last_active_date", localDate("activity.first_day"), localDate("activity.last_day"))
	}
	return all.String()
}

// joinActivity joins the days with usage of a row of Usage.
func (c choices) joinActivity() string {
	if !c.activity() {
		return ""
	}
	on := "activity.id = usage.id"
	for _, name := range c.SplitNames() {
		on += fmt.Sprintf(" AND activity_%s = usage.%[1]s", name)
	}
	return "\nLEFT JOIN activity ON " + on
}
