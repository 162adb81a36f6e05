package rollup

import (
	"context"
	"fmt"
	"time"

	"rollcall/schema"
)

// A Duplicate is one (type, source, id) that arrived with times on several days. By the contract
// these are several events. Usually a producer set a new time when it sent an event again.
type Duplicate struct {
	Org, Type, Source, ID string
	Days                  []schema.Day
}

// Duplicates reports the duplicates among the events that the filter selects: by org, and within an
// org from the earliest first day to the latest.
func (r *Rollup) Duplicates(ctx context.Context, f Filter, report func(Duplicate)) error {
	where, args := f.Where()
	rows, err := r.conn.Query(ctx,
		`SELECT org_id, toString(any(type)), any(source), any(id), arraySort(groupUniqArray(day)) AS days
FROM events FINAL WHERE bitAnd(version, 1) = 0 AND `+where+`
GROUP BY org_id, event_id HAVING length(days) > 1 ORDER BY org_id, days[1], event_id
SETTINGS max_bytes_before_external_group_by = 1000000000, max_bytes_before_external_sort = 1000000000`, args...)
	if err != nil {
		return fmt.Errorf("look for ids on two days: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var d Duplicate
		var days []time.Time
		if err := rows.Scan(&d.Org, &d.Type, &d.Source, &d.ID, &days); err != nil {
			return fmt.Errorf("look for ids on two days: %w", err)
		}
		for _, day := range days {
			d.Days = append(d.Days, schema.DayOf(day))
		}
		report(d)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("look for ids on two days: %w", err)
	}
	return nil
}
