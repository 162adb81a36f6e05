package export

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"rollcall/export/query"
	"rollcall/schema"
	"rollcall/schema/tables"
)

// A daysFeed is the answer to GET /v1/days: which days have usage, and of which version it is. A
// loader that keeps the versions fetches only the days that differ.
type daysFeed struct {
	CompleteThrough *time.Time `json:"complete_through"` // null: not known yet
	changes
}

// changes are what the tag is made of.
type changes struct {
	EntitiesVersion string      `json:"entities_version"` // another one with every change of names, settings and the like
	Days            []dayOfFeed `json:"days"`
}

type dayOfFeed struct {
	Date     string `json:"date"`     // of UTC
	Version  string `json:"version"`  // equal exactly as long as the day's events are
	Complete bool   `json:"complete"` // whether the watermark is past the day
	Events   uint64 `json:"events"`   // usage events of all types
}

var daysParamNames = []string{"from", "to"}

// daysPeriod returns the days asked for. A date that is left out is the limit.
func daysPeriod(rawQuery string, now time.Time) (query.Period, error) {
	values, err := strictQuery(rawQuery, daysParamNames)
	if err != nil {
		return query.Period{}, err
	}
	today := schema.DayOf(now)
	asked := query.PeriodRequest{From: schema.Earliest(today).String(), To: (today + query.MaxAhead).String()}
	if values.Has("from") {
		asked.From = values.Get("from")
	}
	if values.Has("to") {
		asked.To = values.Get("to")
	}
	return query.ParsePeriod(asked, now)
}

func (e *Export) days(w http.ResponseWriter, r *http.Request, x *exchange) error {
	x.what = "days"
	x.format = query.JSON
	period, err := daysPeriod(r.URL.RawQuery, x.started)
	if err != nil {
		return err
	}
	x.period = period
	if err := e.open(r, x); err != nil {
		return err
	}
	feed, err := e.readDays(r.Context(), x.who.Org, period, x.started)
	if err != nil {
		return err
	}
	tag := feed.tag()
	w.Header().Set("Cache-Control", "private, no-cache")
	w.Header().Set("Vary", "Authorization, Cookie")
	w.Header().Set("ETag", tag)
	if noneMatch(r, tag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	writeJSON(w, "application/json", http.StatusOK, feed)
	return nil
}

// readDays reads the watermark first, then the versions, then the numbers of events. An event that
// comes meanwhile is at most in a later one of these, so no day is called complete without it.
func (e *Export) readDays(
	ctx context.Context, org string, period query.Period, now time.Time,
) (feed daysFeed, err error) {
	span := period.Span(org).WithoutMonths()
	err = untilPlanHolds(span, func(span tables.Span, last bool) error {
		var through time.Time
		var space tables.Workspace
		plan, err := tables.ReadPlan(ctx, e.conn, span, e.cfg.Now(),
			tables.AskCompleteThrough(&through), tables.AskWorkspace(&space, org, now))
		if err != nil {
			return err
		}
		events, err := e.eventsByDay(ctx, plan, last)
		if err != nil {
			return err
		}
		feed = newDaysFeed(plan, events, space, through)
		return nil
	})
	return feed, err
}

// eventsByDay counts the usage events of each day that has any. Unless anyVersion is set, it fails
// if a day that is read from the log no longer has the version that the plan saw.
func (e *Export) eventsByDay(ctx context.Context, plan tables.Plan, anyVersion bool) (map[schema.Day]uint64, error) {
	var arms, guards []string
	for _, d := range tables.Dailies() {
		arms = append(arms,
			fmt.Sprintf("SELECT day, toUInt64(%s) AS n FROM %s WHERE %s", d.Counts(), d.Table, tables.RolledWhere))
		guards = append(guards, d.Guard())
	}
	arms = append(arms, "SELECT day, toUInt64(1) AS n FROM events FINAL WHERE bitAnd(version, 1) = 0 AND "+tables.LiveWhere)
	params := plan.Params()
	if !anyVersion {
		guards = append(guards, tables.VersionGuard(tables.LiveWhere, "{live_version:UInt256}"))
		params["live_version"] = plan.VersionOf(plan.Live...)
	}
	var rows []struct {
		Day    time.Time `ch:"day"`
		Events uint64    `ch:"events"`
	}
	statement := "SELECT day, sum(n) AS events FROM (\n" + strings.Join(arms, "\nUNION ALL\n") + "\n) WHERE " +
		tables.Guards(guards...) + " = 0 GROUP BY day ORDER BY day"
	if err := e.conn.Select(clickhouse.Context(ctx, clickhouse.WithParameters(params)), &rows, statement); err != nil {
		return nil, fmt.Errorf("count the events of each day: %w", err)
	}
	events := make(map[schema.Day]uint64, len(rows))
	for _, r := range rows {
		events[schema.DayOf(r.Day)] = r.Events
	}
	return events, nil
}

func newDaysFeed(plan tables.Plan, events map[schema.Day]uint64, space tables.Workspace, through time.Time) daysFeed {
	feed := daysFeed{changes: changes{EntitiesVersion: opaque(space.Entities, space.Past), Days: []dayOfFeed{}}}
	if !through.IsZero() {
		feed.CompleteThrough = &through
	}
	for day := plan.From; day <= plan.To; day++ {
		if events[day] > 0 {
			feed.Days = append(feed.Days, dayOfFeed{
				Date: day.String(), Version: opaque(plan.Org, day, plan.VersionOf(day)),
				Complete: !through.Before((day + 1).Time()), Events: events[day],
			})
		}
	}
	return feed
}

// tag is the ETag of the feed: over all of it but the watermark, which moves every second.
func (f daysFeed) tag() string { return `W/"` + opaque(f.changes) + `"` }

// opaque is a text that is equal as long as the parts are.
func opaque(parts ...any) string {
	text, err := json.Marshal(parts)
	if err != nil {
		panic(err) // texts, numbers and bools
	}
	sum := sha256.Sum256(text)
	return base64.RawURLEncoding.EncodeToString(sum[:18])
}
