package query

import (
	"strings"
	"testing"
)

func TestBuckets(t *testing.T) {
	for _, c := range []struct{ from, to, zone, weekStart, granularity, want string }{
		{"2026-10-30", "2026-11-01", "", "", "day", "10-30…10-30 10-31…10-31 11-01…11-01"},
		{"2026-10-30", "2026-11-04", "", "", "week", "10-30…10-31 11-01…11-04"}, // 1 November is a Sunday
		{"2026-10-30", "2026-11-04", "", "monday", "week", "10-30…11-01 11-02…11-04"},
		{"2026-08-15", "2026-10-01", "", "", "month", "08-15…08-31 09-01…09-30 10-01…10-01"},
		{"2026-10-24", "2026-10-26", "Europe/Berlin", "", "day", "10-24…10-24 10-25…10-25 10-26…10-26"},
	} {
		p, err := ParsePeriod(PeriodRequest{
			From: c.from, To: c.to, Timezone: c.zone, WeekStart: c.weekStart, Granularity: c.granularity,
		}, periodsNow)
		if err != nil {
			t.Fatal(err)
		}
		checkBuckets(t, p)
		var all []string
		for _, b := range p.Buckets {
			all = append(all, strings.ReplaceAll(b.Start+"…"+b.End, "2026-", ""))
		}
		if got := strings.Join(all, " "); got != c.want {
			t.Errorf("%s of %s to %s: %s, want %s", c.granularity, c.from, c.to, got, c.want)
		}
	}
}

// UTC's buckets read no day from the log, and months of months; those of other zones read just the
// days that two buckets share.
func TestBucketsReadTheRollupsWhereTheyCan(t *testing.T) {
	period := func(zone, granularity string) Period {
		p, err := ParsePeriod(PeriodRequest{From: "2026-09-01", To: "2026-10-31", Timezone: zone, Granularity: granularity},
			periodsNow)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	for _, c := range []struct {
		zone, granularity string
		cut               int
		months            bool
	}{
		{"", "day", 0, false}, {"", "week", 0, false}, {"", "month", 0, true},
		{"Europe/Berlin", "day", 62, false}, {"Europe/Berlin", "week", 10, false}, {"Europe/Berlin", "month", 3, false},
		// the days of London begin at 23:00 UTC until 25 October, and at midnight from then on
		{"Europe/London", "day", 55, false},
	} {
		p := period(c.zone, c.granularity)
		span := p.Span(org)
		if got := (Request{Period: p}).cutDays(); len(got) != c.cut || (span.MonthsTo != 0) != c.months {
			t.Errorf("%s of %q: %d days are cut, months %t; want %d, %t", c.granularity, c.zone, len(got), span.MonthsTo != 0,
				c.cut, c.months)
		}
	}
}

// A bucket has the rows that an export of its dates has, with the attributes of the whole period's
// end, whether its days are read from the log or from the rollups.
func TestABucketIsTheExportOfItsDates(t *testing.T) {
	b := newBed(t, fromFile(t, "testdata/october.ndjson")...)
	for _, rolled := range []string{"", "2026-10-01 2026-10-02 2026-10-04 2026-10-12 2026-10-31"} {
		b.rollUp(strings.Fields(rolled)...)
		inactive := false
		for k, c := range []struct{ from, granularity string }{
			{"2026-10-28", "day"}, {"2026-10-15", "week"}, {"2026-09-20", "month"},
		} {
			for i, dataType := range Types() {
				if dataType == Focus { // has no buckets
					continue
				}
				if testing.Short() && (i+k+len(rolled))%3 != 0 { // each type by one granularity
					continue
				}
				zone := []string{"", "Europe/Berlin"}[i%2]
				period, err := ParsePeriod(PeriodRequest{
					From: dated(c.from), To: dated("2026-11-01"), Timezone: zone, Granularity: c.granularity,
				}, now)
				if err != nil {
					t.Fatal(err)
				}
				for _, group := range append(dataType.GroupBys(), "") {
					r := request(dataType)
					r.Settings.BYOK = true
					r.GroupBy = group
					r.WithoutInactive = !inactive
					r.Format = NDJSON
					r.Period = period
					b.bucketsAreExports(r)
					inactive = !inactive
				}
			}
		}
	}
}

func (b *bed) bucketsAreExports(r Request) {
	b.t.Helper()
	got := b.export(r)
	var want strings.Builder
	for _, bucket := range r.Period.Buckets {
		one := r
		one.Period = Period{From: bucket.From, To: bucket.To, Start: bucket.Start, End: bucket.End}
		if r.Type == Adoption {
			one.Period.First = bucket.From.Time().In(r.Period.First.Location())
			one.Period.Buckets = []Bucket{bucket}
		}
		s, err := Build(one, b.plan(one))
		if err != nil {
			b.t.Fatal(err)
		}
		s.Params["at"] = millis(r.attributesAt())
		want.WriteString(b.answer(s))
	}
	if got != want.String() {
		b.t.Errorf("%s by %q, inactive %t, of %+v:\n%swant\n%s", r.Type, r.GroupBy, !r.WithoutInactive, r.Period.Buckets,
			got, want.String())
	}
}
