package export

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"rollcall/export/query"
	"rollcall/export/steps"
	"rollcall/schema"
	"rollcall/schema/tables"
)

// An overview is what the page shows of a period. Each figure is a sum over the rows of an export,
// or the number of its rows.
type overview struct {
	Period          shownPeriod           `json:"period"`
	Previous        *shownPeriod          `json:"previous"` // null: nothing is kept from that time
	CompleteThrough *time.Time            `json:"complete_through"`
	Figures         []figure              `json:"figures"`
	Days            []dayFigure           `json:"days"`
	Top             map[string][]topEntry `json:"top"`               // without users if persons are hidden
	PersonsHiddenBy string                `json:"persons_hidden_by"` // the setting: user_level_data, pseudonymize or ""
}

type shownPeriod struct {
	From string `json:"from"`
	To   string `json:"to"`
}

type figure struct {
	Name     string  `json:"name"`
	Value    string  `json:"value"` // a plain decimal, exact
	Previous *string `json:"previous"`
}

type dayFigure struct {
	Date     string `json:"date"`
	Messages uint64 `json:"messages"`
}

type topEntry struct {
	ID    string `json:"id"`
	Name  string `json:"name"` // "" if there is no name, or names are hidden
	Value uint64 `json:"value"`
}

// topRows is how many users, assistants, projects and models are listed.
const topRows = 8

var topTypes = []query.Type{query.Users, query.Assistants, query.Projects, query.Models}

// summary answers with the page's figures for a period of whole UTC days.
func (e *Export) summary(w http.ResponseWriter, r *http.Request, x *exchange) error {
	x.what = "summary"
	x.format = query.JSON
	values, err := strictQuery(r.URL.RawQuery, []string{"range", "from", "to"})
	if err != nil {
		return err
	}
	name := values.Get("range")
	period, err := query.ParsePeriod(query.PeriodRequest{Range: name, From: values.Get("from"), To: values.Get("to")},
		x.started)
	if err != nil {
		return err
	}
	x.period = period
	if err := e.open(r, x); err != nil {
		return err
	}
	o, err := e.overview(r.Context(), x, name)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, "application/json", http.StatusOK, o)
	return nil
}

func (e *Export) overview(ctx context.Context, x *exchange, name string) (o overview, err error) {
	space, err := tables.ReadWorkspace(ctx, e.conn, x.who.Org, x.started)
	if err != nil {
		return o, err
	}
	through, err := tables.CompleteThrough(ctx, e.conn)
	if err != nil {
		return o, err
	}
	if !through.IsZero() {
		o.CompleteThrough = &through
	}
	request := query.Request{
		Org: x.who.Org, Settings: space.Settings, Period: x.period, AsOf: x.started, WithoutInactive: true,
		PseudonymKey: e.pseudonymKey(x.who.Org), SpillBytes: e.cfg.SpillBytes, AnyVersion: true,
	}
	var current, before query.Totals
	all, ctx := steps.Until(ctx)
	all.Go(func() (err error) { current, err = e.totals(ctx, request); return err })
	all.Go(func() (err error) { o.Days, err = e.messagesPerDay(ctx, request); return err })
	all.Go(func() (err error) { o.Top, err = e.tops(ctx, request); return err })
	previous, comparable := previousPeriod(x.period, name, x.started)
	if comparable {
		o.Previous = &shownPeriod{previous.Start, previous.End}
		request := request
		request.Period = previous
		all.Go(func() (err error) { before, err = e.totals(ctx, request); return err })
	}
	if err := all.Wait(); err != nil {
		return o, err
	}
	o.Period = shownPeriod{x.period.Start, x.period.End}
	o.PersonsHiddenBy = hiddenBy(space.Settings)
	o.Figures = figures(current, space.Settings)
	if comparable {
		for i, f := range figures(before, space.Settings) {
			o.Figures[i].Previous = &f.Value
		}
	}
	return o, nil
}

