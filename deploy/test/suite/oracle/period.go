package oracle

import (
	"fmt"
	"strings"
	"time"
)

// A Query is what a client asks for. The period is one of: Range; From and To as dates in Zone;
// From and To as wall-clock times in Zone and ToZone.
type Query struct {
	Org, Type string              // users, assistants, … as SPEC.md §2.2 lists them
	GroupBy   string              // model, source, deployment, department, group; empty: none
	Filters   map[string][]string // by name; with filters, ActiveOnly must be set

	Range        string // this_month, last_month, this_week, last_week
	From, To     string // YYYY-MM-DD, or YYYY-MM-DDTHH:MM[:SS[.fff]]
	Zone, ToZone string // IANA; empty: UTC, and for ToZone: Zone
	WeekMonday   bool   // weeks start on Monday instead of Sunday
	Granularity  string // day, week, month; empty: one row per entity

	OnRequest     bool // also the columns that are there only on request, as the last ones
	ActiveOnly    bool // include_inactive=false, which is the default with Granularity
	AttributesNow bool // attributes=now

	Now    time.Time // the moment of the export
	Secret []byte    // the service's, for pseudonyms
}

// A period has the events with start ≤ time < end, in milliseconds since 1970, and the dates that
// the export shows.
type period struct {
	start, end int64
	from, to   string
}

func (q Query) period() (p period, err error) {
	if q.Zone == "" {
		q.Zone = "UTC"
	}
	if q.ToZone == "" {
		q.ToZone = q.Zone
	}
	if q.Range != "" {
		if q.From, q.To, err = q.named(); err != nil {
			return p, err
		}
	}
	p.from = q.From[:10]
	p.to = q.To[:10]
	if p.start, err = instant(q.From, "T00:00:00.000", q.Zone, false); err != nil {
		return p, err
	}
	last, err := instant(q.To, "T23:59:59.999", q.ToZone, true)
	p.end = last + 1 // both ends are inclusive, in milliseconds
	return p, err
}

// named turns a named range into dates: whole calendar periods, relative to today in the zone.
func (q Query) named() (from, to string, err error) {
	zone, err := time.LoadLocation(q.Zone)
	if err != nil {
		return "", "", err
	}
	y, m, d := q.Now.In(zone).Date()
	date := func(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, time.UTC) }
	sinceWeekStart := int(date(y, m, d).Weekday())
	if q.WeekMonday {
		sinceWeekStart = (sinceWeekStart + 6) % 7
	}
	var first, last time.Time
	switch q.Range {
	case "this_month":
		first, last = date(y, m, 1), date(y, m+1, 0)
	case "last_month":
		first, last = date(y, m-1, 1), date(y, m, 0)
	case "this_week":
		first, last = date(y, m, d-sinceWeekStart), date(y, m, d-sinceWeekStart+6)
	case "last_week":
		first, last = date(y, m, d-sinceWeekStart-7), date(y, m, d-sinceWeekStart-1)
	default:
		return "", "", fmt.Errorf("no range %q", q.Range)
	}
	return first.Format(time.DateOnly), last.Format(time.DateOnly), nil
}

// instant converts a wall-clock time of a zone to milliseconds since 1970. A date alone gets
// timeOfDay. A time that does not exist takes the offset before the change. Of a time that exists
// twice it is the second one if second is set, else the first.
func instant(text, timeOfDay, zoneName string, second bool) (int64, error) {
	zone, err := time.LoadLocation(zoneName)
	if err != nil {
		return 0, err
	}
	if len(text) == len(time.DateOnly) {
		text += timeOfDay
	}
	text = strings.TrimSuffix(text, "Z")
	if len(text) == len("2006-01-02T15:04") {
		text += ":00"
	}
	asUTC, err := time.Parse("2006-01-02T15:04:05", text) // accepts a fraction as well
	if err != nil {
		return 0, err
	}
	wall := asUTC.UnixMilli()
	var found []int64
	for _, offset := range offsetsAround(wall, zone) {
		if at := wall - offset; offsetAt(at, zone) == offset {
			found = append(found, at)
		}
	}
	switch {
	case len(found) == 0:
		return wall - offsetsAround(wall, zone)[0], nil
	case second:
		return max(found[0], found[len(found)-1]), nil
	}
	return min(found[0], found[len(found)-1]), nil
}

// offsetsAround returns the zone's offsets, in milliseconds, in the time from before to after all
// moments that a wall-clock time could mean.
func offsetsAround(wall int64, zone *time.Location) (offsets []int64) {
	const hour = 3_600_000
	for at := wall - 15*hour; at <= wall+15*hour; at += hour / 4 {
		if o := offsetAt(at, zone); len(offsets) == 0 || offsets[len(offsets)-1] != o {
			offsets = append(offsets, o)
		}
	}
	return offsets
}

func offsetAt(ms int64, zone *time.Location) int64 {
	_, seconds := time.UnixMilli(ms).In(zone).Zone()
	return int64(seconds) * 1000
}
