package query

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// periodsNow is the moment at which these tests ask for periods. They use no engine, so it is
// fixed.
var periodsNow = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func at(t *testing.T, text string) time.Time {
	t.Helper()
	moment, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	return moment
}

func TestNamedRangesAreWholeCalendarPeriodsOfTheZone(t *testing.T) {
	for _, c := range []struct{ name, now, zone, weekStart, start, end, from, to string }{
		{"this_month", "2026-11-24T12:00:00Z", "", "", "2026-11-01", "2026-11-30", "2026-11-01T00:00:00Z",
			"2026-12-01T00:00:00Z"},
		{"last_month", "2026-11-24T12:00:00Z", "", "", "2026-10-01", "2026-10-31", "2026-10-01T00:00:00Z",
			"2026-11-01T00:00:00Z"},
		{"last_month", "2027-01-01T00:00:00Z", "", "", "2026-12-01", "2026-12-31", "2026-12-01T00:00:00Z",
			"2027-01-01T00:00:00Z"},
		{"this_week", "2026-11-24T12:00:00Z", "", "", "2026-11-22", "2026-11-28", "2026-11-22T00:00:00Z",
			"2026-11-29T00:00:00Z"},
		{"this_week", "2026-11-24T12:00:00Z", "", "monday", "2026-11-23", "2026-11-29", "2026-11-23T00:00:00Z",
			"2026-11-30T00:00:00Z"},
		{"this_week", "2026-11-22T00:00:00Z", "", "monday", "2026-11-16", "2026-11-22", "2026-11-16T00:00:00Z",
			"2026-11-23T00:00:00Z"},
		{"this_week", "2026-11-22T00:00:00Z", "", "sunday", "2026-11-22", "2026-11-28", "2026-11-22T00:00:00Z",
			"2026-11-29T00:00:00Z"},
		{"last_week", "2026-11-24T12:00:00Z", "", "", "2026-11-15", "2026-11-21", "2026-11-15T00:00:00Z",
			"2026-11-22T00:00:00Z"},
		{"this_month", "2026-10-31T23:30:00Z", "Europe/Berlin", "", "2026-11-01", "2026-11-30", "2026-10-31T23:00:00Z",
			"2026-11-30T23:00:00Z"},
		{"last_month", "2026-11-24T12:00:00Z", "Europe/Berlin", "", "2026-10-01", "2026-10-31", "2026-09-30T22:00:00Z",
			"2026-10-31T23:00:00Z"},
		{"this_month", "2026-11-24T12:00:00Z", "Asia/Kolkata", "", "2026-11-01", "2026-11-30", "2026-10-31T18:30:00Z",
			"2026-11-30T18:30:00Z"},
	} {
		p, err := ParsePeriod(PeriodRequest{Range: c.name, Timezone: c.zone, WeekStart: c.weekStart}, at(t, c.now))
		if err != nil || p.Start != c.start || p.End != c.end || !p.From.Time().Equal(at(t, c.from)) ||
			!p.To.Time().Equal(at(t, c.to)) {
			t.Errorf("%+v: got %s … %s, %s … %s (%v)", c, p.Start, p.End, p.From.Time(), p.To.Time(), err)
		}
	}
}

