package query

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"rollcall/schema"
	"rollcall/schema/tables"
)

// A reading says from where a statement reads the period's usage. Each slice is read either from
// the rollups or from the log, never from both.
type reading struct {
	plan    tables.Plan
	logDays []schema.Day // whole days that are not rolled up, and days that the period covers only in part
}

// These conditions select what each arm of the UNION reads. A statement has only the arms, columns
// and functions that it needs: the engine takes longer to analyse a statement than to answer a
// small one.
const (
	fromRollups = "org_id = {plan_org:String} AND day BETWEEN {whole_from:Date} AND {whole_to:Date} AND generation IN {plan_generations:Array(UUID)}"
	logDays     = "org_id = {plan_org:String} AND day IN {log_days:Array(Date)}"
	fromLog     = logDays +
		" AND time >= {from:DateTime64(3, 'UTC')} AND time < {to:DateTime64(3, 'UTC')}"
)

func newReading(p Period, plan tables.Plan) reading {
	from, to, days := p.whole()
	for _, day := range plan.Live {
		if day >= from && day <= to {
			days = append(days, day)
		}
	}
	slices.Sort(days)
	return reading{plan: plan, logDays: days}
}

// source is the period's usage from one type of event, in the shape of its rollup. Whole days come
// from the rollup or from the log, as the plan says; partial days come from the log, to the
// millisecond.
func (r reading) source(d tables.Daily) string {
	var arms []string
	if len(r.plan.Generations) > 0 || len(r.logDays) == 0 {
		arms = append(arms, fmt.Sprintf("SELECT %s, %s FROM %s\nWHERE %s", d.KeyNames(), d.Names(), d.Table, fromRollups))
	}
	if len(r.logDays) > 0 {
		arms = append(arms, fmt.Sprintf("SELECT %s, %s FROM (\n%s\n)", d.KeyNames(), d.Names(), d.FromLog(fromLog)))
	}
	return strings.Join(arms, "\nUNION ALL\n")
}

// usageOf is the name of a rollup's usage in the SQL: messages, actions, tokens, workflow_runs.
func usageOf(d tables.Daily) string { return d.Type.String() + "s" }

var identifier = regexp.MustCompile(`[a-z_]+`)

// sources are the WITH clauses that a type's SQL reads, with the columns that it names.
func (r reading) sources(reads []tables.Daily, sql string) string {
	named := map[string]bool{}
	for _, name := range identifier.FindAllString(sql, -1) {
		named[name] = true
	}
	var all []string
	for _, d := range reads {
		all = append(all, fmt.Sprintf("%s AS (\n%s\n)", usageOf(d), r.source(d.Only(named))))
	}
	return strings.Join(all, ",\n")
}

// guards fail the statement if the plan is no longer valid: if rows that the plan counts on are
// gone, or if the entities or the days read from the log differ from those that the answer's tag is
// made of. They are a scalar subquery, so the engine evaluates them even if the statement finds no
// row.
func (d draft) guards() string {
	var all []string
	if len(d.plan.Generations) > 0 {
		for _, daily := range d.reads {
			all = append(all, daily.Guard())
		}
	}
	if len(d.logDays) > 0 && !d.AnyVersion {
		all = append(all, tables.VersionGuard(logDays, "{log_version:UInt256}"))
	}
	if d.Entities != nil {
		all = append(all, tables.EntityGuard())
	}
	if len(all) == 0 {
		return "1"
	}
	return tables.Guards(all...) + " = 0"
}

// whole returns the period's whole UTC days, both inclusive; if there are none, from is after to.
// edges are the days that the period covers only in part.
func (p Period) whole() (from, to schema.Day, edges []schema.Day) {
	first, last := p.Days()
	from = first
	to = last
	if p.From != schema.Millis(first)*dayMillis {
		from++
		edges = append(edges, first)
	}
	if p.To != schema.Millis(last+1)*dayMillis {
		to--
		if len(edges) == 0 || last != first {
			edges = append(edges, last)
		}
	}
	return from, to, edges
}

const dayMillis = 86_400_000
