package query

import (
	"regexp"
	"strings"
	"time"

	"rollcall/schema"
)

// A WallClock is one end of a drop-in period: what a clock on the wall of a time zone shows.
type WallClock struct {
	Date     string // YYYY-MM-DD[THH:MM[:SS[.fff]]]; a trailing Z is ignored
	Timezone string // IANA name
}

var (
	wallClockForm = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?)?$`)
	otherOffset   = regexp.MustCompile(`T.*[+-]\d{2}(:?\d{2})?$`)
)

// WallClockPeriod makes the period from one wall-clock time to another, both inclusive, to the millisecond; the zones may differ. A time that does not exist
// takes the offset before the change; one that exists twice is the first for from, the second for to. Errors are *BadRequest.
func WallClockPeriod(from, to WallClock, now time.Time) (Period, error) {
	start, err := from.resolve("from", first)
	if err != nil {
		return Period{}, err
	}
	last, err := to.resolve("to", second)
	if err != nil {
		return Period{}, err
	}
	err = checkDates(schema.DayOf(start), schema.DayOf(last), schema.DayOf(now.In(start.Location())), schema.DayOf(now.In(last.Location())))
	if err != nil {
		return Period{}, err
	}
	if last.Before(start) {
		return Period{}, bad("to", "to must not be before from, %s.", start.Format(time.RFC3339))
	}
	return newPeriod(start, last), nil
}

// resolve: a date alone is the first millisecond of that day for from, the last for to.
func (c WallClock) resolve(param string, w which) (time.Time, error) {
	if c.Timezone == "" {
		return time.Time{}, bad(param, "%s.timezone is missing; give an IANA time zone, such as Europe/Berlin or UTC.", param)
	}
	zone, err := loadZone(param+".timezone", c.Timezone)
	if err != nil {
		return time.Time{}, err
	}
	wall, dateOnly, err := c.parse(param)
	if err != nil {
		return time.Time{}, err
	}
	if dateOnly && w == second {
		return firstOf(schema.DayOf(wall)+1, zone).Add(-time.Millisecond), nil
	}
	return resolve(wall, zone, w), nil
}

// parse reads the clock as if it stood in UTC.
func (c WallClock) parse(param string) (wall time.Time, dateOnly bool, err error) {
	if otherOffset.MatchString(c.Date) {
		return wall, false, bad(param, "%s.date must be a local time without an offset, not %q; the zone is said in %s.timezone.", param, clip(c.Date), param)
	}
	text := c.Date
	if strings.Contains(text, "T") {
		text = strings.TrimSuffix(text, "Z")
	}
	if wallClockForm.MatchString(text) {
		for _, layout := range []string{time.DateOnly, "2006-01-02T15:04", "2006-01-02T15:04:05"} { // the last takes a fraction, too
			if wall, err = time.Parse(layout, text); err == nil {
				return wall, layout == time.DateOnly, nil
			}
		}
	}
	return wall, false, bad(param, "%s.date must be a time that exists, as YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS.fff, not %q.", param, clip(c.Date))
}