func TestPeriodsThatAreRefusedNameTheLimit(t *testing.T) {
	for name, c := range map[string]struct {
		q            PeriodRequest
		param, words string
	}{
		"nothing given": {PeriodRequest{}, "range", "range=this_month"},
		"both forms":    {PeriodRequest{Range: "this_month", From: "2026-10-01"}, "range", "not both"},
		"an unknown range": {
			PeriodRequest{Range: "yesterday"}, "range", "this_month, last_month, this_week, last_week",
		},
		"no to":   {PeriodRequest{From: "2026-10-01"}, "to", "to is missing"},
		"no from": {PeriodRequest{To: "2026-10-01"}, "from", "from is missing"},
		"31 February": {
			PeriodRequest{From: "2026-02-31", To: "2026-03-01"}, "from", "a date that exists",
		},
		"a year of five digits": {PeriodRequest{From: "2026-10-01", To: "12026-10-01"}, "to", "a date that exists"},
		"the year 0":            {PeriodRequest{From: "0000-01-01", To: "2026-10-01"}, "from", "2025-11-24"},
		"a time of day":         {PeriodRequest{From: "2026-10-01T00:00", To: "2026-10-01"}, "from", "YYYY-MM-DD"},
		"13 months ago": {
			PeriodRequest{From: "2025-10-24", To: "2026-10-01"}, "from", "not be before 2025-11-24",
		},
		"a day before the earliest": {
			PeriodRequest{From: "2025-11-23", To: "2026-10-01"}, "from", "not be before 2025-11-24",
		},
		"from after today": {
			PeriodRequest{From: "2026-11-25", To: "2026-11-26"}, "from", "not be after today, 2026-11-24",
		},
		"to before from": {
			PeriodRequest{From: "2026-10-02", To: "2026-10-01"}, "to", "not be before from, 2026-10-02",
		},
		"more than 366 days ahead": {
			PeriodRequest{From: "2026-10-02", To: "2027-11-26"}, "to", "not be after 2027-11-25",
		},
		"a zone that does not exist": {
			PeriodRequest{Range: "this_week", Timezone: "Mars/Olympus"}, "timezone", "IANA time zone",
		},
		"this machine's zone": {
			PeriodRequest{Range: "this_week", Timezone: "Local"}, "timezone", "IANA time zone",
		},
		"a zone whose + was not escaped": {
			PeriodRequest{Range: "this_week", Timezone: "Etc/GMT 5"}, "timezone",
			"; a + is written %2B in an address: Etc/GMT%2B5.",
		},
		"a path": {
			PeriodRequest{Range: "this_week", Timezone: "../etc/passwd"}, "timezone", "IANA time zone",
		},
		"a zone that counts leap seconds": {
			PeriodRequest{Range: "this_week", Timezone: "right/Europe/Berlin"}, "timezone", "IANA time zone",
		},
		"a week that starts on Tuesday": {
			PeriodRequest{Range: "this_week", WeekStart: "tuesday"}, "week_start", "sunday or monday",
		},
	} {
		_, err := ParsePeriod(c.q, periodsNow)
		var refused *BadRequest
		if !errors.As(err, &refused) || refused.Param != c.param || !strings.Contains(refused.Message, c.words) {
			t.Errorf("%s: want %s: …%s…, got %v", name, c.param, c.words, err)
		}
	}
}

