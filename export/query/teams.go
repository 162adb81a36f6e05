package query

import "slices"

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
