package tables

import (
	"context"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"rollcall/schema"
)

// A Plan says from where each slice of one org between two days is read, so that every event that
// was acknowledged before the plan was made is counted once. It is valid as long as the guards of
// the statement that follows it do not fail.
type Plan struct {
	Org         string
	From, To    schema.Day        // inclusive
	Generations []uuid.UUID       // the clean slices' generations: RolledWhere reads them
	Rows        map[string]uint64 // rollup table → number of rows of these generations, by their manifests
	Live        []schema.Day      // the slices that are read from the log: LiveWhere reads them
	// digest of (day, version) of all slices: equal as long as the log is, rolled up or not
	Versions string

	versions map[schema.Day]*big.Int
}

// VersionOf is the sum of the versions that the plan saw for the slices of some days, as a decimal
// UInt256. It is the value for VersionGuard.
func (p Plan) VersionOf(days ...schema.Day) string {
	sum := new(big.Int)
	for _, day := range days {
		if v := p.versions[day]; v != nil {
			sum.Add(sum, v)
		}
	}
	return sum.String()
}

// These are the conditions for Daily.Rolled and Daily.FromLog that follow a plan. Plan.Params has
// their parameters.
const (
	RolledWhere = "org_id = {plan_org:String} AND day BETWEEN {plan_from:Date} AND {plan_to:Date} AND generation IN {plan_generations:Array(UUID)}"
	LiveWhere   = "org_id = {plan_org:String} AND day IN {plan_live:Array(Date)}"
)

// Guard is a scalar expression that is 0 while all rows are there that the plan counts on. If a
// sweeper or the TTL removed some, it fails the statement with an error that Stale recognizes. It
// must be part of the statement that reads, because the engine takes one snapshot of a table per
// statement. throwIf is inside the subquery, which always has one row: outside of it, a statement
// that finds no row would not evaluate it.
func (d Daily) Guard() string {
	return fmt.Sprintf("(SELECT throwIf(count() != {plan_%s:UInt64}, '%s') AS held FROM %s WHERE %s)", d.RowCount(),
		stalePlan, d.Table, RolledWhere)
}

// VersionGuard is a scalar expression that is 0 while the versions of the slices that meet where
// have the sum version, such as a parameter with Plan.VersionOf. If a version changed, it fails the
// statement with an error that StaleVersion recognizes. The rows are exact either way, but a tag
// that is made of Plan.Versions would belong to other data.
func VersionGuard(where, version string) string {
	return fmt.Sprintf("(SELECT throwIf(%s != %s, '%s') AS held FROM events FINAL WHERE %s)", SliceVersion, version,
		staleVersion, where)
}

// An EntityState is the state of an org's entities in numbers: equal numbers mean equal entities.
type EntityState struct {
	Events, Digest uint64
}

// EntityStateSQL has the aggregates over an org's entities FINAL that make an EntityState. They
// change with every entity event that is added, replaced or erased.
const EntityStateSQL = "count(), sum(cityHash64(day, event_id, version))"

// EntityGuard is a scalar expression that is 0 while the org's entities have the state of the
// parameters {entity_events:UInt64} and {entity_digest:UInt64}. If they changed, it fails the
// statement with an error that StaleVersion recognizes.
func EntityGuard() string {
	return fmt.Sprintf("(SELECT throwIf((%s) != ({entity_events:UInt64}, {entity_digest:UInt64}), '%s') AS held FROM entities FINAL WHERE org_id = {plan_org:String})",
		EntityStateSQL, staleVersion)
}

// Guards is a scalar expression that is 0 while all of the guards hold. It is one scalar subquery:
// the engine analyses, plans and runs each scalar subquery by itself. Which guard fails the
// statement, if several would, is not said.
func Guards(guards ...string) string {
	if len(guards) == 1 {
		return guards[0]
	}
	return "(SELECT sum(held) FROM (\n" + strings.Join(guards, "\nUNION ALL\n") + "\n))"
}

const (
	stale        = "rollcall: stale "
	stalePlan    = stale + "plan"
	staleVersion = stale + "version"
)

// Stale says that a statement failed because its plan is no longer valid: make another plan.
func Stale(err error) bool { return thrown(err, stalePlan) }

// StaleVersion says that a statement failed because its live slices or entities changed: make
// another plan, or leave these guards out.
func StaleVersion(err error) bool { return thrown(err, staleVersion) }

// thrown compares the text: over HTTP, an exception in the middle of an answer is only text. The
// text begins with the message. After it comes the expression, which has the messages of all
// guards.
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

