package sample

import (
	"math/rand/v2"
	"slices"
	"time"
)

// A place is where a person belongs from a time on.
type place struct {
	from       time.Time
	department string
	groups     []string
}

// addTeams adds the groups of the workspace, and says for each person what the person belongs to
// and when that changes. It draws from random numbers of its own, so that people and usage are what
// they would be without teams.
func (w *workspace) addTeams() {
	r := w.random("teams")
	w.groups = w.things(r, "grp", 3+min(w.Users/10, 30), kindsOfGroup)
	for i := range w.users {
		p := &w.users[i]
		p.company = w.Name
		if r.IntN(8) == 0 {
			p.company = pick(r, agencies)
		}
		p.license = pick(r, []string{"standard", "standard", "standard", "premium"})
		if status := pick(r, []string{"invited", "suspended"}); i > 2 && r.IntN(10) == 0 {
			p.status = status
		}
		p.places = w.places(r, *p)
	}
}

// places are where a person belongs: from the day of joining on, and after each move. One in three
// moves, and some of these move again within hours.
func (w *workspace) places(r *rand.Rand, p person) []place {
	all := []place{{p.joined, p.department, w.someGroups(r)}}
	if r.IntN(3) > 0 {
		return all
	}
	move := w.within(r)
	moves := []time.Time{move}
	if r.IntN(3) == 0 {
		moves = append(moves, move.Add(time.Duration(1+r.IntN(7200))*time.Second))
	}
	for _, at := range moves {
		to := place{at, all[len(all)-1].department, w.someGroups(r)}
		if r.IntN(3) > 0 {
			to.department = pick(r, departments)
		}
		if at.After(p.joined) && (p.left.IsZero() || at.Before(p.left)) {
			all = append(all, to)
		}
	}
	return all
}

// someGroups are up to three groups, sorted. A few people belong to none.
func (w *workspace) someGroups(r *rand.Rand) (ids []string) {
	for range r.IntN(4) {
		ids = append(ids, pick(r, w.groups).id)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
