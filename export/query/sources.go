package query

import (
	_ "embed"
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
	request Request
	period  Period       // whose usage is read
	logDays []schema.Day // whole days that are not rolled up, and days that the period or a bucket cuts
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

func newReading(r Request, plan tables.Plan) reading {
	period := r.usagePeriod()
	from, to := period.whole()
	days := r.cutDays()
	for _, day := range plan.Live {
		if day >= from && day <= to {
			days = append(days, day)
		}
	}
	slices.Sort(days)
	return reading{plan, r, period, slices.Compact(days)}
}

// source is the period's usage from one type of event, in the shape of its rollup. Whole days come
// from the rollup or from the log, as the plan says; partial days come from the log, to the
// millisecond. With buckets, each row has its bucket, too, and where it matters, what its user
// belonged to.
func (r reading) source(d tables.Daily) string {
	day := ""
	if r.request.belongs() {
		day = "day, "
	}
	usage := r.arms(d, day)
	if r.request.belongs() {
		usage = fmt.Sprintf("SELECT u.*, b.department AS department, if(empty(b.group_ids), [''], b.group_ids) AS teams\n"+
			"FROM (\n%s\n) AS u\nASOF LEFT JOIN belongings AS b ON b.person = u.user_id AND u.day >= b.since", usage)
	}
	if conditions := r.request.conditions(d); conditions != "" {
		usage = fmt.Sprintf("SELECT * FROM (\n%s\n)\nWHERE %s", usage, conditions)
	}
	return usage
}

// arms are the rollups and the log. day is "", or names the column to show it.
func (r reading) arms(d tables.Daily, day string) string {
	columns := d.KeyNames() + ", " + d.Names()
	rolled := d
	logged := d
	where := fromRollups
	cut := func(name, ofDay, ofTime string) {
		columns = name + ", " + columns
		rolled.Keys = append([]tables.Key{{Name: ofDay + " AS " + name}}, rolled.Keys...)
		logged.Keys = append([]tables.Key{{Name: name, Log: ofTime}}, logged.Keys...)
	}
	if r.period.Buckets != nil && r.request.Type != Adoption {
		cut("bucket", bucketOfDay, bucketOfTime)
	}
	if r.request.tellsDays() {
		cut("local_day", localDayOfDay, localDayOfTime)
	}
	if len(rolled.Keys) > len(d.Keys) {
		where += " AND day NOT IN {log_days:Array(Date)}"
	}
	var arms []string
	if len(r.plan.Generations) > 0 && r.readsRollups() || len(r.logDays) == 0 {
		arms = append(arms,
			fmt.Sprintf("SELECT %s%s, %s FROM %s\nWHERE %s", day, rolled.KeyNames(), d.Names(), d.Table, where))
	}
	if len(r.logDays) > 0 {
		arms = append(arms, fmt.Sprintf("SELECT %s%s FROM (\n%s\n)", day, columns, logged.FromLog(fromLog)))
	}
	return strings.Join(arms, "\nUNION ALL\n")
}

// present is the WITH clause with everyone who used anything in the period, whatever the filters
// say: one row per person and bucket.
func (r reading) present() string {
	var arms []string
	for _, d := range tables.Dailies() {
		arms = append(arms, r.arms(d.Only(map[string]bool{"user_id": true}), ""))
	}
	columns, where := "user_id AS person", ""
	switch {
	case r.request.Type == Adoption:
		columns = bucketOfLocalDay + " AS bucket, " + columns
		where = "\nWHERE local_day >= {bucket_starts:Array(Int64)}[1]" // what is earlier is for the windows
	case r.period.Buckets != nil:
		columns = "bucket, " + columns
	}
	return fmt.Sprintf("present AS (\nSELECT DISTINCT %s FROM (\n%s\n)%s\n)", columns,
		strings.Join(arms, "\nUNION ALL\n"), where)
}

// readsRollups says whether a day of the period is not read from the log.
func (r reading) readsRollups() bool {
	from, to := r.period.whole()
	for day := from; day <= to; day++ {
		if _, found := slices.BinarySearch(r.logDays, day); !found {
			return true
		}
	}
	return false
}

// usageOf is the name of a rollup's usage in the SQL: messages, actions, tokens, workflow_runs.
func usageOf(d tables.Daily) string { return d.Type.String() + "s" }

// belongings is the WITH clause that says what users belonged to.
//
//go:embed belongings.sql
var belongings string

var identifier = regexp.MustCompile(`[a-z_]+`)

// sources are the WITH clauses that a type's SQL reads, with the columns that it names.
func (r reading) sources(reads []tables.Daily, sql string) string {
	named := map[string]bool{}
	for _, name := range identifier.FindAllString(sql, -1) {
		named[name] = true
	}
	for _, f := range r.request.Filters {
		named[f.Name] = true
	}
	var all []string
	if r.request.belongs() {
		named["user_id"] = true
		all = append(all, strings.TrimSpace(belongings))
	}
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
func (p Period) whole() (from, to schema.Day) {
	from, to = p.Days()
	if p.From != schema.Millis(from)*dayMillis {
		from++
	}
	if p.To != schema.Millis(to+1)*dayMillis {
		to--
	}
	return from, to
}

const dayMillis = 86_400_000
