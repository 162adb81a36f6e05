package sample

import (
	"bytes"
	"cmp"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"time"
)

// Events returns the history of a workspace: first its entities, then the usage of each day in
// order of time, up to c.Now. The settings must pass Check.
func Events(c Config) iter.Seq[Record] {
	return func(yield func(Record) bool) {
		if c.Days == 0 {
			return
		}
		w := newWorkspace(c)
		for _, r := range w.entities() {
			if !yield(r) {
				return
			}
		}
		for at := w.start; !at.After(w.Now); at = at.Add(day) {
			for _, r := range w.day(at) {
				if !yield(r) {
					return
				}
			}
		}
	}
}

// day returns the usage of the UTC day that starts at midnight, up to Now.
func (w *workspace) day(midnight time.Time) (all []Record) {
	r := w.random(midnight.Format(time.DateOnly))
	turns := w.Users * 4
	if wd := midnight.Weekday(); wd == time.Saturday || wd == time.Sunday {
		turns = w.Users / 2
	}
	turns += r.IntN(turns/4 + 2)
	for n := range turns {
		id := fmt.Sprintf("%s-%06d", midnight.Format("20060102"), n)
		all = append(all, w.turn(r, id, midnight.Add(timeOfDay(r)))...)
	}
	all = slices.DeleteFunc(all, func(r Record) bool { return r.Time.After(w.Now) })
	slices.SortFunc(all, byTimeThenValue)
	return all
}

// timeOfDay draws a time of day: most work happens around 13:00 UTC, some at any hour. It leaves
// out the last second of the day, which is for the events that follow from a turn.
func timeOfDay(r *rand.Rand) time.Duration {
	const last = day - time.Second
	if r.IntN(10) == 0 {
		return time.Duration(r.Int64N(int64(last))).Truncate(time.Millisecond)
	}
	at := 13*time.Hour + time.Duration(r.NormFloat64()*float64(150*time.Minute))
	return max(0, min(at, last)).Truncate(time.Millisecond)
}

func byTimeThenValue(a, b Record) int {
	return cmp.Or(a.Time.Compare(b.Time), bytes.Compare(a.Value, b.Value))
}
