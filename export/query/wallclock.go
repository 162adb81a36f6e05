package query

import (
	"regexp"
	"strings"
	"time"

	"rollcall/schema"
)

// A WallClock is one end of a period of the drop-in API: a local time in a time zone.
type WallClock struct {
	Date     string // YYYY-MM-DD[THH:MM[:SS[.fraction]]], cut to milliseconds; a trailing Z is ignored
	Timezone string // IANA name
}

var (
	wallClockForm = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?)?$`)
	otherOffset   = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}.*[+-]\d{2}(:?\d{2})?$`)
)

// WallClockPeriod makes the period from one local time to another, both inclusive, to the
// millisecond. The zones may differ. A time that does not exist takes the offset before the change
// of clocks. Of a time that exists twice, from takes the first and to the second. Errors are
// *BadRequest.
func WallClockPeriod(from, to WallClock, now time.Time) (Period, error) {
	start, err := from.resolve("from", first)
	if err != nil {
		return Period{}, err
	}
	last, err := to.resolve("to", second)
	if err != nil {
		return Period{}, err
	}
	ends := dates{
		from: schema.DayOf(start), todayFrom: schema.DayOf(now.In(start.Location())), fromName: "from.date",
		to: schema.DayOf(last), todayTo: schema.DayOf(now.In(last.Location())), toName: "to.date",
	}
	if err := ends.check(); err != nil {
		return Period{}, err
	}
	if last.Before(start) {
		return Period{}, bad("to.date", "to.date must not be before from.date, %s.", start.Format(time.RFC3339))
	}
	return newPeriod(start, last), nil
}

// resolve returns the instant of the clock. end is "from" or "to". A date without a time is the
// first millisecond of that day for from, and the last for to.
func (c WallClock) resolve(end string, w which) (time.Time, error) {
	switch {
	case c.Date == "":
		return time.Time{}, bad(end+".date",
			"%s.date is missing; give a date, as YYYY-MM-DD, or a local time, as YYYY-MM-DDTHH:MM:SS.", end)
	case c.Timezone == "":
		return time.Time{}, bad(end+".timezone",
			"%s.timezone is missing; give an IANA time zone, such as Europe/Berlin or UTC.", end)
	}
	zone, err := loadZone(end+".timezone", c.Timezone)
	if err != nil {
		return time.Time{}, err
	}
	wall, dateOnly, err := c.parse(end + ".date")
	if err != nil {
		return time.Time{}, err
	}
	if dateOnly && w == second {
		return firstOf(schema.DayOf(wall)+1, zone).Add(-time.Millisecond), nil
	}
	return resolve(wall, zone, w), nil
}

// parse reads the clock as if its zone were UTC.
func (c WallClock) parse(param string) (wall time.Time, dateOnly bool, err error) {
	if otherOffset.MatchString(c.Date) {
		return wall, false, bad(param,
			"%s must be a local time without an offset, not %q; its zone is said in timezone beside it.", param, clip(c.Date))
	}
	if text := strings.TrimSuffix(c.Date, "Z"); wallClockForm.MatchString(text) {
		// The last of these layouts also accepts a fraction.
		for _, layout := range []string{time.DateOnly, "2006-01-02T15:04", "2006-01-02T15:04:05"} {
			if wall, err = time.Parse(layout, text); err == nil {
				return wall.Truncate(time.Millisecond), layout == time.DateOnly, nil
			}
		}
	}
	return wall, false, bad(param,
		"%s must be a time that exists, as YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS.fff (up to nine digits after the point), "+
			"not %q.", param, clip(c.Date))
}
