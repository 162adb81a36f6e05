package tables

import (
	"context"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"rollcall/schema"
)

// A Plan says from where each slice of one org is read between two days, so that every event
// acknowledged before the plan was made is counted once. It holds as long as the guards of the
// statement that follows it do.
type Plan struct {
	Org         string
	From, To    schema.Day        // inclusive
	Generations []uuid.UUID       // of the clean slices: read by RolledWhere
	Rows        map[string]uint64 // rollup table → rows that these generations have there, by their manifests
	Live        []schema.Day      // slices that are read from the log: by LiveWhere
	// digest over (day, version) of all slices: equal as long as the log is, rolled up or not
	Versions string

	versions map[schema.Day]*big.Int
}

// VersionOf is the sum of the versions that the plan saw of some days' slices, as a decimal
// UInt256: for VersionGuard.
func (p Plan) VersionOf(days ...schema.Day) string {
	sum := new(big.Int)
	for _, day := range days {
		if v := p.versions[day]; v != nil {
			sum.Add(sum, v)
		}
	}
	return sum.String()
}

// Conditions for Daily.Rolled and Daily.FromLog that follow a plan; their parameters are those of
// Plan.Params.
const (
	RolledWhere = "org_id = {plan_org:String} AND day BETWEEN {plan_from:Date} AND {plan_to:Date} AND generation IN {plan_generations:Array(UUID)}"
	LiveWhere   = "org_id = {plan_org:String} AND day IN {plan_live:Array(Date)}"
)

// Guard is a scalar expression that is 0 while all rows the plan counts on are there, and fails the
// statement with an error that Stale knows when a sweeper or the TTL was faster. It must stand in
// the statement that reads: the engine takes one snapshot of a table per statement. throwIf stands
// inside the subquery, which has one row whatever is there: outside of it, a statement that finds
// no row would not evaluate it.
func (d Daily) Guard() string {
	return fmt.Sprintf("(SELECT throwIf(count() != {plan_%s:UInt64}, '%s') FROM %s WHERE %s)", d.RowCount(), stalePlan,
		d.Table, RolledWhere)
}

// VersionGuard is a scalar expression that is 0 while the sum of the versions of the slices that
// meet where is version, such as a parameter with Plan.VersionOf. It fails the statement with an
// error that StaleVersion knows when they moved. The rows read are exact either way; only a tag
// that is made of Plan.Versions would be that of other data.
func VersionGuard(where, version string) string {
	return fmt.Sprintf("(SELECT throwIf(%s != %s, '%s') FROM events FINAL WHERE %s)", SliceVersion, version, staleVersion,
		where)
}

// An EntityState is the state of an org's entities as numbers: equal states, equal entities.
type EntityState struct {
	Events, Digest uint64
}

// EntityStateSQL are the aggregates over an org's entities FINAL that make an EntityState: they
// change with every entity event that is added, replaced or erased.
const EntityStateSQL = "count(), sum(cityHash64(day, event_id, version))"

// EntityGuard is a scalar expression that is 0 while the org's entities are as the parameters
// {entity_events:UInt64} and {entity_digest:UInt64} say, and fails the statement with an error that
// StaleVersion knows when they moved.
func EntityGuard() string {
	return fmt.Sprintf("(SELECT throwIf((%s) != ({entity_events:UInt64}, {entity_digest:UInt64}), '%s') FROM entities FINAL WHERE org_id = {plan_org:String})",
		EntityStateSQL, staleVersion)
}

const (
	stale        = "rollcall: stale "
	stalePlan    = stale + "plan"
	staleVersion = stale + "version"
)

// Stale tells that a statement failed because its plan no longer holds: make another.
func Stale(err error) bool { return thrown(err, stalePlan) }

// StaleVersion tells that a statement failed because its live slices or entities moved on: make
// another plan, or leave these guards out.
func StaleVersion(err error) bool { return thrown(err, staleVersion) }

// thrown looks into the text: over HTTP an exception in mid-answer is nothing else. It begins with
// the message; after it comes the expression, with every guard's.
func thrown(err error, message string) bool {
	if err == nil {
		return false
	}
	_, text, found := strings.Cut(err.Error(), stale)
	return found && strings.HasPrefix(stale+text, message)
}

