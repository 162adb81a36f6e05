package tables_test

import (
	"testing"
	"time"

	"rollcall/deploy/demo/embedded/enginetest"
	"rollcall/schema/tables"
)

// The watermark is the smallest time of the partitions that exist. It is not known while a row of
// one of them has a time ahead of the clock. A partition that no longer exists does not hold the
// watermark back, whatever its row says, since nobody replaces that row.
func TestCompleteThrough(t *testing.T) {
	db := newDatabase(t)
	now := time.Now().UTC().Truncate(time.Millisecond)
	partition := func(id int, through time.Time, gone bool) map[string]any {
		return map[string]any{
			"topic": "t", "partition": id, "through": through.Format("2006-01-02 15:04:05.000"), "end_offset": 5, "gone": gone,
		}
	}
	for _, step := range []struct {
		name string
		row  map[string]any
		want time.Time
	}{
		{"nothing yet", nil, time.Time{}},
		{"a partition", partition(0, now.Add(-time.Minute), false), now.Add(-time.Minute)},
		{"one that is later", partition(1, now.Add(-time.Second), false), now.Add(-time.Minute)},
		{"one that is gone", partition(2, now.Add(-time.Hour), true), now.Add(-time.Minute)},
		{"one that is gone and ahead", partition(3, now.Add(time.Hour), true), now.Add(-time.Minute)},
		{"one that is ahead", partition(4, now.Add(time.Hour), false), time.Time{}},
	} {
		if step.row != nil {
			enginetest.Insert(t, db, "progress", step.row)
		}
		if through, err := tables.CompleteThrough(db.ctx, db); err != nil || !through.Equal(step.want) {
			t.Errorf("%s: %s, want %s, %v", step.name, through, step.want, err)
		}
	}
}
