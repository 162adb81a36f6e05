package oracle

import (
	"slices"
	"time"
)

// onRequest appends the columns that are there only on request.
func (x *export) onRequest(columns []column) []column {
	if !x.OnRequest {
		return columns
	}
	if x.Type == "users" {
		columns = append(columns, column{"status", func(r row) Cell { return text(x.status(r)) }})
	}
	columns = append(columns,
		column{"active_days", func(r row) Cell { return count(len(x.activeDates(r))) }},
		column{"first_active_date", func(r row) Cell { return date(append(x.activeDates(r), "")[0]) }},
		column{"last_active_date", func(r row) Cell {
			all := append([]string{""}, x.activeDates(r)...)
			return date(all[len(all)-1])
		}})
	if x.Type != "users" {
		return columns
	}
	columns = append(columns, column{"department", func(r row) Cell { return text(r.Department) }})
	columns = append(columns, x.public(column{"company_name", func(r row) Cell { return text(r.CompanyName) }})...)
	return append(columns,
		column{"license_type", func(r row) Cell { return text(r.LicenseType) }},
		column{"group_ids", func(r row) Cell { return Cell{Kind: List, List: r.groups()} }})
}

// status is the first that applies.
func (x *export) status(r row) string {
	removed := false
	for _, e := range x.people[r.id] {
		if e.Time <= x.attributesAt() {
			removed = e.Deleted
		}
	}
	switch {
	case removed:
		return "removed"
	case len(r.events) > 0:
		return "active"
	case r.Status == "invited" || r.Status == "suspended":
		return r.Status
	}
	return "inactive"
}

// activeDates are the dates of the row's events, in the zone of the query, each once.
func (x *export) activeDates(r row) []string {
	zone, err := time.LoadLocation(x.Zone)
	if err != nil {
		panic(err) // the period has the same zone
	}
	var all []string
	for _, e := range r.events {
		all = append(all, time.UnixMilli(e.Time).In(zone).Format(time.DateOnly))
	}
	slices.Sort(all)
	return slices.Compact(all)
}
