package export

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"rollcall/export/query"
	"rollcall/schema"
	"rollcall/schema/tables"
)

// A catalogue is the answer to GET /v1/exports: what this workspace can export.
type catalogue struct {
	OrgID           string           `json:"org_id"`
	OrgName         string           `json:"org_name"`
	CompleteThrough *time.Time       `json:"complete_through"` // null: not known yet
	Today           string           `json:"today"`            // in the time zone asked for
	Earliest        string           `json:"earliest"`
	Ranges          []catalogueRange `json:"ranges"`
	Types           []catalogueType  `json:"types"`
	Actions         []string         `json:"actions"`           // those that occur since the earliest date
	PersonsHiddenBy string           `json:"persons_hidden_by"` // the setting: user_level_data, pseudonymize or ""
}

type catalogueRange struct {
	Name string `json:"name"`
	From string `json:"from"`
	To   string `json:"to"`
}

type catalogueType struct {
	Type          query.Type          `json:"type"`
	Granularities []query.Granularity `json:"granularities"` // the first is the default; "": the whole period
	GroupBy       []string            `json:"group_by"`
	Filters       []string            `json:"filters"` // SPEC.md §2.7
	Columns       []catalogueColumn   `json:"columns"`
	LeftOut       []string            `json:"left_out"` // columns that are absent because of PersonsHiddenBy
}

type catalogueColumn struct {
	Name    string     `json:"name"`
	Type    query.Kind `json:"type"`
	Meaning string     `json:"meaning"`
	When    string     `json:"when"`    // "": always
	Default bool       `json:"default"` // whether it is there without the parameter columns
}

func (e *Export) catalogue(w http.ResponseWriter, r *http.Request, x *exchange) error {
	x.what = "catalogue"
	x.format = query.JSON
	p, err := parseCatalogueParams(r.URL.RawQuery)
	if err != nil {
		return err
	}
	ranges, today, err := p.ranges(x.started)
	if err != nil {
		return err
	}
	if err := e.open(r, x); err != nil {
		return err
	}
	c, err := e.readCatalogue(r.Context(), x.who.Org, x.started)
	if err != nil {
		return err
	}
	c.Ranges, c.Today, c.Earliest = ranges, today.String(), schema.Earliest(today).String()
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, "application/json", http.StatusOK, c)
	return nil
}

// ranges returns the named ranges with their dates, and today, all in the time zone asked for.
func (p catalogueParams) ranges(now time.Time) (all []catalogueRange, today schema.Day, err error) {
	for _, name := range query.Ranges() {
		period, err := query.ParsePeriod(query.PeriodRequest{Range: name, Timezone: p.timezone, WeekStart: p.weekStart}, now)
		if err != nil {
			return nil, 0, err
		}
		today = schema.DayOf(now.In(period.First.Location()))
		all = append(all, catalogueRange{name, period.Start, period.End})
	}
	return all, today, nil
}

func (e *Export) readCatalogue(ctx context.Context, org string, now time.Time) (catalogue, error) {
	space, err := tables.ReadWorkspace(ctx, e.conn, org, now)
	if err != nil {
		return catalogue{}, err
	}
	through, err := tables.CompleteThrough(ctx, e.conn)
	if err != nil {
		return catalogue{}, err
	}
	c := catalogue{
		OrgID: org, OrgName: space.Name, Types: openTypes(org, space.Settings), PersonsHiddenBy: hiddenBy(space.Settings),
	}
	if !through.IsZero() {
		c.CompleteThrough = &through
	}
	c.Actions, err = e.actionsSeen(ctx, org, now)
	return c, err
}

// openTypes lists the types that the workspace's settings allow, each with the columns that at
// least one request of the workspace can show.
func openTypes(org string, settings schema.Settings) (open []catalogueType) {
	for _, t := range query.Types() {
		entry := catalogueType{Type: t, Granularities: t.Granularities(), GroupBy: []string{}, Filters: t.Filters()}
		shown := map[query.Column]bool{}
		for _, group := range append([]string{""}, t.GroupBys()...) {
			columns, err := query.Available(query.Request{Org: org, Type: t, GroupBy: group, Settings: settings})
			if err != nil { // not for this workspace
				continue
			}
			if group != "" {
				entry.GroupBy = append(entry.GroupBy, group)
			}
			for _, c := range columns {
				shown[c] = true
			}
		}
		for _, c := range query.AllColumns(t) {
			if shown[c] {
				entry.Columns = append(entry.Columns, catalogueColumn{c.Name, c.Kind, c.Meaning, c.When, !query.OnRequest(t, c)})
			}
		}
		entry.LeftOut = leftOut(org, t, settings, shown)
		if len(entry.Columns) > 0 {
			open = append(open, entry)
		}
	}
	return open
}

// actionsSeen lists the actions of all events that can be exported. It reads them as exports do.
func (e *Export) actionsSeen(ctx context.Context, org string, now time.Time) (actions []string, err error) {
	today := schema.DayOf(now.UTC())
	statement := fmt.Sprintf("SELECT DISTINCT action FROM (%s UNION ALL %s) WHERE NOT ignore(%s)",
		tables.Actions.Rolled(tables.RolledWhere), tables.Actions.FromLog(tables.LiveWhere), tables.Actions.Guard())
	var rows []struct {
		Action string `ch:"action"`
	}
	span := tables.Span{Org: org, From: schema.Earliest(today) - 1, To: today + 2} // the dates of every time zone
	span.MonthsFrom = span.From
	span.MonthsTo = span.To
	err = e.byPlan(ctx, span, func(plan tables.Plan) error {
		rows = nil
		planned := clickhouse.Context(ctx, clickhouse.WithParameters(plan.Params()))
		if err := e.conn.Select(planned, &rows, statement); err != nil {
			return fmt.Errorf("read the actions seen: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	actions = make([]string, 0, len(rows))
	for _, r := range rows {
		actions = append(actions, r.Action)
	}
	slices.Sort(actions)
	return actions, nil
}
