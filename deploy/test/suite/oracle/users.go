package oracle

import "math/big"

func (x *export) users() Table {
	columns := []column{{"user_id", func(r row) Cell { return text(x.shown(r.id)) }}}
	columns = x.grouped(columns)
	columns = append(columns, x.public(
		column{"name", func(r row) Cell { return text(r.Name) }},
		column{"email", func(r row) Cell { return text(r.Email) }},
	)...)
	columns = append(columns,
		column{"role", func(r row) Cell { return text(r.Role) }},
		column{"joined_at", func(r row) Cell { return date(r.Joined) }})
	columns = append(columns, ranked("messages_total", func(r row) []Event { return ofType(r.events, messageType) })...)
	columns = append(columns, ranked("messages_chat", func(r row) []Event { return ofChannel(r.events, "chat") })...)
	columns = append(columns, channel("assistant", assistantOf)...)
	columns = append(columns, channel("project", projectOf)...)
	columns = append(columns,
		column{"model_to_messages_total", func(r row) Cell { return counts(per(ofType(r.events, messageType), modelOf)) }},
		column{"action_messages", func(r row) Cell { return count(len(ofType(r.events, actionType))) }},
		column{"action_messaged", func(r row) Cell { return count(distinct(ofType(r.events, actionType), actionOf)) }},
		column{"action_to_messages", func(r row) Cell { return counts(per(ofType(r.events, actionType), actionOf)) }})
	if x.settings.BYOK {
		columns = append(columns, requests)
		columns = append(columns, tokenColumns...)
		columns = append(columns, column{"model_to_tokens", modelToTokens}, column{"model_to_cost_usd", modelToCost})
	}
	return x.table(x.rows("user", userOf), "messages_total_rank", x.onRequest(columns))
}

// channel returns the five columns about messages to assistants or to projects.
func channel(name string, idOf func(Event) string) []column {
	of := func(r row) []Event { return ofChannel(r.events, name) }
	return append(ranked("messages_"+name+"s", of),
		column{name + "s_messaged", func(r row) Cell { return count(distinct(of(r), idOf)) }},
		column{name + "s_to_messages", func(r row) Cell { return counts(per(of(r), idOf)) }})
}

// ranked returns the columns of a count and its rank. The rank is computed when all rows are there
// (table).
func ranked(name string, of func(row) []Event) []column {
	return []column{
		{name, func(r row) Cell { return count(len(of(r))) }},
		{name + "_rank", func(row) Cell { return count(0) }},
	}
}

func modelToTokens(r row) Cell {
	c := Cell{Kind: Map, Map: map[string]string{}}
	for model := range per(ofType(r.events, tokenType), modelOf) {
		used := filter(r.events, func(e Event) bool { return e.Type == tokenType && e.Model == model })
		c.Map[model] = new(big.Int).Add(sum(used, promptOf), sum(used, completionOf)).String()
	}
	return c
}

func modelToCost(r row) Cell {
	c := Cell{Kind: Map, Map: map[string]string{}}
	for model := range per(ofType(r.events, tokenType), modelOf) {
		used := filter(r.events, func(e Event) bool { return e.Type == tokenType && e.Model == model })
		c.Map[model] = dollars(sum(used, costOf))
	}
	return c
}