// Params are the parameters of RolledWhere, LiveWhere and the guards.
func (p Plan) Params() clickhouse.Parameters {
	generations := make([]string, len(p.Generations))
	for i, g := range p.Generations {
		generations[i] = "'" + g.String() + "'"
	}
	live := make([]string, len(p.Live))
	for i, day := range p.Live {
		live[i] = "'" + day.String() + "'"
	}
	params := clickhouse.Parameters{
		"plan_org": EscapeParam(p.Org), "plan_from": p.From.String(), "plan_to": p.To.String(),
		"plan_generations": "[" + strings.Join(generations, ",") + "]", "plan_live": "[" + strings.Join(live, ",") + "]",
	}
	for _, d := range Dailies() {
		params["plan_"+d.RowCount()] = strconv.FormatUint(p.Rows[d.Table], 10)
	}
	return params
}

// EscapeParam makes a text the value of a query parameter, which the engine reads as one TSV field.
var paramEscaper = strings.NewReplacer(`\`, `\\`, "\t", `\t`, "\n", `\n`, "\r", `\r`, "\x00", `\0`)

func EscapeParam(text string) string { return paramEscaper.Replace(text) }

// A Span is what to plan for. Months that lie wholly within MonthsFrom and MonthsTo may be read as
// one generation each; whose rows have the month's last day as theirs, so who reads by day, or not
// all of the days, asks for none by leaving both 0.
type Span struct {
	Org                  string
	From, To             schema.Day // inclusive
	MonthsFrom, MonthsTo schema.Day // inclusive, within From and To

	counting bool
}

// WithoutMonths reads days alone.
func (s Span) WithoutMonths() Span {
	s.MonthsFrom = 0
	s.MonthsTo = 0
	return s
}

// Counting is for the plan after a stale one: it reads no months, counts the rows of each
// generation, and reads the slices whose rows are not all there from the log. Without it, rows that
// are gone for good would fail every plan until a worker's sweeper came by.
func (s Span) Counting() Span {
	s = s.WithoutMonths()
	s.counting = true
	return s
}

// month is whether the month that ends so may be read as one; months, whether any may.
func (s Span) month(end schema.Day) bool {
	return s.MonthsTo != 0 && monthStart(end) >= s.MonthsFrom && end <= s.MonthsTo
}

func (s Span) months() bool {
	end := MonthEnd(s.MonthsFrom)
	return s.month(end) || s.month(MonthEnd(end+1))
}

// A planRow is a slice, or a month's manifest.
type planRow struct {
	Day        time.Time `ch:"day"`
	Clean      bool      `ch:"clean"`
	Generation uuid.UUID `ch:"generation"`
	Version    big.Int   `ch:"version"`
	Rows       []uint64  `ch:"rows"`
	Sources    string    `ch:"versions"` // of a month, else ""
}

// ReadPlan makes the plan for a span. The plan knows every mark that was acknowledged before the
// call. now is the wall clock, and has a part in which slices' rollup rows count as expired: see
// Alive.
func ReadPlan(ctx context.Context, conn driver.Conn, span Span, now time.Time) (Plan, error) {
	rows, err := readStates(ctx, conn, span, now)
	if err == nil && span.counting {
		err = countGenerations(ctx, conn, span, rows)
	}
	if err == nil {
		err = readLive(ctx, conn, span, rows)
	}
	if err != nil {
		return Plan{}, fmt.Errorf("plan the slices of %s from %s to %s: %w", span.Org, span.From, span.To, err)
	}
	return newPlan(span, rows), nil
}

// readStates reads the slices that have marks, and the months' manifests.
func readStates(ctx context.Context, conn driver.Conn, span Span, now time.Time) (rows []planRow, err error) {
	const where = "org_id = {org:String} AND day BETWEEN {from:Date} AND {to:Date}"
	query := "SELECT day, clean, best.1 AS generation, best.2 AS version, best.3 AS rows, '' AS versions FROM " +
		states(where)
	if span.months() { // the engine takes its time to understand it
		query += "\nUNION ALL SELECT day, 0, generation, toUInt256(0), [" + RowCounts() + "], versions FROM " +
			monthManifests(where)
	}
	err = conn.Select(ctx, &rows, query, clickhouse.Named("org", span.Org), clickhouse.Named("from", span.From.String()),
		clickhouse.Named("to", span.To.String()), AliveAt(now))
	return rows, err
}

// countGenerations takes slices for dirty whose generations have not the rows that their manifests
// say. Rows that go afterwards are the guards' business.
func countGenerations(ctx context.Context, conn driver.Conn, span Span, rows []planRow) error {
	var generations []string
	for _, r := range rows {
		if r.Clean {
			generations = append(generations, r.Generation.String())
		}
	}
	for i, d := range Dailies() {
		var counts []struct {
			Generation uuid.UUID `ch:"generation"`
			Rows       uint64    `ch:"rows"`
		}
		query := "SELECT generation, count() AS rows FROM " + d.Table +
			" WHERE org_id = {org:String} AND day BETWEEN {from:Date} AND {to:Date} AND generation IN {generations:Array(UUID)} GROUP BY generation"
		if err := conn.Select(ctx, &counts, query, clickhouse.Named("org", span.Org),
			clickhouse.Named("from", span.From.String()),
			clickhouse.Named("to", span.To.String()), clickhouse.Named("generations", generations)); err != nil {
			return err
		}
		there := map[uuid.UUID]uint64{}
		for _, c := range counts {
			there[c.Generation] = c.Rows
		}
		for k := range rows {
			rows[k].Clean = rows[k].Clean && there[rows[k].Generation] == rows[k].Rows[i]
		}
	}
	return nil
}

// readLive sets the versions of the slices that are read from the log. They are read after the
// marks: what the plan says of a slice is never older than its marks.
func readLive(ctx context.Context, conn driver.Conn, span Span, rows []planRow) error {
	live := map[schema.Day]*planRow{}
	days := []string{}
	for i := range rows {
		if r := &rows[i]; !r.Clean && r.Sources == "" {
			live[schema.DayOf(r.Day)], days = r, append(days, r.Day.Format(time.DateOnly))
		}
	}
	if len(days) == 0 {
		return nil
	}
	var versions []struct {
		Day     time.Time `ch:"day"`
		Version big.Int   `ch:"version"`
	}
	query := "SELECT day, " + SliceVersion +
		" AS version FROM events FINAL WHERE org_id = {org:String} AND day IN {days:Array(Date)} GROUP BY day"
	if err := conn.Select(ctx, &versions, query, clickhouse.Named("org", span.Org),
		clickhouse.Named("days", days)); err != nil {
		return err
	}
	for i := range versions {
		live[schema.DayOf(versions[i].Day)].Version = versions[i].Version
	}
	return nil
}

func newPlan(span Span, rows []planRow) Plan {
	plan := Plan{
		Org: span.Org, From: span.From, To: span.To, Rows: map[string]uint64{}, versions: map[schema.Day]*big.Int{},
	}
	slices.SortFunc(rows, func(a, b planRow) int { return a.Day.Compare(b.Day) })
	months := mergedMonths{}
	versions := newDigest()
	days := rows[:0:0]
	for _, r := range rows {
		if r.Sources != "" {
			months.add(monthKey{span.Org, schema.DayOf(r.Day), r.Sources}, r.Generation, r.Rows)
			continue
		}
		day := schema.DayOf(r.Day)
		days = append(days, r)
		plan.versions[day] = &r.Version
		versions.add(day, &r.Version)
		if !r.Clean {
			plan.Live = append(plan.Live, day)
		}
	}
	for _, month := range chunksOf(days, func(r planRow) schema.Day { return MonthEnd(schema.DayOf(r.Day)) }) {
		plan.readMonth(span, month, months)
	}
	plan.Versions = versions.String()
	return plan
}

// readMonth decides for the slices of one month: its own generation, or theirs.
func (p *Plan) readMonth(span Span, days []planRow, months mergedMonths) {
	end := MonthEnd(schema.DayOf(days[0].Day))
	sources := newDigest()
	clean := span.month(end)
	for _, r := range days {
		sources.add(schema.DayOf(r.Day), r.Generation)
		clean = clean && r.Clean
	}
	if m, ok := months[monthKey{span.Org, end, sources.String()}]; ok && clean {
		p.read(m.generation, m.rows)
		return
	}
	for _, r := range days {
		if r.Clean {
			p.read(r.Generation, r.Rows)
		}
	}
}

func (p *Plan) read(generation uuid.UUID, rows []uint64) {
	p.Generations = append(p.Generations, generation)
	for i, d := range Dailies() {
		p.Rows[d.Table] += rows[i]
	}
}
