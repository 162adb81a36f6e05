package oracle

import "time"

// buckets computes the export of each bucket's dates, one after the other. Attributes stay those of
// the whole period's end. Buckets that begin after today list nothing without usage.
func (x export) buckets() (all Table, err error) {
	today, err := x.today()
	if err != nil {
		return all, err
	}
	first := 0
	days := x.dates()
	for i, date := range days {
		if i+1 < len(days) && !x.begins(days[i+1]) {
			continue
		}
		q := x.Query
		q.Range, q.Granularity = "", ""
		q.From = days[first].Format(time.DateOnly)
		q.To = date.Format(time.DateOnly)
		first = i + 1
		bucket := x
		if bucket.period, err = q.period(); err != nil {
			return all, err
		}
		bucket.usage = filter(x.in(bucket.period), x.passes)
		bucket.ahead = q.From > today
		bucket.ActiveOnly = x.ActiveOnly || bucket.ahead
		t, err := bucket.export()
		if err != nil {
			return all, err
		}
		all.Columns = t.Columns
		all.Rows = append(all.Rows, t.Rows...)
	}
	return all, nil
}

// dates are those of the period.
func (x export) dates() (all []time.Time) {
	for date, _ := time.Parse(time.DateOnly, x.from); date.Format(time.DateOnly) <= x.to; date = date.AddDate(0, 0, 1) {
		all = append(all, date)
	}
	return all
}

// begins tells whether a bucket begins on the date.
func (x export) begins(date time.Time) bool {
	switch x.Granularity {
	case "month":
		return date.Day() == 1
	case "week":
		if x.WeekMonday {
			return date.Weekday() == time.Monday
		}
		return date.Weekday() == time.Sunday
	}
	return true
}

func (x export) today() (string, error) {
	zone, err := time.LoadLocation(x.Zone)
	return x.Now.In(zone).Format(time.DateOnly), err
}