// EscapeParam turns a text into the value of a query parameter, which the engine reads as one TSV
// field.
var paramEscaper = strings.NewReplacer(`\`, `\\`, "\t", `\t`, "\n", `\n`, "\r", `\r`, "\x00", `\0`)

func EscapeParam(text string) string { return paramEscaper.Replace(text) }

// A Span is what to plan for. Whole months between MonthsFrom and MonthsTo may be read from a
// merged generation. Its rows have the month's last day, so a caller that needs days sets both to
// 0.
type Span struct {
	Org                  string
	From, To             schema.Day // inclusive
	MonthsFrom, MonthsTo schema.Day // inclusive, within From and To

	counting bool
}

// WithoutMonths is the span for a plan without months.
func (s Span) WithoutMonths() Span {
	s.MonthsFrom = 0
	s.MonthsTo = 0
	return s
}

// Counting is the span for the plan after a stale one. That plan reads no months, counts the rows
// of each generation, and reads a slice from the log if rows are missing. Otherwise rows that are
// gone for good would make every plan stale until a worker's sweeper has marked their generation
// dead.
func (s Span) Counting() Span {
	s = s.WithoutMonths()
	s.counting = true
	return s
}

// month says whether the month that ends on this day may be read as one generation. months says
// whether any month may.
func (s Span) month(end schema.Day) bool {
	return s.MonthsTo != 0 && MonthStart(end) >= s.MonthsFrom && end <= s.MonthsTo
}

func (s Span) months() bool {
	end := MonthEnd(s.MonthsFrom)
	return s.month(end) || s.month(MonthEnd(end+1))
}

// A planRow is one slice.
type planRow struct {
	Day        schema.Day
	Clean      bool
	Generation uuid.UUID // if Clean, as are Version and Rows; readLive adds the Version of the others
	Version    big.Int
	Rows       []uint64
}

// ReadPlan makes the plan for a span. The plan knows every mark that was acknowledged before the
// call. now is the wall clock. It helps to decide which slices' rollup rows count as expired: see
// Alive.
//
// The statement that reads the slices' states answers the questions first, too.
func ReadPlan(ctx context.Context, conn driver.Conn, span Span, now time.Time, first ...Question) (Plan, error) {
	p := newPlanning(span, now)
	err := ask(ctx, conn, append(first, p.questions()...)...)
	rows := p.rows()
	if err == nil && span.counting {
		err = countGenerations(ctx, conn, span, rows)
	}
	if err == nil {
		err = readLive(ctx, conn, span, rows)
	}
	if err != nil {
		return Plan{}, fmt.Errorf("plan the slices of %s from %s to %s: %w", span.Org, span.From, span.To, err)
	}
	return newPlan(span, rows, p.months), nil
}

// countGenerations marks a slice as not clean if its generation does not have the rows that its
// manifest says. If rows are removed after this count, the guards fail the statement.
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
		err := conn.Select(ctx, &counts, query,
			clickhouse.Named("org", span.Org), clickhouse.Named("from", span.From.String()),
			clickhouse.Named("to", span.To.String()), clickhouse.Named("generations", generations))
		if err != nil {
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

// readLive reads the versions of the slices that are read from the log. It reads them after the
// marks, so the version of a slice in the plan is never older than its marks.
func readLive(ctx context.Context, conn driver.Conn, span Span, rows []planRow) error {
	live := map[schema.Day]*planRow{}
	days := []string{}
	for i := range rows {
		if r := &rows[i]; !r.Clean {
			live[r.Day] = r
			days = append(days, r.Day.String())
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

func newPlan(span Span, rows []planRow, months mergedMonths) Plan {
	plan := Plan{
		Org: span.Org, From: span.From, To: span.To, Rows: map[string]uint64{}, versions: map[schema.Day]*big.Int{},
	}
	versions := newDigest()
	for i := range rows {
		r := &rows[i]
		plan.versions[r.Day] = &r.Version
		versions.add(r.Day, &r.Version)
		if !r.Clean {
			plan.Live = append(plan.Live, r.Day)
		}
	}
	for _, month := range chunksOf(rows, func(r planRow) schema.Day { return MonthEnd(r.Day) }) {
		plan.readMonth(span, month, months)
	}
	plan.Versions = versions.String()
	return plan
}

// readMonth decides what is read for the slices of one month: the month's generation, or theirs.
func (p *Plan) readMonth(span Span, days []planRow, months mergedMonths) {
	end := MonthEnd(days[0].Day)
	sources := newDigest()
	clean := span.month(end)
	for _, r := range days {
		sources.add(r.Day, r.Generation)
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
