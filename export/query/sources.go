package query

import (
	"fmt"
	"strings"

	"rollcall/schema"
	"rollcall/schema/tables"
)

// edgeDays are the slices that the period covers in part.
const edgeDays = "org_id = {plan_org:String} AND day IN {edge_days:Array(Date)}"

// source is the usage of the period out of one kind of event, in the shape of its rollup: whole days from the rollup or from the log as the plan says, partial
// days from the log to the millisecond. The three are disjoint: by slice, and by day.
func source(d tables.Daily) string {
	const (
		wholeDays = " AND day BETWEEN {whole_from:Date} AND {whole_to:Date}"
		edges     = edgeDays + " AND time >= fromUnixTimestamp64Milli({from:Int64}) AND time < fromUnixTimestamp64Milli({to:Int64})"
	)
	arms := []string{d.Rolled(tables.RolledWhere + wholeDays), d.FromLog(tables.LiveWhere + wholeDays), d.FromLog(edges)}
	for i, arm := range arms {
		arms[i] = fmt.Sprintf("SELECT %s, %s FROM (\n%s\n)", d.KeyNames(), d.Names, arm)
	}
	return strings.Join(arms, "\nUNION ALL\n")
}

// sources are the WITH clauses that a type's SQL may read.
func sources(reads []tables.Daily) string {
	names := map[string]string{
		tables.Messages.Table: "messages", tables.Actions.Table: "actions", tables.Tokens.Table: "tokens", tables.Workflows.Table: "workflow_runs",
	}
	var all []string
	for _, d := range reads {
		all = append(all, fmt.Sprintf("%s AS (\n%s\n)", names[d.Table], source(d)))
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

// guards fail the statement if the plan no longer holds: if rows it counts on are gone or, unless any version will do, if the log has moved on. They are one
// scalar subquery, so that they are asked even where there is no row to keep.
func (r Request) guards(reads []tables.Daily) string {
	var all []string
	for _, d := range reads {
		all = append(all, d.Guard())
	}
	if !r.AnyVersion {
		all = append(all, tables.LiveGuard(), tables.VersionGuard(edgeDays, "{edge_version:UInt256}"))
	}
	return "(SELECT " + strings.Join(all, "\n  + ") + ") = 0"
}
