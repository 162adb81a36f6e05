package query

import "slices"

// workflowColumns: SPEC.md §2.2, workflows.
var workflowColumns = slices.Concat([]Column{
	{"workflow_id", Text, "The workflow.", always},
	{"workflow_name", Text, "The workflow's name.", always},
	{"workflow_owner_id", Text, "The user who owns the workflow; a pseudonym where the workspace pseudonymizes.", always},
	{"workflow_owner_email", Text, "The owner's e-mail address.", ifPersonal},
	{"runs", Integer, "Finished runs.", always},
	{"runs_succeeded", Integer, "Runs that succeeded.", always},
	{"runs_failed", Integer, "Runs that failed.", always},
	{"runs_cancelled", Integer, "Runs that were cancelled.", always},
	{"success_rate", Rate, "runs_succeeded / runs.", always},
	{"unique_users", Integer, "How many users ran it.", always},
	{"avg_duration_ms", Ratio, "Average duration of a run, in milliseconds.", always},
	{"max_duration_ms", Integer, "Longest duration of a run, in milliseconds.", always},
	{"p95_duration_ms", Integer,
		"The duration that 95 % of the runs do not exceed (nearest rank), in milliseconds, within 1 %.", always},
	{"error_to_runs", CountMap, "Error type → runs that name it.", always},
	{"trigger_to_runs", CountMap, "Trigger → runs that name it.", always},
	requests,
}, tokenSums)
