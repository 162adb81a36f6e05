package oracle

import "math/big"

// total is a column with the sum of a value over the row's token events.
func total(name string, value func(Event) int64) column {
	return column{name, func(r row) Cell { return number(sum(ofType(r.events, tokenType), value)) }}
}

var (
	requests = column{"requests", func(r row) Cell { return count(len(ofType(r.events, tokenType))) }}

	noCache = column{"no_cache_tokens", func(r row) Cell {
		used := ofType(r.events, tokenType)
		n := new(big.Int).Sub(sum(used, promptOf), sum(used, cachedOf))
		if n.Sign() < 0 {
			n.SetInt64(0)
		}
		return number(n)
	}}

	totalCost = column{"total_cost_usd", func(r row) Cell { return cost(sum(ofType(r.events, tokenType), costOf)) }}

	// tokenColumns are the columns that the specification calls T.
	tokenColumns = []column{
		total("sum_prompt_tokens", promptOf), total("sum_completion_tokens", completionOf),
		total("sum_cached_prompt_tokens", cachedOf), total("sum_cache_creation_tokens", creationOf), noCache, totalCost,
	}
)

// spread returns the columns for sum, average, least and greatest value per request.
func spread(what string, value func(Event) int64) []column {
	of := func(r row) []Event { return ofType(r.events, tokenType) }
	return []column{
		total("sum_"+what, value),
		{"avg_" + what, func(r row) Cell { return ratio(sum(of(r), value), size(of(r)), 2) }},
		{"min_" + what, func(r row) Cell { return number(least(of(r), value)) }},
		{"max_" + what, func(r row) Cell { return number(greatest(of(r), value)) }},
	}
}
