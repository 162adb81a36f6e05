package query

import (
	"time"

	"rollcall/schema"
	"rollcall/schema/tables"
)

// A Period is a range of time to the millisecond, and the local dates that the export shows for it.
type Period struct {
	From, To    schema.Millis // half-open: From ≤ t < To
	First, Last time.Time     // its first and last millisecond, each in its own time zone
	Start, End  string        // their local dates, YYYY-MM-DD: the columns period_start and period_end
	Granularity Granularity   // of Buckets
	Buckets     []Bucket      // parts that have rows of their own, in their order; nil: the whole period has the rows
}

// Days are the UTC days that the period touches, both inclusive. A plan must cover them.
func (p Period) Days() (from, to schema.Day) { return p.From.Day(), (p.To - 1).Day() }

// Span is what to plan for: Days, and those whole months that the period covers completely, unless
// its buckets cut months.
func (p Period) Span(org string) tables.Span {
	from, to := p.Days()
	s := tables.Span{Org: org, From: from, To: to}
	if !p.cutsMonths() {
		s.MonthsFrom, s.MonthsTo = p.whole()
	}
	return s
}

// A PeriodRequest is what GET /v1/exports takes: exactly one of Range or From and To.
type PeriodRequest struct {
	Range       string // this_month, last_month, this_week, last_week
	From, To    string // YYYY-MM-DD, both inclusive
	Timezone    string // IANA name; "" is UTC
	WeekStart   string // "" or sunday, monday
	Granularity string // "" or day, week, month: the period has buckets
}

// Of is the request with the granularity of the type, if it names none.
func (q PeriodRequest) Of(t Type) PeriodRequest {
	if q.Granularity == "" {
		q.Granularity = string(t.Granularities()[0])
	}
	return q
}

// MaxAhead is how many days after today a period may end.
const MaxAhead = 366

// Ranges are the names of the named ranges.
func Ranges() []string { return []string{"this_month", "last_month", "this_week", "last_week"} }

// ParsePeriod makes the period of the request; named ranges count from now. Errors are *BadRequest.
func ParsePeriod(q PeriodRequest, now time.Time) (Period, error) {
	zone, err := loadZone("timezone", q.Timezone)
	if err != nil {
		return Period{}, err
	}
	weekStart, err := parseWeekStart(q.WeekStart)
	if err != nil {
		return Period{}, err
	}
	granularity, err := parseGranularity(q.Granularity)
	if err != nil {
		return Period{}, err
	}
	today := schema.DayOf(now.In(zone))
	from, to, err := q.dates(today, weekStart)
	if err != nil {
		return Period{}, err
	}
	p := wholeDays(from, to, zone)
	if granularity != "" {
		p.Granularity = granularity
		p.Buckets = bucketsOf(from, to, today, zone, granularity, weekStart)
	}
	return p, nil
}

// dates returns the first and last date.
func (q PeriodRequest) dates(today schema.Day, weekStart time.Weekday) (from, to schema.Day, err error) {
	switch {
	case q.Range != "" && (q.From != "" || q.To != ""):
		return 0, 0, bad("range", "Give either range or from and to, not both.")
	case q.Range != "":
		return namedRange(q.Range, today, weekStart)
	case q.From == "" && q.To == "":
		return 0, 0, bad("range",
			"Give a period: range=this_month, last_month, this_week or last_week, or both from and to as YYYY-MM-DD.")
	case q.From == "" || q.To == "":
		return 0, 0, bad(missing(q), "Give both from and to as YYYY-MM-DD; %s is missing.", missing(q))
	}
	if from, err = parseDate("from", q.From); err != nil {
		return 0, 0, err
	}
	if to, err = parseDate("to", q.To); err != nil {
		return 0, 0, err
	}
	ends := dates{from: from, to: to, todayFrom: today, todayTo: today, fromName: "from", toName: "to"}
	return from, to, ends.check()
}

func missing(q PeriodRequest) string {
	if q.From == "" {
		return "from"
	}
	return "to"
}

func parseWeekStart(s string) (time.Weekday, error) {
	switch s {
	case "", "sunday":
		return time.Sunday, nil
	case "monday":
		return time.Monday, nil
	}
	return 0, bad("week_start", "week_start must be sunday or monday, not %q.", clip(s))
}

func parseDate(param, s string) (schema.Day, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return 0, bad(param, "%s must be a date that exists, as YYYY-MM-DD, not %q.", param, clip(s))
	}
	return schema.DayOf(t), nil
}

// namedRange returns the first and last date of a named range.
func namedRange(name string, today schema.Day, weekStart time.Weekday) (from, to schema.Day, err error) {
	y, m, _ := today.Time().Date()
	month := func(m time.Month) schema.Day { return schema.DayOf(time.Date(y, m, 1, 0, 0, 0, 0, time.UTC)) }
	week := today - daysInto(today, weekStart)
	switch name {
	case "this_month":
		return month(m), month(m+1) - 1, nil
	case "last_month":
		return month(m - 1), month(m) - 1, nil
	case "this_week":
		return week, week + 6, nil
	case "last_week":
		return week - 7, week - 1, nil
	}
	return 0, 0, bad("range",
		"There is no range %q; choose one of this_month, last_month, this_week, last_week, or give from and to.", clip(name))
}

// dates are a period's first and last local dates, with today's date in the zone of each (the two
// zones of the drop-in API may differ), and the client's names for them.
type dates struct {
	from, to           schema.Day
	todayFrom, todayTo schema.Day
	fromName, toName   string
}

// check refuses dates that cannot be exported.
func (d dates) check() error {
	earliest := schema.Earliest(d.todayFrom)
	switch {
	case d.from < earliest:
		return bad(d.fromName, "%s must not be before %s: usage is kept for 12 months.", d.fromName, earliest)
	case d.from > d.todayFrom:
		return bad(d.fromName, "%s must not be after today, %s.", d.fromName, d.todayFrom)
	case d.to > d.todayTo+MaxAhead:
		return bad(d.toName, "%s must not be after %s, %d days from today.", d.toName, d.todayTo+MaxAhead, MaxAhead)
	case d.todayFrom == d.todayTo && d.to < d.from:
		return bad(d.toName, "%s must not be before %s, %s.", d.toName, d.fromName, d.from)
	}
	return nil
}

// wholeDays is the period of the local days from … to.
func wholeDays(from, to schema.Day, zone *time.Location) Period {
	start := firstOf(from, zone)
	next := firstOf(to+1, zone)
	return newPeriod(start, next.Add(-time.Millisecond))
}

// firstOf is the first instant of a local day.
func firstOf(d schema.Day, zone *time.Location) time.Time { return resolve(d.Time(), zone, first) }

// newPeriod makes a period of its first and last millisecond, each in the zone that it is shown in.
func newPeriod(from, last time.Time) Period {
	return Period{
		From: schema.Millis(from.UnixMilli()), To: schema.Millis(last.UnixMilli()) + 1,
		First: from, Last: last,
		Start: from.Format(time.DateOnly), End: last.Format(time.DateOnly),
	}
}
