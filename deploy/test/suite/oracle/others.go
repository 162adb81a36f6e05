package oracle

import (
	"cmp"
	"math/big"
	"slices"
)

// public returns no columns if the workspace withholds user-level data.
func (x *export) public(columns ...column) []column {
	if x.private {
		return nil
	}
	return columns
}

// grouped appends the columns of group_by, which come right after the id.
func (x *export) grouped(columns []column) []column {
	if x.GroupBy != "model" {
		return append(columns, x.teamColumns()...)
	}
	return append(columns, column{"model", func(r row) Cell { return text(r.group) }})
}

func (x *export) assistants() Table {
	messages := func(r row) []Event { return ofChannel(r.events, "assistant") }
	columns := x.grouped([]column{{"assistant_id", func(r row) Cell { return text(r.id) }}})
	columns = append(columns,
		column{"assistant_name", func(r row) Cell { return text(r.Name) }},
		column{"messages", func(r row) Cell { return count(len(messages(r))) }},
		column{"unique_users", func(r row) Cell { return count(distinct(messages(r), userOf)) }},
		column{"active_users", func(r row) Cell { return count(distinct(r.events, userOf)) }},
		column{"conversations", func(r row) Cell { return count(distinct(messages(r), conversationOf)) }},
		column{"messages_per_user", func(r row) Cell {
			return ratio(size(messages(r)), big.NewInt(int64(distinct(r.events, userOf))), 2)
		}})
	columns = append(columns, x.public(
		column{"assistant_description", func(r row) Cell { return text(r.Description) }},
		column{"assistant_url", func(r row) Cell { return text(r.URL) }},
		column{"assistant_owner_id", func(r row) Cell { return text(r.Owner) }},
		column{"assistant_owner_email", func(r row) Cell { return text(r.ownerEmail) }})...)
	if x.settings.BYOK {
		columns = append(columns, spread("prompt_tokens", promptOf)...)
		columns = append(columns, spread("completion_tokens", completionOf)...)
		columns = append(columns, tokenColumns[2:]...)
	}
	return x.table(x.rows("assistant", assistantOf), "messages", x.onRequest(columns))
}

func (x *export) projects() Table {
	messages := func(r row) []Event { return ofChannel(r.events, "project") }
	columns := append(x.owned("project"),
		column{"messages", func(r row) Cell { return count(len(messages(r))) }},
		column{"unique_users", func(r row) Cell { return count(distinct(messages(r), userOf)) }},
		column{"conversations", func(r row) Cell { return count(distinct(messages(r), conversationOf)) }})
	return x.table(x.rows("project", projectOf), "messages", x.onRequest(x.withTokens(columns)))
}

func (x *export) workflows() Table {
	runs := func(r row) []Event { return ofType(r.events, workflowType) }
	ended := func(r row, status string) []Event {
		return filter(runs(r), func(e Event) bool { return e.Status == status })
	}
	columns := append(x.owned("workflow"),
		column{"runs", func(r row) Cell { return count(len(runs(r))) }},
		column{"runs_succeeded", func(r row) Cell { return count(len(ended(r, "succeeded"))) }},
		column{"runs_failed", func(r row) Cell { return count(len(ended(r, "failed"))) }},
		column{"runs_cancelled", func(r row) Cell { return count(len(ended(r, "cancelled"))) }},
		column{"success_rate", func(r row) Cell { return ratio(size(ended(r, "succeeded")), size(runs(r)), 4) }},
		column{"unique_users", func(r row) Cell { return count(distinct(runs(r), userOf)) }},
		column{"avg_duration_ms", func(r row) Cell { return ratio(sum(runs(r), durationOf), size(runs(r)), 2) }},
		column{"max_duration_ms", func(r row) Cell { return number(greatest(runs(r), durationOf)) }},
		column{"p95_duration_ms", func(r row) Cell { return p95(runs(r)) }},
		column{"error_to_runs", func(r row) Cell {
			return counts(per(runs(r), func(e Event) string { return e.ErrorType }))
		}},
		column{"trigger_to_runs", func(r row) Cell {
			return counts(per(runs(r), func(e Event) string { return e.Trigger }))
		}})
	return x.table(x.rows("workflow", workflowOf), "runs", x.onRequest(x.withTokens(columns)))
}

// owned returns the columns with which projects and workflows begin.
func (x *export) owned(what string) []column {
	return append([]column{
		{what + "_id", func(r row) Cell { return text(r.id) }},
		{what + "_name", func(r row) Cell { return text(r.Name) }},
		{what + "_owner_id", func(r row) Cell { return text(x.shown(r.Owner)) }},
	}, x.public(column{what + "_owner_email", func(r row) Cell { return text(r.ownerEmail) }})...)
}

func (x *export) withTokens(columns []column) []column {
	if !x.settings.BYOK {
		return columns
	}
	return append(append(columns, requests), tokenColumns...)
}

// p95 is the nearest-rank value: element ⌈0.95·n⌉ of the sorted durations.
func p95(runs []Event) Cell {
	if len(runs) == 0 {
		return Cell{Kind: Near, Text: "0"}
	}
	sorted := slices.SortedFunc(slices.Values(runs), func(a, b Event) int { return cmp.Compare(a.Duration, b.Duration) })
	return Cell{Kind: Near, Text: big.NewInt(sorted[(95*len(runs)+99)/100-1].Duration).String()}
}

func (x *export) models() Table {
	type cut struct {
		modelKey
		group string
	}
	found := map[cut][]Event{}
	for _, e := range ofType(x.usage, tokenType) {
		for _, group := range x.cutsOf(e) {
			c := cut{modelKey{e.Model, e.Provider, e.BYOK}, group}
			found[c] = append(found[c], e)
		}
	}
	var rows []row
	for c, events := range found {
		rows = append(rows, row{key: c.modelKey, group: c.group, events: events})
	}
	columns := []column{
		{"name", func(r row) Cell { return text(r.key.name) }},
		{"provider", func(r row) Cell { return text(r.key.provider) }},
		{"bring_your_keys", func(r row) Cell { return truth(r.key.byok) }},
	}
	columns = append(columns, x.teamColumns()...)
	if x.GroupBy == "source" || x.GroupBy == "deployment" {
		columns = append(columns, column{x.GroupBy, func(r row) Cell { return text(r.group) }})
	}
	columns = append(columns, requests)
	if x.settings.BYOK {
		columns = append(columns, tokenColumns...)
	}
	return x.table(rows, "requests", columns)
}

func (x *export) apiKeys() Table {
	columns := x.grouped([]column{{"api_key_id", func(r row) Cell { return text(r.id) }}})
	columns = append(columns, column{"api_key_name", func(r row) Cell { return text(r.Name) }}, requests, totalCost)
	if x.settings.BYOK {
		columns = append(columns, total("sum_prompt_tokens", promptOf), total("sum_completion_tokens", completionOf),
			total("cached_prompt_tokens", cachedOf), total("cache_creation_tokens", creationOf), noCache)
	}
	return x.table(x.rows("api_key", apiKeyOf), "requests", columns)
}
