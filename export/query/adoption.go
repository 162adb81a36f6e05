package query

import (
	"fmt"

	"rollcall/schema"
)

// adoptionColumns: SPEC.md §2.2, adoption.
var adoptionColumns = []Column{
	{"members", Integer, "Users of the workspace: the rows of a users export over the bucket.", always},
	{"new_members", Integer, "Members who joined in the bucket or, if that was never said, were first described in it.",
		always},
	{"active_users", Integer, "How many users had any usage.", always},
	{"active_users_7d", Integer.OrNull(),
		"How many users had any usage in the 7 days that end with the bucket; missing if these begin before the earliest date.",
		always},
	{"active_users_30d", Integer.OrNull(),
		"How many users had any usage in the 30 days that end with the bucket; missing if these begin before the earliest " +
			"date.", always},
	{"adoption_rate_30d", Rate.OrNull(), "active_users_30d divided by members.", always},
	{"messages", Integer, "All messages.", always},
	{"requests", Integer, "Model requests (token events).", always},
}

// longestWindow is how many days the longest window of adoption has.
const longestWindow = 30

// usagePeriod is the period whose usage is read. For adoption it begins with the longest window of
// the first bucket, as far as its days can be exported.
func (r Request) usagePeriod() Period {
	p := r.Period
	if r.Type != Adoption || len(p.Buckets) == 0 {
		return p
	}
	window := dateOf(p.Buckets[0].End) - longestWindow + 1
	from := min(dateOf(p.Start), max(window, r.earliest()))
	wide := wholeDays(from, dateOf(p.End), p.First.Location())
	wide.Granularity, wide.Buckets = p.Granularity, p.Buckets
	return wide
}

// earliest is the earliest exportable date of the period's zone.
func (r Request) earliest() schema.Day {
	return schema.Earliest(schema.DayOf(r.AsOf.In(r.Period.First.Location())))
}

// LocalDate is the date of a local day's start.
func (choices) LocalDate() string { return "toInt32(" + localDate("local_day") + ")" }

// BucketOf is the start of the bucket of a local day.
func (choices) BucketOf(day string) string {
	return "roundDown(" + day + ", {bucket_starts:Array(Int64)})"
}

// Exportable says whether all of the days that end with a bucket can be exported.
func (choices) Exportable(days int) string {
	return fmt.Sprintf("b.last_day - %d >= {earliest:Int32}", days-1)
}

// JoinedIn is the start of the bucket in which a member joined, or something else if it joined in
// none of them.
func (choices) JoinedIn() string {
	const starts, froms = "{bucket_starts:Array(Int64)}", "arrayMap(d -> toInt32(toDate32(d)), {bucket_froms:Array(String)})"
	return fmt.Sprintf(`multiIf(
            isNull(e.joined_at), if(e.first_event < toUnixTimestamp64Milli({to:DateTime64(3, 'UTC')}) AND e.first_event >= %[1]s[1], roundDown(e.first_event, %[1]s), -1),
            e.joined_at BETWEEN toDate32({start:String}) AND {end:Date32}, transform(roundDown(toInt32(assumeNotNull(e.joined_at)), %[2]s), %[2]s, %[1]s, -1),
            -1)`, starts, froms)
}