// previousPeriod returns the period that a period is compared with: the month before for a month,
// the week before for a week, and for any other period as many days just before it. If the period
// is not over, the previous one is cut to as much time as has passed of it. ok is false if the
// previous period would begin before the earliest exportable date.
func previousPeriod(p query.Period, name string, now time.Time) (previous query.Period, ok bool) {
	const day = 24 * time.Hour
	from := p.From.Time()
	to := p.To.Time()
	var start time.Time
	switch name {
	case "this_month", "last_month":
		start = from.AddDate(0, -1, 0)
	case "this_week", "last_week":
		start = from.Add(-7 * day)
	default:
		if tomorrow := now.UTC().Truncate(day).Add(day); to.After(tomorrow) {
			to = tomorrow
		}
		start = from.Add(from.Sub(to))
	}
	end := from
	if p.To.Time().After(now) {
		if elapsed := start.Add(now.Sub(from)); elapsed.Before(end) {
			end = elapsed
		}
	}
	end = end.Truncate(time.Millisecond)
	if !end.After(start) || schema.DayOf(start) < schema.Earliest(schema.DayOf(now.UTC())) {
		return query.Period{}, false
	}
	last := end.Add(-time.Millisecond)
	return query.Period{
		From: schema.Millis(start.UnixMilli()), To: schema.Millis(end.UnixMilli()), First: start, Last: last,
		Start: start.Format(time.DateOnly), End: last.Format(time.DateOnly),
	}, true
}

func (e *Export) totals(ctx context.Context, request query.Request) (t query.Totals, err error) {
	err = e.byPlan(ctx, request.Period.Span(request.Org), func(plan tables.Plan) error {
		statement := query.AddUp(request, plan)
		if err := e.conn.QueryRow(statement.Context(ctx), statement.SQL).ScanStruct(&t); err != nil {
			return fmt.Errorf("add up the usage: %w", err)
		}
		return nil
	})
	return t, err
}

// tops lists, for each type, the entities with the greatest counts. Entities with a count of 0 are
// left out.
func (e *Export) tops(ctx context.Context, request query.Request) (map[string][]topEntry, error) {
	types := topTypes
	if hiddenBy(request.Settings) != "" {
		types = slices.DeleteFunc(slices.Clone(types), func(t query.Type) bool { return t == query.Users })
	}
	lists := make([][]topEntry, len(types))
	err := e.byPlan(ctx, request.Period.Span(request.Org), func(plan tables.Plan) error {
		all, ctx := steps.Until(ctx)
		for i, t := range types {
			request := request
			request.Type = t
			all.Go(func() (err error) { lists[i], err = e.top(ctx, request, plan); return err })
		}
		return all.Wait()
	})
	if err != nil {
		return nil, err
	}
	tops := map[string][]topEntry{}
	for i, t := range types {
		tops[string(t)] = lists[i]
	}
	return tops, nil
}

func (e *Export) top(ctx context.Context, request query.Request, plan tables.Plan) ([]topEntry, error) {
	statement, err := query.TopList(request, plan, topRows)
	if err != nil {
		return nil, err
	}
	var top query.Top
	if err := e.conn.QueryRow(statement.Context(ctx), statement.SQL).ScanStruct(&top); err != nil {
		return nil, fmt.Errorf("list the top %s: %w", request.Type, err)
	}
	list := []topEntry{}
	for i, id := range top.IDs {
		if top.Counts[i] > 0 {
			list = append(list, topEntry{id, top.Names[i], top.Counts[i]})
		}
	}
	return list, nil
}

func figures(t query.Totals, settings schema.Settings) []figure {
	count := func(name string, n uint64) figure { return figure{Name: name, Value: fmt.Sprint(n)} }
	all := []figure{
		count("messages", t.Messages), count("active_users", t.ActiveUsers), count("assistants", t.Assistants),
		count("projects", t.Projects), count("actions", t.Actions),
	}
	if settings.BYOK {
		all = append(all, count("tokens", t.Tokens), figure{Name: "cost_usd", Value: t.Cost})
	}
	return all
}

// messagesPerDay lists every UTC day of the period up to today.
func (e *Export) messagesPerDay(ctx context.Context, request query.Request) ([]dayFigure, error) {
	var rows []struct {
		Day      time.Time `ch:"day"`
		Messages uint64    `ch:"messages"`
	}
	err := e.byPlan(ctx, request.Period.Span(request.Org).WithoutMonths(), func(plan tables.Plan) error {
		rows = nil
		statement := query.MessagesPerDay(plan)
		if err := e.conn.Select(statement.Context(ctx), &rows, statement.SQL); err != nil {
			return fmt.Errorf("count the messages per day: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	messages := map[schema.Day]uint64{}
	for _, r := range rows {
		messages[schema.DayOf(r.Day)] = r.Messages
	}
	all := []dayFigure{}
	from, to := request.Period.Days()
	for day := from; day <= min(to, schema.DayOf(request.AsOf.UTC())); day++ {
		all = append(all, dayFigure{day.String(), messages[day]})
	}
	return all, nil
}
