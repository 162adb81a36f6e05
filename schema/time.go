package schema

import "time"

// Millis is a UTC time in milliseconds since 1970.
type Millis int64

// A Day is a UTC day, counted from 1970-01-01.
type Day int32

// DayOf is the calendar day of t in t's own location.
func DayOf(t time.Time) Day {
	y, m, d := t.Date()
	return Day(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

// Day is the UTC day of m.
func (m Millis) Day() Day {
	d := int64(m) / 86_400_000
	if int64(m)%86_400_000 < 0 {
		d--
	}
	return Day(d)
}

// Time is m as a time.Time in UTC.
func (m Millis) Time() time.Time { return time.UnixMilli(int64(m)).UTC() }

// Time is the start of the day, in UTC.
func (d Day) Time() time.Time { return time.Unix(int64(d)*86400, 0).UTC() }

func (d Day) String() string { return d.Time().Format(time.DateOnly) }

// Earliest is the earliest exportable date, seen from today: 12 months back, on the same day of the
// month or, if that month is shorter, on its last day.
func Earliest(today Day) Day {
	y, m, d := today.Time().Date()
	last := time.Date(y-1, m+1, 0, 0, 0, 0, 0, time.UTC).Day()
	return DayOf(time.Date(y-1, m, min(d, last), 0, 0, 0, 0, time.UTC))
}
