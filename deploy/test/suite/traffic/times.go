package traffic

import (
	"fmt"
	"time"
)

const (
	dayMS  = int64(24 * time.Hour / time.Millisecond)
	hourMS = int64(time.Hour / time.Millisecond)
)

// earliest is the first exportable day: 12 months before, on the same day of the month or, if the
// month is shorter, on its last.
func earliest(now time.Time) time.Time {
	y, m, d := now.UTC().Date()
	last := time.Date(y-1, m+1, 0, 0, 0, 0, 0, time.UTC).Day()
	return time.Date(y-1, m, min(d, last), 0, 0, 0, 0, time.UTC)
}

// usageTime draws a time where errors are likely: on the first day and in the last hours, around
// midnights and the ends of months, in nights when clocks change. Sometimes it draws any time.
func (m *maker) usageTime() int64 {
	first := m.first.UnixMilli()
	now := m.Now.UnixMilli()
	any := first + m.Int64N(now-first)
	switch m.IntN(10) {
	case 0:
		return first + m.Int64N(3)*m.Int64N(dayMS/2)
	case 1:
		return now - m.Int64N(40*hourMS)
	case 2:
		return now + m.Int64N(20*hourMS)
	case 3, 4:
		return max(first, any-any%dayMS+m.Int64N(5)-2) // within 2 ms of a midnight
	case 5:
		month := time.UnixMilli(any).UTC()
		month = time.Date(month.Year(), month.Month(), 1, 0, 0, 0, 0, time.UTC)
		return min(now, max(first, month.UnixMilli()+m.Int64N(4*hourMS)-2*hourMS))
	case 6:
		change := time.Date(m.Now.Year(), pick(m, []time.Month{time.March, time.October, time.November}), 31, 0, 0, 0, 0,
			time.UTC)
		at := change.AddDate(0, 0, -int(change.Weekday())).UnixMilli() + m.Int64N(12*hourMS) - 4*hourMS
		if at >= first && at <= now {
			return at
		}
	}
	return any
}

// entityTime draws a time long ago, within the year, or in the future. It avoids the next hours, so
// that the time does not pass while a test runs.
func (m *maker) entityTime() int64 {
	first := m.first.UnixMilli()
	now := m.Now.UnixMilli()
	switch m.IntN(10) {
	case 0:
		return m.Int64N(first)
	case 1:
		return now + 5*hourMS + m.Int64N(40*dayMS)
	case 2, 3:
		any := first + m.Int64N(now-first)
		// A midnight is the edge of a period, and often the time of another entity event, too.
		return any - any%dayMS
	}
	return first + m.Int64N(now-first)
}

// written writes a time as some producer might: with any offset and any precision (parts of a
// millisecond are cut), and the last millisecond of a minute as a leap second.
func (m *maker) written(at int64) string {
	zone := time.UTC
	if m.IntN(3) == 0 {
		zone = time.FixedZone("", pick(m, []int{3600, -5 * 3600, 19800, 20700, -12600, 14 * 3600}))
	}
	t := time.UnixMilli(at).In(zone)
	text := t.Format("2006-01-02T15:04:05")
	switch ms := at % 1000; {
	case at%60_000 == 59_999 && m.IntN(2) == 0:
		text = t.Format("2006-01-02T15:04") + pick(m, []string{":60", ":60.5"})
	case ms == 0 && m.IntN(2) == 0:
	case m.IntN(3) == 0:
		text += fmt.Sprintf(".%03d%d", ms, m.IntN(1_000_000))
	default:
		text += fmt.Sprintf(".%03d", ms)
	}
	return text + t.Format("Z07:00")
}
