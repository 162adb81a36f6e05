package query

import (
	"fmt"
	"slices"
	"strings"
)

// departmentColumns and groupColumns: SPEC.md §2.2, departments and groups.
var departmentColumns = slices.Concat([]Column{
	{"department", Text, "The department; empty for usage without a user and of those who belong to none.", always},
}, teamColumns)

var groupColumns = slices.Concat([]Column{
	{"group_id", Text, "The group; empty for usage without a user and of those who belong to none.", always},
	{"group_name", Text, "The group's name.", always},
}, teamColumns)

var teamColumns = slices.Concat([]Column{
	{"members", Integer, "Users of the workspace who belong there.", always},
	{"active_users", Integer, "How many users had any usage while they belonged there.", always},
	{"messages", Integer, "Their messages.", always},
	{"requests", Integer, "Model requests (token events) of theirs.", always},
}, tokenSums)

// teams says whether the rows are departments or groups.
func (r Request) teams() bool { return r.Type == Departments || r.Type == Groups }

// Listed is a table expression with the entities of a kind that have a row without usage.
func (c choices) Listed(kind string) string {
	if c.Period.Buckets == nil {
		return fmt.Sprintf("(SELECT entity_id FROM %s_entities WHERE listed)", kind)
	}
	return fmt.Sprintf("(SELECT entity_id, arrayJoin(listed_in) AS bucket FROM %s_entities)", kind)
}

// Team is the department or the groups that the user of a usage event belonged to: a row for each.
// MemberOf is what a member belongs to by its attributes, and MemberWhere which members count.
func (c choices) Team() string {
	if c.Type == Departments {
		return "department"
	}
	return "arrayJoin(teams)"
}

const memberTeams = "if(empty(e.group_ids), [''], e.group_ids)"

func (c choices) MemberOf() string {
	if c.Type == Departments {
		return "e.department"
	}
	return "arrayJoin(" + memberTeams + ")"
}

func (c choices) MemberWhere() string {
	if is := c.IsMember(); is != "1" {
		return "\n    WHERE " + is
	}
	return ""
}

// IsMember says whether a member e belongs to what the filters name; "1" without such filters.
func (c choices) IsMember() string {
	all := []string{}
	if c.filtered("department") != nil {
		all = append(all, "e.department IN {filter_department:Array(String)}")
	}
	if c.filtered("group_id") != nil {
		all = append(all, "hasAny("+memberTeams+", {filter_group_id:Array(String)})")
	}
	if len(all) == 0 {
		return "1"
	}
	return strings.Join(all, " AND ")
}

// OwnFilter is the filter by the type's own column.
func (c choices) OwnFilter() string {
	if c.filtered(c.ID) == nil {
		return ""
	}
	return "{filter_" + c.ID + ":Array(String)}"
}
