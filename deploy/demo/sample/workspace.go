package sample

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"time"
)

const day = 24 * time.Hour

// A workspace has the people and things of one Config, and the times since when they are there.
type workspace struct {
	Config
	start                                   time.Time // 00:00 UTC of the first day of the history
	users                                   []person
	assistants, projects, flows, apiKeys    []thing
	groups                                  []thing
	byUser, byAssistant, byProject, byModel func(*rand.Rand) int // Zipf: small indexes are drawn most often
}

type person struct {
	id, name, email, role, department string
	joined                            time.Time
	left                              time.Time // zero: still there
	favourite                         model
	company, license, status          string  // status "": active
	places                            []place // never empty; the first from joined on
}

// A thing is an assistant, project, workflow, API key or group.
type thing struct {
	id, name, newName, owner string
	created                  time.Time
	renamed, deleted         time.Time // zero: never
}

func newWorkspace(c Config) *workspace {
	w := &workspace{Config: c.withDefaults()}
	w.start = w.Now.Truncate(day).Add(-time.Duration(max(w.Days, 1)-1) * day)
	r := w.random("cast")
	for i := range w.Users {
		w.users = append(w.users, w.person(r, i))
	}
	w.assistants = w.things(r, "asst", 3+min(w.Users/4, 200), kindsOfAssistant)
	w.projects = w.things(r, "proj", 2+min(w.Users/5, 300), kindsOfProject)
	w.flows = w.things(r, "flow", 2+min(w.Users/10, 40), kindsOfWorkflow)
	w.apiKeys = w.things(r, "key", 1+min(w.Users/20, 20), []string{"integration", "batch", "staging"})
	w.addTeams()
	w.byUser = zipf(len(w.users))
	w.byAssistant = zipf(len(w.assistants))
	w.byProject = zipf(len(w.projects))
	w.byModel = zipf(len(models))
	return w
}

// random returns the random numbers for one purpose. For the same workspace and seed they are the
// same, whatever else was drawn.
func (w *workspace) random(purpose string) *rand.Rand {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s\x00%d\x00%s", w.Org, w.Users, purpose)
	return rand.New(rand.NewPCG(w.Seed, h.Sum64()))
}

func (w *workspace) person(r *rand.Rand, i int) person {
	first := pick(r, firstNames)
	last := pick(r, lastNames)
	p := person{
		id:         fmt.Sprintf("u-%08x-%04d", r.Uint32(), i),
		name:       first + " " + last,
		email:      fmt.Sprintf("user%d@%s.example", i+1, strings.ToLower(w.Org)),
		role:       pick(r, []string{"member", "member", "member", "member", "editor", "editor", "admin"}),
		department: pick(r, departments),
		joined:     w.before(r, 700),
		favourite:  models[zipf(len(models))(r)],
	}
	if i > 2 && r.IntN(8) == 0 {
		p.joined = w.within(r)
	}
	if left := w.within(r); i > 5 && r.IntN(15) == 0 && left.After(p.joined) {
		p.left = left
	}
	return p
}

func (w *workspace) things(r *rand.Rand, prefix string, n int, kinds []string) (all []thing) {
	for i := range n {
		about := pick(r, topicsOfWork)
		t := thing{
			id:      fmt.Sprintf("%s-%06x-%d", prefix, r.Uint32()&0xffffff, i),
			name:    about + " " + pick(r, kinds),
			newName: about + " " + pick(r, kinds) + " v2",
			owner:   w.users[r.IntN(len(w.users))].id,
			created: w.before(r, 500),
		}
		if at := w.within(r); r.IntN(5) == 0 {
			t.renamed = at
		}
		if at := w.within(r); i > 1 && r.IntN(8) == 0 {
			t.deleted = at
		}
		all = append(all, t)
	}
	return all
}

// before returns a time up to so many days before the history.
func (w *workspace) before(r *rand.Rand, days int) time.Time {
	return w.start.Add(-time.Duration(1+r.IntN(days*24)) * time.Hour)
}

// within returns a time within the history.
func (w *workspace) within(r *rand.Rand) time.Time {
	return w.start.Add(time.Duration(r.Float64() * float64(w.Days) * float64(day))).Truncate(time.Second)
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// zipf draws indexes below n, the first ones most often.
func zipf(n int) func(*rand.Rand) int {
	return func(r *rand.Rand) int { return int(rand.NewZipf(r, 1.2, 3, uint64(n-1)).Uint64()) }
}
