package export

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"rollcall/export/query"
	"rollcall/schema"
	"rollcall/schema/tables"
)

// An overview is what the page shows of a period. Every figure is a sum over the rows of an export, or their number.
type overview struct {
	Period          shownPeriod         `json:"period"`
	Previous        *shownPeriod        `json:"previous"` // null: before what is kept
	CompleteThrough *time.Time          `json:"complete_through"`
	Figures         []figure            `json:"figures"`
	Days            []dayFigure         `json:"days"`
	Top             map[string][]ranked `json:"top"`
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

type ranked struct {
	ID    string `json:"id"`
	Name  string `json:"name"` // "" where there is none, or none is shown
	Value uint64 `json:"value"`
}

// topRows is how many users, assistants, projects and models are ranked.
const topRows = 8

var summarized = []query.Type{query.Users, query.Assistants, query.Projects, query.Models}

// summary answers the page's figures for a period of whole UTC days.
func (e *Export) summary(w http.ResponseWriter, r *http.Request, x *exchange) error {
	x.what, x.format = "summary", query.JSON
	values, err := strictQuery(r.URL.RawQuery, []string{"range", "from", "to"})
	if err != nil {
		return err
	}
	name := values.Get("range")
	period, err := query.ParsePeriod(query.PeriodRequest{Range: name, From: values.Get("from"), To: values.Get("to")}, x.started)
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
	space, err := e.readWorkspace(ctx, x.who.Org, x.started)
	if err != nil {
		return o, err
	}
	through, err := e.completeThrough(ctx)
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
	var current, before sums
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() (err error) { current, err = e.sums(ctx, request, topRows); return err })
	all.Go(func() (err error) { o.Days, err = e.messagesPerDay(ctx, request); return err })
	previous, comparable := previousPeriod(x.period, name, x.started)
	if comparable {
		o.Previous = &shownPeriod{previous.Start, previous.End}
		request := request
		request.Period = previous
		all.Go(func() (err error) { before, err = e.sums(ctx, request, 1); return err })
	}
	if err := all.Wait(); err != nil {
		return o, err
	}
	o.Period = shownPeriod{x.period.Start, x.period.End}
	o.Figures = current.figures(space.Settings)
	if comparable {
		for i, f := range before.figures(space.Settings) {
			o.Figures[i].Previous = &f.Value
		}
	}
	o.Top = current.top()
	return o, nil
}

// previousPeriod is what a period is compared with: the month before a month, the week before a week, else as many days just before; of a period that is not over,
// only as much as has passed of it. There is none before the earliest exportable date.
func previousPeriod(p query.Period, name string, now time.Time) (query.Period, bool) {
	const day = 24 * time.Hour
	from, to := p.From.Time(), p.To.Time()
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

// sums are the exports of one period, added up.
type sums map[query.Type]query.Summary

// sums reads them by one plan, and by another if that no longer holds.
func (e *Export) sums(ctx context.Context, request query.Request, top int) (sums, error) {
	for attempt := 1; ; attempt++ {
		from, to := request.Period.Days()
		plan, err := tables.ReadPlan(ctx, e.conn, request.Org, from, to, e.cfg.Now())
		if err != nil {
			return nil, err
		}
		all := sums{}
		for _, t := range summarized {
			request.Type = t
			if all[t], err = e.sum(ctx, request, plan, top); err != nil {
				break
			}
		}
		if stale(err) && attempt < maxPlans {
			continue
		}
		return all, err
	}
}

func (e *Export) sum(ctx context.Context, request query.Request, plan tables.Plan, top int) (query.Summary, error) {
	statement, err := query.Summarize(request, plan, top)
	if err != nil {
		return query.Summary{}, err
	}
	var rows []query.Summary
	if err := e.conn.Select(statement.Context(ctx), &rows, statement.SQL); err != nil {
		return query.Summary{}, fmt.Errorf("add up the %s: %w", request.Type, err)
	}
	return rows[0], nil
}

func (s sums) figures(settings schema.Settings) []figure {
	users, models := s[query.Users], s[query.Models]
	count := func(name string, n uint64) figure { return figure{Name: name, Value: fmt.Sprint(n)} }
	all := []figure{
		count("messages", users.Counted), count("active_users", users.Rows), count("assistants", s[query.Assistants].Rows),
		count("projects", s[query.Projects].Rows), count("actions", users.Actions),
	}
	if settings.BYOK {
		all = append(all, count("tokens", models.Tokens), figure{Name: "cost_usd", Value: models.Cost})
	}
	return all
}

func (s sums) top() map[string][]ranked {
	top := map[string][]ranked{}
	for _, t := range summarized {
		list := []ranked{}
		for i, id := range s[t].IDs {
			if s[t].Counts[i] > 0 {
				list = append(list, ranked{id, s[t].Names[i], s[t].Counts[i]})
			}
		}
		top[string(t)] = list
	}
	return top
}

// messagesPerDay lists every UTC day of the period up to today.
func (e *Export) messagesPerDay(ctx context.Context, request query.Request) ([]dayFigure, error) {
	from, to := request.Period.Days()
	var rows []struct {
		Day      time.Time `ch:"day"`
		Messages uint64    `ch:"messages"`
	}
	for attempt := 1; ; attempt++ {
		plan, err := tables.ReadPlan(ctx, e.conn, request.Org, from, to, e.cfg.Now())
		if err != nil {
			return nil, err
		}
		rows = nil
		statement := query.MessagesPerDay(plan)
		err = e.conn.Select(statement.Context(ctx), &rows, statement.SQL)
		if stale(err) && attempt < maxPlans {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("count the messages per day: %w", err)
		}
		break
	}
	messages := map[schema.Day]uint64{}
	for _, r := range rows {
		messages[schema.DayOf(r.Day)] = r.Messages
	}
	all := []dayFigure{}
	for day := from; day <= min(to, schema.DayOf(request.AsOf.UTC())); day++ {
		all = append(all, dayFigure{day.String(), messages[day]})
	}
	return all, nil
}
