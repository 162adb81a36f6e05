package suite

import (
	"cmp"
	"encoding/json"
	"math/big"
	"math/rand/v2"
	"net/http"
	"slices"

	"rollcall/deploy/test/suite/oracle"
	"rollcall/deploy/test/suite/traffic"
)

// A sheet is a CSV export that was read back: columns by name.
type sheet map[string][]string

// sum adds up a column of numbers, or all values of a column of maps.
func (s sheet) sum(column string) *big.Rat {
	total := new(big.Rat)
	for i := range s[column] {
		total.Add(total, s.cell(column, i))
	}
	return total
}

func (s sheet) cell(column string, i int) *big.Rat {
	total := new(big.Rat)
	if n, ok := total.SetString(s[column][i]); ok {
		return n
	}
	var m map[string]json.Number
	if err := json.Unmarshal([]byte(s[column][i]), &m); err != nil {
		panic("column " + column + " is neither a number nor a map: " + s[column][i])
	}
	total = new(big.Rat)
	for _, v := range m {
		n, _ := new(big.Rat).SetString(v.String())
		total.Add(total, n)
	}
	return total
}

// reconcile compares the product's own files with each other, by the sums of SPEC.md §2.2.
func (b *bed) reconcile(r *rand.Rand) {
	b.t.Helper()
	for range 2 {
		a := ask{Query: oracle.Query{Org: traffic.Full}}
		a.period(r, b.now)
		users := b.sheet(a, "users")
		models := b.sheet(a, "models")
		b.equal(a, "messages to assistants", users.sum("messages_assistants"), b.sheet(a, "assistants").sum("messages"))
		b.equal(a, "messages in projects", users.sum("messages_projects"), b.sheet(a, "projects").sum("messages"))
		b.equal(a, "requests", new(big.Rat).Add(users.sum("requests"), b.withoutUser(a)), models.sum("requests"))
		for i := range users["user_id"] {
			b.equal(a, "the assistants of a user", users.cell("assistants_to_messages", i), users.cell("messages_assistants", i))
			b.equal(a, "the projects of a user", users.cell("projects_to_messages", i), users.cell("messages_projects", i))
			b.equal(a, "the actions of a user", users.cell("action_to_messages", i), users.cell("action_messages", i))
			b.equal(a, "the tokens of a user", users.cell("model_to_tokens", i),
				new(big.Rat).Add(users.cell("sum_prompt_tokens", i), users.cell("sum_completion_tokens", i)))
			b.equal(a, "the costs of a user", users.cell("model_to_cost_usd", i), users.cell("total_cost_usd", i))
		}
		departments := b.sheet(a, "departments")
		b.equal(a, "requests of departments", departments.sum("requests"), models.sum("requests"))
		b.equal(a, "messages of departments", departments.sum("messages"), users.sum("messages_total"))
		b.equal(a, "members of departments", departments.sum("members"), big.NewRat(int64(len(users["user_id"])), 1))
		b.costsAddUp(r)
		b.bucketsAddUp(a, r)
		b.adoption(a, users, models)
		grouped := a
		grouped.GroupBy = "model"
		b.equal(a, "messages by model", b.sheet(grouped, "users").sum("messages_total"), users.sum("messages_total"))
		named := new(big.Rat)
		byModel := b.sheet(grouped, "users")
		for i, model := range byModel["model"] {
			if model != "" {
				named.Add(named, byModel.cell("messages_total", i))
			}
		}
		b.equal(a, "messages that name a model", users.sum("model_to_messages_total"), named)
	}
}

// costsAddUp compares the cost in the columns of another specification with that of the models.
func (b *bed) costsAddUp(r *rand.Rand) {
	b.t.Helper()
	a := ask{Query: oracle.Query{Org: traffic.Full}}
	a.ofUTCDays(r, b.now)
	focus, cost := b.sheet(a, "focus"), b.sheet(a, "models").sum("total_cost_usd")
	for _, column := range []string{"BilledCost", "EffectiveCost", "ListCost", "ContractedCost"} {
		b.equal(a, column, focus.sum(column), cost)
	}
}

// bucketsAddUp compares the sums of a type's additive columns over all buckets with the period's.
func (b *bed) bucketsAddUp(a ask, r *rand.Rand) {
	b.t.Helper()
	bucketed := a
	bucketed.ActiveOnly = true
	bucketed.Granularity = []string{"day", "week", "month"}[r.IntN(3)]
	bucketed.WeekMonday = a.WeekMonday && bucketed.hasWeeks()
	for dataType, columns := range map[string][]string{
		"users":      {"messages_total", "action_messages", "requests", "total_cost_usd", "assistants_to_messages", "model_to_tokens"},
		"assistants": {"messages", "sum_prompt_tokens"}, "projects": {"messages"}, "models": {"requests", "total_cost_usd"},
		"workflows": {"runs", "runs_failed", "error_to_runs"}, "api-keys": {"requests"},
	} {
		parts, whole := b.sheet(bucketed, dataType), b.sheet(a, dataType)
		for _, column := range columns {
			b.equal(bucketed, dataType+"."+column+" of all buckets", parts.sum(column), whole.sum(column))
		}
	}
}

// adoption compares the days of adoption with the users of these days, and their sums with the
// period's.
func (b *bed) adoption(a ask, users, models sheet) {
	b.t.Helper()
	adoption := b.sheet(a, "adoption")
	b.equal(a, "messages of adoption", adoption.sum("messages"), users.sum("messages_total"))
	b.equal(a, "requests of adoption", adoption.sum("requests"), models.sum("requests"))
	daily := a
	daily.Granularity = cmp.Or(a.Granularity, "day")
	daily.ActiveOnly = true
	active := map[string]int64{}
	for _, day := range b.sheet(daily, "users")["period_start"] {
		active[day]++
	}
	for i, day := range adoption["period_start"] {
		b.equal(a, "active users of "+day, adoption.cell("active_users", i), big.NewRat(active[day], 1))
		delete(active, day)
	}
	if len(active) > 0 {
		b.t.Errorf("seed %d: %s: adoption has no rows for %v", *seed, a, active)
	}
}

func (b *bed) equal(a ask, what string, x, y *big.Rat) {
	b.t.Helper()
	if x.Cmp(y) != 0 {
		b.t.Errorf("seed %d: %s: %s do not reconcile: %s and %s", *seed, a, what, x.RatString(), y.RatString())
	}
}

func (b *bed) sheet(a ask, dataType string) sheet {
	b.t.Helper()
	a.Type = dataType
	status, body := b.answer(a)
	b.must(statusError(status, body, http.StatusOK))
	records, err := oracle.ReadCSV(body, ',')
	b.must(err)
	s := sheet{}
	for j, name := range records[0] {
		s[name] = []string{}
		for _, record := range records[1:] {
			s[name] = append(s[name], record[j])
		}
	}
	return s
}

// withoutUser is the number of the period's token events that name no user, by the oracle. No
// export shows this number.
func (b *bed) withoutUser(a ask) *big.Rat {
	b.t.Helper()
	a.Now = b.now
	events, err := b.oracle.Usage(a.Query)
	b.must(err)
	events = slices.DeleteFunc(events, func(e oracle.Event) bool { return e.Type != "usage.token.v1" || e.User != "" })
	return big.NewRat(int64(len(events)), 1)
}
