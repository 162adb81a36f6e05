package export

import (
	"testing"
	"time"

	"rollcall/export/query"
	"rollcall/schema"
	"rollcall/schema/tables"
)

// A day later, a window of adoption may begin before the earliest date and lose its figures. Then
// the tag differs, although no event has changed. It does not where all windows keep theirs.
func TestTagOfAdoptionKnowsItsWindows(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	tag := func(now time.Time, from, to string) string {
		t.Helper()
		params := exportParams{period: query.PeriodRequest{From: from, To: to}}
		j, err := params.job(query.Adoption, "acme", now)
		if err != nil {
			t.Fatal(err)
		}
		return j.etag(nil, tables.Workspace{Settings: schema.DefaultSettings}, tables.Plan{})
	}
	tomorrow := now.AddDate(0, 0, 1)
	if tag(now, "2025-12-01", "2025-12-31") == tag(tomorrow, "2025-12-01", "2025-12-31") {
		t.Error("one tag before and after windows lost their figures")
	}
	if tag(now, "2026-03-01", "2026-03-31") != tag(tomorrow, "2026-03-01", "2026-03-31") {
		t.Error("another tag, and the same figures")
	}
}
