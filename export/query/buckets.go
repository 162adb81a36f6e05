package query

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"rollcall/schema"
	"rollcall/schema/tables"
)

// A Granularity says of what length the buckets of a period are; "" means that it has none.
type Granularity string

const (
	Daily   Granularity = "day"
	Weekly  Granularity = "week"
	Monthly Granularity = "month"
)

// A Bucket is a part of a period for which an export has rows of its own: a day, a week or a
// calendar month of the period's zone, or as much of it as the period covers.
type Bucket struct {
	From, To   schema.Millis // half-open
	Start, End string        // the local dates of its first and last day
	Ahead      bool          // it begins after today: entities without usage are not listed
}

func parseGranularity(s string) (Granularity, error) {
	switch g := Granularity(s); g {
	case "", Daily, Weekly, Monthly:
		return g, nil
	}
	return "", bad("granularity", "granularity must be day, week or month, not %q.", clip(s))
}

// bucketsOf cuts the local days from … to.
func bucketsOf(from, to, today schema.Day, zone *time.Location, g Granularity, weekStart time.Weekday) (all []Bucket) {
	for first := from; first <= to; {
		last := min(to, lastOfBucket(first, g, weekStart))
		b := Bucket{
			From: schema.Millis(firstOf(first, zone).UnixMilli()), To: schema.Millis(firstOf(last+1, zone).UnixMilli()),
			Start: first.String(), End: last.String(), Ahead: first > today,
		}
		if b.From < b.To { // a zone that moves over the date line skips a day
			all = append(all, b)
		}
		first = last + 1
	}
	return all
}

// lastOfBucket is the last day of the bucket that a day belongs to.
func lastOfBucket(day schema.Day, g Granularity, weekStart time.Weekday) schema.Day {
	switch g {
	case Weekly:
		return day + 6 - daysInto(day, weekStart)
	case Monthly:
		return tables.MonthEnd(day)
	}
	return day
}

// daysInto is how many days of its week lie before a day.
func daysInto(day schema.Day, weekStart time.Weekday) schema.Day {
	return schema.Day((day.Time().Weekday() - weekStart + 7) % 7)
}

// cutDays are the UTC days that belong to two buckets, or only in part to the period. Their usage
// is read from the log, that of all other days of the period from where the plan says.
func (r Request) cutDays() (days []schema.Day) {
	p := r.usagePeriod()
	cut := func(m schema.Millis) {
		if day := m.Day(); m != schema.Millis(day)*dayMillis && !slices.Contains(days[max(0, len(days)-1):], day) {
			days = append(days, day)
		}
	}
	cut(p.From)
	parts := p.Buckets
	if r.tellsDays() { // each bucket begins with a day
		parts = p.days()
	}
	for _, b := range parts[min(1, len(parts)):] {
		cut(b.From)
	}
	cut(p.To)
	return days
}

// tellsDays says whether it matters on which local days usage was.
func (r Request) tellsDays() bool { return r.activity() || r.Type == Adoption }

// activity says whether the export shows on which days usage was.
func (r Request) activity() bool {
	return r.wants("active_days", "first_active_date", "last_active_date")
}

// days are the local days of a period of whole days.
func (p Period) days() []Bucket {
	return bucketsOf(dateOf(p.Start), dateOf(p.End), 0, p.First.Location(), Daily, time.Sunday)
}

// dateOf reads a date that a period or a bucket shows.
func dateOf(text string) schema.Day {
	t, _ := time.Parse(time.DateOnly, text) // this package wrote it
	return schema.DayOf(t)
}

// cutsMonths says whether a bucket begins within a UTC month. Then no month can be read merged.
func (p Period) cutsMonths() bool {
	return slices.ContainsFunc(p.Buckets[min(1, len(p.Buckets)):], func(b Bucket) bool {
		return b.From != schema.Millis(tables.MonthStart(b.From.Day()))*dayMillis
	})
}

// The start of a row's bucket, in milliseconds since 1970, from the day of a rollup's row and from
// the time of an event. A row of a merged month has the month's last day.
const (
	bucketOfDay  = "roundDown(toInt64(toUInt16(day)) * 86400000, {bucket_starts:Array(Int64)})"
	bucketOfTime = "roundDown(toUnixTimestamp64Milli(time), {bucket_starts:Array(Int64)})"

	bucketOfLocalDay = "roundDown(local_day, {bucket_starts:Array(Int64)})"

	// the start of the local day, of whole UTC days likewise
	localDayOfDay  = "roundDown(toInt64(toUInt16(day)) * 86400000, {local_days:Array(Int64)})"
	localDayOfTime = "roundDown(toUnixTimestamp64Milli(time), {local_days:Array(Int64)})"
)

// bucketDate is the expression for the first or last day of a row's bucket, as a text.
func bucketDate(which string) string {
	return fmt.Sprintf("transform(r.bucket_start, {bucket_starts:Array(Int64)}, {bucket_%ss:Array(String)}, '')", which)
}

// localDate is the expression for the date of a local day's start.
func localDate(start string) string {
	return fmt.Sprintf("toDate32(transform(%s, {local_days:Array(Int64)}, {local_dates:Array(String)}, '1970-01-01'))", start)
}

// localDayParams are the parameters of the SQL that says on which days usage was.
func localDayParams(days []Bucket) map[string]string {
	var starts, dates []string
	for _, d := range days {
		starts = append(starts, fmt.Sprint(int64(d.From)))
		dates = append(dates, "'"+d.Start+"'")
	}
	return map[string]string{
		"local_days": "[" + strings.Join(starts, ",") + "]", "local_dates": "[" + strings.Join(dates, ",") + "]",
	}
}

// bucketParams are the parameters that the SQL with buckets has. listed_in leaves out the buckets
// that are ahead.
func bucketParams(all []Bucket) map[string]string {
	list := func(text func(Bucket) string, ahead bool) string {
		var texts []string
		for _, b := range all {
			if ahead || !b.Ahead {
				texts = append(texts, text(b))
			}
		}
		return "[" + strings.Join(texts, ",") + "]"
	}
	return map[string]string{
		"bucket_starts": list(func(b Bucket) string { return fmt.Sprint(int64(b.From)) }, true),
		"bucket_froms":  list(func(b Bucket) string { return "'" + b.Start + "'" }, true),
		"bucket_tos":    list(func(b Bucket) string { return "'" + b.End + "'" }, true),
		"listed_in": list(func(b Bucket) string {
			return fmt.Sprintf("(%d,%d,'%s')", int64(b.From), int64(b.To), b.End)
		}, false),
	}
}
