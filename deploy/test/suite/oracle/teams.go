package oracle

import (
	"maps"
	"slices"
)

// teamsOf are the departments or groups that the user of an event belonged to at the time; one that
// is empty, if there is none.
func (x *export) teamsOf(e Event, what string) []string {
	return x.people[e.User].belongs(e.Time).teams(what)
}

func (b Belonging) teams(what string) []string {
	switch {
	case what == "department":
		return []string{b.Department}
	case len(b.GroupIDs) > 0:
		return b.GroupIDs
	}
	return []string{""}
}

// cutsOf are the values of the group_by column to which an event counts.
func (x *export) cutsOf(e Event) []string {
	switch x.GroupBy {
	case "model":
		return []string{e.Model}
	case "source":
		return []string{e.Client}
	case "deployment":
		return []string{e.Deployment}
	case "department", "group":
		return x.teamsOf(e, x.GroupBy)
	}
	return []string{""}
}

// passes tells whether an event meets all filters.
func (x *export) passes(e Event) bool {
	for name, values := range x.Filters {
		if !slices.ContainsFunc(x.carried(e, name), func(v string) bool { return slices.Contains(values, v) }) {
			return false
		}
	}
	return true
}

// carried are the values of an event that a filter looks at.
func (x *export) carried(e Event, filter string) []string {
	switch filter {
	case "department":
		return x.teamsOf(e, "department")
	case "group_id":
		return x.teamsOf(e, "group")
	}
	return []string{map[string]string{
		"user_id": x.shown(e.User), "assistant_id": e.Assistant, "project_id": e.Project, "workflow_id": e.Workflow,
		"model": e.Model, "api_key_id": e.APIKey,
	}[filter]}
}

// teams has rows for the departments or groups with usage, with members, and for known groups.
func (x *export) teams(what string) Table {
	found := map[string][]Event{}
	for _, e := range x.usage {
		for _, team := range x.teamsOf(e, what) {
			found[team] = append(found[team], e)
		}
	}
	members := map[string]int{}
	for user := range x.members() {
		b := belonging(x.attributesOf(x.people[user]))
		if passesOwn(b, x.Filters) {
			for _, team := range b.teams(what) {
				members[team]++
			}
		}
	}
	named := histories(x.events, "group")
	if !x.ActiveOnly {
		for team := range members {
			found[team] = append(found[team], []Event{}...)
		}
		for group, h := range named {
			if what == "group" && h.known(x.period) {
				found[group] = append(found[group], []Event{}...)
			}
		}
	}
	column1 := map[string]string{"department": "department", "group": "group_id"}[what]
	var rows []row
	for team, events := range found {
		if own := x.Filters[column1]; own == nil || slices.Contains(own, team) {
			rows = append(rows, row{id: team, events: events})
		}
	}
	columns := []column{{column1, func(r row) Cell { return text(r.id) }}}
	if what == "group" {
		columns = append(columns, column{"group_name", func(r row) Cell { return text(x.attributesOf(named[r.id]).Name) }})
	}
	columns = append(columns,
		column{"members", func(r row) Cell { return count(members[r.id]) }},
		column{"active_users", func(r row) Cell { return count(distinct(r.events, userOf)) }},
		column{"messages", func(r row) Cell { return count(len(ofType(r.events, messageType))) }},
		requests)
	if x.settings.BYOK {
		columns = append(columns, tokenColumns...)
	}
	return x.table(rows, "messages", columns)
}

// passesOwn tells whether a member belongs to what the filters by department and group name.
func passesOwn(b Belonging, filters map[string][]string) bool {
	for filter, what := range map[string]string{"department": "department", "group_id": "group"} {
		if values := filters[filter]; values != nil &&
			!slices.ContainsFunc(b.teams(what), func(team string) bool { return slices.Contains(values, team) }) {
			return false
		}
	}
	return true
}

// members are the users whom a users export with inactive ones and without filters has.
func (x *export) members() map[string]bool {
	all := map[string]bool{}
	for _, e := range x.in(x.period) {
		if e.User != "" {
			all[e.User] = true
		}
	}
	for user, h := range x.people {
		if !x.ahead && h.knownUser(x.period, x.attributesOf(h).Joined) {
			all[user] = true
		}
	}
	return all
}

// teamColumns are the columns of group_by=department and group_by=group.
func (x *export) teamColumns() []column {
	named := histories(x.events, "group")
	switch x.GroupBy {
	case "department":
		return []column{{"department", func(r row) Cell { return text(r.group) }}}
	case "group":
		return []column{
			{"group_id", func(r row) Cell { return text(r.group) }},
			{"group_name", func(r row) Cell { return text(x.attributesOf(named[r.group]).Name) }},
		}
	}
	return nil
}

// Values are some that the workspace's usage carries under the name of a filter, in a fixed order.
func (o *Oracle) Values(q Query, name string) []string {
	x, err := o.ask(q)
	if err != nil {
		return nil
	}
	found := map[string]bool{}
	for _, e := range x.events {
		if e.Type == entityType {
			continue
		}
		for _, v := range x.carried(e, name) {
			found[v] = true
		}
	}
	if name != "department" && name != "group_id" {
		delete(found, "")
	}
	return slices.Sorted(maps.Keys(found))
}