func TestThePeriodsAtTheLimitsAreTaken(t *testing.T) {
	for name, q := range map[string]PeriodRequest{
		"the earliest day":                   {From: "2025-11-24", To: "2025-11-24"},
		"today":                              {From: "2026-11-24", To: "2026-11-24"},
		"366 days ahead":                     {From: "2026-11-24", To: "2027-11-25"},
		"tomorrow in a zone that is there":   {From: "2026-11-25", To: "2026-11-25", Timezone: "Pacific/Kiritimati"},
		"a day earlier where it is still so": {From: "2025-11-24", To: "2026-11-24", Timezone: "Pacific/Pago_Pago"},
	} {
		if _, err := ParsePeriod(q, periodsNow); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	p, err := ParsePeriod(PeriodRequest{From: "2027-02-28", To: "2027-02-28"}, at(t, "2028-02-29T12:00:00Z"))
	if err != nil || p.Start != "2027-02-28" {
		t.Errorf("12 months before 29 February is the 28th: %v", err)
	}
}

func TestWallClockTimesAreExactInEveryZone(t *testing.T) {
	for name, c := range map[string]struct{ date, zone, asFrom, asTo string }{
		"a date alone, UTC": {"2026-10-01", "UTC", "2026-10-01T00:00:00Z", "2026-10-01T23:59:59.999Z"},
		"a date alone, Berlin": {
			"2026-10-01", "Europe/Berlin", "2026-09-30T22:00:00Z", "2026-10-01T21:59:59.999Z",
		},
		"a day of 25 hours": {
			"2026-10-25", "Europe/Berlin", "2026-10-24T22:00:00Z", "2026-10-25T22:59:59.999Z",
		},
		"a day of 23 hours": {
			"2026-03-29", "Europe/Berlin", "2026-03-28T23:00:00Z", "2026-03-29T21:59:59.999Z",
		},
		"minutes": {"2026-10-01T10:30", "UTC", "2026-10-01T10:30:00Z", "2026-10-01T10:30:00Z"},
		"seconds, and a Z that is ignored": {
			"2026-10-01T10:30:05Z", "America/New_York", "2026-10-01T14:30:05Z", "2026-10-01T14:30:05Z",
		},
		"milliseconds": {
			"2026-10-01T10:30:05.007", "UTC", "2026-10-01T10:30:05.007Z", "2026-10-01T10:30:05.007Z",
		},
		"nine digits are cut": {
			"2026-10-01T10:30:05.007999999", "UTC", "2026-10-01T10:30:05.007Z", "2026-10-01T10:30:05.007Z",
		},
		"a fraction below a millisecond": {
			"2026-10-01T23:59:59.9999Z", "UTC", "2026-10-01T23:59:59.999Z", "2026-10-01T23:59:59.999Z",
		},
		"a date with a Z that is ignored": {
			"2026-10-01Z", "Europe/Berlin", "2026-09-30T22:00:00Z", "2026-10-01T21:59:59.999Z",
		},
		"one digit of a fraction": {
			"2026-10-01T10:30:05.7", "UTC", "2026-10-01T10:30:05.7Z", "2026-10-01T10:30:05.7Z",
		},
		"a zone of 45 minutes": {
			"2026-10-01T10:00", "Asia/Kathmandu", "2026-10-01T04:15:00Z", "2026-10-01T04:15:00Z",
		},
		"a time that does not exist": {
			"2026-03-29T02:30", "Europe/Berlin", "2026-03-29T01:30:00Z", "2026-03-29T01:30:00Z",
		},
		"the first that does not exist": {
			"2026-03-29T02:00", "Europe/Berlin", "2026-03-29T01:00:00Z", "2026-03-29T01:00:00Z",
		},
		"a time that exists twice": {
			"2026-10-25T02:30", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z",
		},
		"twice, by half an hour": {
			"2026-04-05T01:45", "Australia/Lord_Howe", "2026-04-04T14:45:00Z", "2026-04-04T15:15:00Z",
		},
		"not at all, by half an hour": {
			"2026-10-04T02:15", "Australia/Lord_Howe", "2026-10-03T15:45:00Z", "2026-10-03T15:45:00Z",
		},
		"a midnight that does not exist": {
			"2026-04-24", "Africa/Cairo", "2026-04-23T22:00:00Z", "2026-04-24T20:59:59.999Z",
		},
		"a day's end that exists twice": {
			"2026-10-29", "Africa/Cairo", "2026-10-28T21:00:00Z", "2026-10-29T21:59:59.999Z",
		},
		"a midnight that exists twice": {
			"2026-11-01", "America/Havana", "2026-11-01T04:00:00Z", "2026-11-02T04:59:59.999Z",
		},
		"the easternmost zone": {
			"2026-10-01", "Pacific/Kiritimati", "2026-09-30T10:00:00Z", "2026-10-01T09:59:59.999Z",
		},
	} {
		clock := WallClock{c.date, c.zone}
		if got, err := clock.resolve("from", first); err != nil || !got.Equal(at(t, c.asFrom)) {
			t.Errorf("%s, from: want %s, got %s (%v)", name, c.asFrom, got.UTC().Format(time.RFC3339Nano), err)
		}
		if got, err := clock.resolve("to", second); err != nil || !got.Equal(at(t, c.asTo)) {
			t.Errorf("%s, to: want %s, got %s (%v)", name, c.asTo, got.UTC().Format(time.RFC3339Nano), err)
		}
	}
}

func TestWallClockPeriodsIncludeBothEndsAndShowLocalDates(t *testing.T) {
	p, err := WallClockPeriod(WallClock{"2026-10-01T22:00", "America/New_York"},
		WallClock{"2026-10-02T12:00:00.5Z", "Asia/Tokyo"}, periodsNow)
	if err != nil {
		t.Fatal(err)
	}
	if !p.From.Time().Equal(at(t, "2026-10-02T02:00:00Z")) || !p.To.Time().Equal(at(t, "2026-10-02T03:00:00.501Z")) {
		t.Errorf("got %s … %s", p.From.Time(), p.To.Time())
	}
	if p.Start != "2026-10-01" || p.End != "2026-10-02" || p.First.Format(time.RFC3339) != "2026-10-01T22:00:00-04:00" ||
		p.Last.Format(time.RFC3339Nano) != "2026-10-02T12:00:00.5+09:00" {
		t.Errorf("got %s … %s, %s … %s", p.Start, p.End, p.First, p.Last)
	}
}

func TestWallClockPeriodsThatAreRefused(t *testing.T) {
	good := WallClock{"2026-10-01", "UTC"}
	for name, c := range map[string]struct {
		from, to     WallClock
		param, words string
	}{
		"no zone": {WallClock{"2026-10-01", ""}, good, "from.timezone", "from.timezone is missing"},
		"no date": {good, WallClock{"", "UTC"}, "to.date", "to.date is missing"},
		"an unknown zone": {
			good, WallClock{"2026-10-01", "Mars/Olympus"}, "to.timezone", "to.timezone must be an IANA time zone",
		},
		"a zone whose + was lost": {
			WallClock{"2026-10-01", "Etc/GMT 5"}, good, "from.timezone", `if you mean "Etc/GMT+5"`,
		},
		"an offset after a date":  {WallClock{"2026-10-01+02:00", "UTC"}, good, "from.date", "without an offset"},
		"another offset":          {WallClock{"2026-10-01T10:00:00+02:00", "UTC"}, good, "from.date", "without an offset"},
		"a negative offset":       {good, WallClock{"2026-10-01T10:00-0500", "UTC"}, "to.date", "without an offset"},
		"24:00":                   {WallClock{"2026-10-01T24:00", "UTC"}, good, "from.date", "a time that exists"},
		"an hour without minutes": {WallClock{"2026-10-01T10", "UTC"}, good, "from.date", "a time that exists"},
		"a leap second":           {WallClock{"2026-10-01T10:00:60", "UTC"}, good, "from.date", "a time that exists"},
		"ten digits of a fraction": {
			WallClock{"2026-10-01T10:00:00.1234567890", "UTC"}, good, "from.date", "up to nine digits",
		},
		"a point without digits": {WallClock{"2026-10-01T10:00:00.", "UTC"}, good, "from.date", "a time that exists"},
		"a comma":                {WallClock{"2026-10-01T10:00:00,5", "UTC"}, good, "from.date", "a time that exists"},
		"a space":                {WallClock{" 2026-10-01", "UTC"}, good, "from.date", "a time that exists"},
		"31 February":            {WallClock{"2026-02-31", "UTC"}, good, "from.date", "a time that exists"},
		"to a millisecond too early": {
			WallClock{"2026-10-01T10:00:00.001", "UTC"}, WallClock{"2026-10-01T10:00", "UTC"}, "to.date", "not be before from",
		},
		"to before from by the zone": {
			WallClock{"2026-10-01T10:00", "UTC"}, WallClock{"2026-10-01T10:00", "Asia/Tokyo"}, "to.date", "not be before from",
		},
		"13 months ago": {WallClock{"2025-10-01", "UTC"}, good, "from.date", "2025-11-24"},
	} {
		_, err := WallClockPeriod(c.from, c.to, periodsNow)
		var refused *BadRequest
		if !errors.As(err, &refused) || refused.Param != c.param || !strings.Contains(refused.Message, c.words) {
			t.Errorf("%s: want %s: …%s…, got %v", name, c.param, c.words, err)
		}
	}
}

// A resolved time shows the wall time that it was made from. If no instant shows that time, the
// result has the offset before the change of clocks, and the clock shows a later time.
func FuzzResolve(f *testing.F) {
	for _, zone := range []string{
		"UTC", "Europe/Berlin", "Australia/Lord_Howe", "Africa/Cairo", "America/Havana", "Pacific/Apia", "Asia/Kathmandu",
		"Africa/Casablanca",
	} {
		f.Add("2026-03-29T02:30:00.5", zone)
		f.Add("2026-10-25T02:30", zone)
		f.Add("2026-11-01", zone)
	}
	f.Fuzz(func(t *testing.T, date, name string) {
		clock := WallClock{date, name}
		wall, dateOnly, err := clock.parse("from")
		zone, zoneErr := loadZone("from", name)
		if err != nil || zoneErr != nil || dateOnly {
			return
		}
		one := resolve(wall, zone, first)
		two := resolve(wall, zone, second)
		asUTC := func(m time.Time) time.Time {
			_, offset := m.Zone()
			return m.UTC().Add(time.Duration(offset) * time.Second)
		}
		switch {
		case one.IsZero() || two.IsZero() || two.Before(one):
			t.Fatalf("%s in %s: %s, then %s", date, name, one, two)
		case asUTC(one).Equal(wall):
			if !asUTC(two).Equal(wall) {
				t.Fatalf("%s in %s: the second time is %s", date, name, two)
			}
		case !one.Equal(two) || !asUTC(one).After(wall):
			t.Fatalf("%s in %s does not exist, but became %s and %s", date, name, one, two)
		}
	})
}

func FuzzParsePeriod(f *testing.F) {
	f.Add("this_month", "", "", "", "", "")
	f.Add("", "2026-10-01", "2026-10-31", "Europe/Berlin", "monday", "week")
	f.Add("", "2026-10-01", "2026-11-30", "America/St_Johns", "", "day")
	f.Fuzz(func(t *testing.T, name, from, to, zone, weekStart, granularity string) {
		p, err := ParsePeriod(PeriodRequest{name, from, to, zone, weekStart, granularity}, periodsNow)
		var refused *BadRequest
		if err != nil {
			if !errors.As(err, &refused) || refused.Param == "" || len(refused.Message) > 400 {
				t.Fatalf("%v", err)
			}
			return
		}
		if p.From >= p.To || p.Start > p.End || p.To-p.From > 800*dayMillis || len(p.Start) != len(time.DateOnly) {
			t.Fatalf("%+v", p)
		}
		if granularity != "" {
			checkBuckets(t, p)
		}
	})
}

// checkBuckets holds that every millisecond and every date of the period is in one bucket.
func checkBuckets(t *testing.T, p Period) {
	t.Helper()
	next := p.From
	nextDate := p.Start
	for _, b := range p.Buckets {
		if b.From != next || b.To <= b.From || b.Start != nextDate || b.End < b.Start {
			t.Fatalf("%+v, want a bucket from %d, %s", b, next, nextDate)
		}
		next = b.To
		day, err := time.Parse(time.DateOnly, b.End)
		if err != nil {
			t.Fatal(err)
		}
		nextDate = day.AddDate(0, 0, 1).Format(time.DateOnly)
	}
	if last := p.Buckets[len(p.Buckets)-1]; next != p.To || last.End != p.End {
		t.Fatalf("the last bucket is %+v of %+v", last, p)
	}
}
