package query

import (
	"fmt"
	"strings"

	"rollcall/schema"
	"rollcall/schema/tables"
)

// source is the usage of the period out of one kind of event, in the shape of its rollup: whole days from the rollup or from the log as the plan says, partial
// days from the log to the millisecond. The three are disjoint: by slice, and by day.
func source(d tables.Daily) string {
	const (
		wholeDays = " AND day BETWEEN {whole_from:Date} AND {whole_to:Date}"
		edges     = "org_id = {org:String} AND day IN {edge_days:Array(Date)} AND time >= fromUnixTimestamp64Milli({from:Int64}) AND time < fromUnixTimestamp64Milli({to:Int64})"
	)
	arms := []string{d.Rolled(tables.RolledWhere + wholeDays), d.FromLog(tables.LiveWhere + wholeDays), d.FromLog(edges)}
	for i, arm := range arms {
		arms[i] = fmt.Sprintf("SELECT %s, %s FROM (\n%s\n)", d.KeyNames(), d.Names, arm)
	}
	return strings.Join(arms, "\nUNION ALL\n")
}

// sources are the WITH clauses that a type's SQL may read.
func sources() string {
	var all []string
	for _, s := range []struct {
		name string
		of   tables.Daily
	}{{"messages", tables.Messages}, {"actions", tables.Actions}, {"tokens", tables.Tokens}, {"workflow_runs", tables.Workflows}} {
		all = append(all, fmt.Sprintf("%s AS (\n%s\n)", s.name, source(s.of)))
	}
	return strings.Join(all, ",\n")
}

// whole are the period's whole UTC days, both inclusive; if there are none, from is after to. edges are the days it covers in part.
func (p Period) whole() (from, to schema.Day, edges []schema.Day) {
	first, last := p.Days()
	from, to = first, last
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

// guards are what the statement's WHERE asks for: that all rows the plan counts on are there and, unless any version will do, that the log still is the planned one.
func (r Request) guards() string {
	var all []string
	for _, d := range tables.Dailies() {
		all = append(all, d.Guard()+" = 0")
	}
	if !r.AnyVersion {
		all = append(all, tables.LiveGuard()+" = 0")
	}
	return strings.Join(all, "\n  AND ")
}
