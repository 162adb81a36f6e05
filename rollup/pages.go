package rollup

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"rollcall/schema"
	"rollcall/schema/tables"
)

// Pages cut the slices into parts that one statement can read, whatever the history: some orgs in
// one calendar month. They are in the order of months, and of orgs within a month. Together the
// pages of a month have every org, also one whose marks are gone.
type pages struct {
	filter Filter
	orgs   int        // orgs per page
	month  schema.Day // the first day of the page to come
	org    string     // the first org of the page to come
	last   schema.Day // the last day that has a mark
}

// pages begins with the first page of what the filter selects.
func (r *Rollup) pages(ctx context.Context, f Filter) (*pages, error) {
	var days struct {
		Marks uint64    `ch:"marks"`
		First time.Time `ch:"first"`
		Last  time.Time `ch:"last"`
	}
	where, args := f.Where()
	query := "SELECT count() AS marks, min(day) AS first, max(day) AS last FROM marks WHERE " + where
	if err := r.conn.QueryRow(ctx, query, args...).ScanStruct(&days); err != nil {
		return nil, fmt.Errorf("look for the months that have slices: %w", err)
	}
	p := &pages{filter: f, orgs: max(r.cfg.PageSlices/31, 1), org: f.FromOrg}
	if days.Marks > 0 {
		p.month = tables.MonthStart(schema.DayOf(days.First))
		p.last = schema.DayOf(days.Last)
	}
	return p, nil
}

// more says whether there is a page to come.
func (p *pages) more() bool { return p.month <= p.last && p.last != 0 }

// next returns the filter for the next page. It must only be called if there is one.
func (p *pages) next(ctx context.Context, r *Rollup) (page Filter, err error) {
	page = p.filter
	page.From = max(page.From, p.month)
	page.FromOrg = p.org
	if end := tables.MonthEnd(p.month); page.To == 0 || end < page.To {
		page.To = end
	}
	orgs := uint64(0)
	last := ""
	if page.Org == "" {
		where, args := page.Where()
		query := "SELECT count(), max(org_id) FROM (SELECT DISTINCT org_id FROM marks WHERE " + where +
			" ORDER BY org_id LIMIT {orgs:UInt64})"
		args = append(args, clickhouse.Named("orgs", p.orgs))
		if err := r.conn.QueryRow(ctx, query, args...).Scan(&orgs, &last); err != nil {
			return page, fmt.Errorf("look for the orgs of %s: %w", tables.MonthEnd(p.month), err)
		}
	}
	if int(orgs) < p.orgs { // the month's last page
		p.month = tables.MonthEnd(p.month) + 1
		p.org = p.filter.FromOrg
		return page, nil
	}
	page.ToOrg = last
	p.org = tables.AfterOrg(last)
	return page, nil
}

// eachPage calls do for each page of what the filter selects.
func (r *Rollup) eachPage(ctx context.Context, f Filter, do func(page Filter) error) error {
	all, err := r.pages(ctx, f)
	for err == nil && all.more() {
		var page Filter
		if page, err = all.next(ctx, r); err == nil {
			err = do(page)
		}
	}
	return err
}

// states reads the states of the slices that a filter selects.
func (r *Rollup) states(ctx context.Context, f Filter) ([]tables.SliceState, error) {
	return tables.SliceStates(ctx, r.conn, f, false, r.now())
}

// countSlices counts the slices that a filter selects.
func (r *Rollup) countSlices(ctx context.Context, f Filter) (n int, err error) {
	var count uint64
	where, args := f.Where()
	query := "SELECT count() FROM (SELECT org_id, day FROM marks WHERE " + where +
		" GROUP BY org_id, day SETTINGS optimize_aggregation_in_order = 1)"
	if err := r.conn.QueryRow(ctx, query, args...).Scan(&count); err != nil {
		return 0, fmt.Errorf("count the slices: %w", err)
	}
	return int(count), nil
}
