package rollup

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// This is a second explicit-state model, of months: two slices of one month, whose recomputes are
// right by the first model, and everybody who reads or writes the month. Each step is taken in
// every order. The parts that one statement reads (marks, manifests, months' manifests) are also
// read in every order.
//
// A slice's log is a chain of states: 0 is empty, 1 has an event, 2 has a copy that won against it,
// 3 has a second event. The number of a state stands for its rows and for its version.

const (
	monthDayCount = 2
	daySlots      = 3 // generations of a day: one more than there are workers
	monthSlots    = 2 // generations of the month
	none          = 255
)

// eventsOf is how many events each state of a slice's log has.
var eventsOf = [5]uint8{0, 1, 1, 2, 2}

type monthWorld struct {
	log, marks, acked, at [monthDayCount]uint8 // at: how many of its actions the writer has done
	days                  [monthDayCount][daySlots]daySlot
	workers               [monthDayCount][2]dayWorker
	months                [monthSlots]monthSlot
	roller                roller
	reader                look
	eraser                eraser
	rebuilt               bool
}

type daySlot struct {
	used, committed, dead, gone bool
	damaged                     bool // changed by hand: it differs from the log
	state, covered              uint8
}

type dayWorker struct{ at, slot, covered uint8 }

type monthSlot struct {
	used, committed, dead, gone, short, damaged bool

	rows, versions, sources [monthDayCount]uint8 // sources: the days' slots that were merged
}

// A look is one statement under way: what it has read so far, and the plan that is made when it has
// read all.
type look struct {
	seen     uint8 // bits of what it has read: marks, manifests, months
	marks    [monthDayCount]uint8
	alive    [monthDayCount]uint8 // bits of slots
	months   uint8                // bits of slots
	acked    [monthDayCount]uint8 // what was acknowledged before it began
	rebuilt  bool                 // the rebuild was done before it began
	planned  bool
	chosen   [monthDayCount]uint8 // per day: the slot to read, or none
	chosenAs uint8                // the month slot to read in place of the days, or none
	versions [monthDayCount]uint8 // of the chosen slots: the export names its answer by them
}

type roller struct {
	look
	at, runs, slot uint8
}

type eraser struct {
	at, days, months uint8 // days, months: bits of the slots that have the person's rows
}

type monthDesign struct {
	exists            bool // a month is read whenever it exists
	countsEvents      bool // a month is read if it has as many events as its days
	addsUp            bool // a month is read if the sum of its days' versions is the same
	leavesOpen        bool // only the clean days are compared with the month's sources
	fromLog           bool // a month's rows are made from the log instead of the days' generations
	noSecondCount     bool // the days' rows are not counted again after the merge
	noMonthGuard      bool // a read does not count the month's rows
	countsWhatIsThere bool // the month's manifest has the number of rows that are left
	versionsAlone     bool // a month is read if its days' versions are the same, whatever their generations
	rebuildUnmarked   bool // a rebuild is only a recompute: clocks decide which of two equal versions is read
}

// A monthCast says what each day's writer does (i insert, m mark), how many workers each day has,
// and how often the month is merged.
type monthCast struct {
	begin   monthWorld
	writes  [monthDayCount]string
	workers [monthDayCount]uint8
	rolls   uint8
	sweeper bool // this binary's, and an older binary's, which takes months for orphans
	eraser  bool
	rebuild bool // of day 0
}

type monthModel struct {
	monthDesign
	monthCast
	visited map[monthWorld]struct{}
	path    []string
	wrong   string
	months  int // how many reads were of a month
}

func (m *monthModel) explore(w monthWorld) {
	if _, ok := m.visited[w]; ok || len(m.visited) >= modelLimit || m.wrong != "" {
		return
	}
	m.visited[w] = struct{}{}
	for d := range w.log {
		m.write(w, d)
		for i := range m.workers[d] {
			m.recompute(w, d, int(i))
		}
	}
	m.roll(w)
	m.erase(w)
	m.rebuildDay(w)
	m.sweep(w)
	m.read(w)
}

func (m *monthModel) step(w monthWorld, name string, do func(w *monthWorld)) {
	if m.wrong != "" {
		return
	}
	m.path = append(m.path, name)
	do(&w)
	m.explore(w)
	m.path = m.path[:len(m.path)-1]
}

func (m *monthModel) write(w monthWorld, d int) {
	if int(w.at[d]) == len(m.writes[d]) {
		return
	}
	act := m.writes[d][w.at[d]]
	m.step(w, fmt.Sprintf("day %d: %c", d, act), func(w *monthWorld) {
		if w.at[d]++; act == 'i' {
			w.log[d]++
			return
		}
		w.marks[d]++
		w.acked[d] = w.log[d]
	})
}

// recompute has the steps: 0 read marks, 1 write the rows of one state, 2 write the manifest.
func (m *monthModel) recompute(w monthWorld, d, i int) {
	switch wk := w.workers[d][i]; wk.at {
	case 0:
		m.step(w, fmt.Sprintf("day %d worker %d reads marks", d, i),
			func(w *monthWorld) { w.workers[d][i] = dayWorker{at: 1, covered: w.marks[d]} })
	case 1:
		free := slices.IndexFunc(w.days[d][:], func(s daySlot) bool { return !s.used })
		m.step(w, fmt.Sprintf("day %d worker %d writes", d, i), func(w *monthWorld) {
			w.days[d][free] = daySlot{used: true, state: w.log[d], covered: wk.covered}
			w.workers[d][i] = dayWorker{at: 2, slot: uint8(free)}
		})
	case 2:
		m.step(w, fmt.Sprintf("day %d worker %d commits", d, i), func(w *monthWorld) {
			w.days[d][wk.slot].committed = true
			w.workers[d][i] = dayWorker{at: 3}
		})
	}
}

// looks lets a statement read one of the things that it has not read yet. When it has read all of
// them it plans, and then calls done.
func (m *monthModel) looks(
	w monthWorld, name string, things []string, of func(*monthWorld) *look, done func(*monthWorld),
) {
	l := *of(&w)
	all := uint8(1)<<len(things) - 1
	for bit, what := range things {
		if l.seen&(1<<bit) != 0 {
			continue
		}
		m.step(w, name+" looks at "+what, func(w *monthWorld) {
			l := of(w)
			if l.seen == 0 {
				l.acked = w.acked
				l.rebuilt = w.rebuilt
			}
			if l.see(w, bit); l.seen == all {
				m.plan(w, l)
				done(w)
			}
		})
	}
}

func (l *look) see(w *monthWorld, bit int) {
	l.seen |= 1 << bit
	switch bit {
	case 0:
		l.marks = w.marks
	case 1:
		for d := range w.days {
			for i, s := range w.days[d] {
				if s.committed && !s.dead {
					l.alive[d] |= 1 << i
				}
			}
		}
	case 2:
		for i, s := range w.months {
			if s.committed && !s.dead {
				l.months |= 1 << i
			}
		}
	}
}

func (m *monthModel) plan(w *monthWorld, l *look) {
	*l = look{
		planned: true, acked: l.acked, rebuilt: l.rebuilt, chosen: w.best(l.marks, l.alive), chosenAs: m.choose(w, l),
	}
	for d, c := range l.chosen {
		if l.versions[d] = none; c != none {
			l.versions[d] = w.days[d][c].state
		}
	}
}

// best returns, per day, the slot with the highest version among those that cover the marks, or
// none.
func (w *monthWorld) best(marks, alive [monthDayCount]uint8) (chosen [monthDayCount]uint8) {
	for d := range w.days {
		chosen[d] = none
		for i, s := range w.days[d] {
			readable := alive[d]&(1<<i) != 0 && s.covered >= marks[d]
			if readable && (chosen[d] == none || s.state > w.days[d][chosen[d]].state) {
				chosen[d] = uint8(i)
			}
		}
	}
	return chosen
}

// choose returns the month slot that is read in place of the days, by the right rule or by the
// broken rule of the design, or none.
func (m *monthModel) choose(w *monthWorld, l *look) uint8 {
	chosen := w.best(l.marks, l.alive)
	for i := len(w.months) - 1; i >= 0; i-- {
		if l.months&(1<<i) == 0 {
			continue
		}
		same := true
		sameVersions := true
		open := false
		sum := 0
		events := 0
		for d, c := range chosen {
			v := w.months[i].versions[d]
			if c == none {
				open = true
				continue
			}
			state := w.days[d][c].state
			same = same && c == w.months[i].sources[d]
			sameVersions = sameVersions && state == v
			sum += int(state) - int(v)
			events += int(eventsOf[state]) - int(eventsOf[v])
		}
		switch {
		case m.exists,
			!open && same,
			!open && m.versionsAlone && sameVersions,
			m.leavesOpen && same,
			!open && m.addsUp && sum == 0,
			!open && m.countsEvents && events == 0:
			return uint8(i)
		}
	}
	return none
}

// roll has the steps: 0 look, 1 merge, 2 count the days' rows again, 3 count the month's, 4 commit.
func (m *monthModel) roll(w monthWorld) {
	r := w.roller
	reset := func(w *monthWorld) { w.roller = roller{runs: r.runs + 1} }
	switch {
	case r.at == 0 && r.runs < m.rolls:
		m.looks(w, "roller", []string{"marks", "manifests"}, func(w *monthWorld) *look { return &w.roller.look },
			func(w *monthWorld) {
				l := &w.roller.look
				l.acked = [monthDayCount]uint8{}
				l.versions = [monthDayCount]uint8{}
				l.chosenAs = 0
				l.rebuilt = false
				if w.roller.at = 1; slices.Contains(l.chosen[:], none) {
					reset(w)
				}
			})
	case r.at == 1:
		m.step(w, "roller merges", func(w *monthWorld) {
			i := slices.IndexFunc(w.months[:], func(s monthSlot) bool { return !s.used })
			if i < 0 {
				reset(w)
				return
			}
			s := monthSlot{used: true}
			for d, c := range r.chosen {
				from := w.days[d][c]
				s.sources[d] = c
				s.short = s.short || from.gone
				s.damaged = s.damaged || from.damaged
				if s.rows[d], s.versions[d] = from.state, from.state; m.fromLog {
					s.rows[d] = w.log[d]
				}
			}
			w.months[i], w.roller.slot, w.roller.at = s, uint8(i), 2
		})
	case r.at == 2:
		m.step(w, "roller counts again", func(w *monthWorld) {
			w.roller.at = 3
			for d, c := range r.chosen {
				if w.days[d][c].gone && !m.noSecondCount {
					reset(w)
					return
				}
			}
		})
	case r.at == 3:
		m.step(w, "roller counts what it wrote", func(w *monthWorld) {
			w.roller.at = 4
			if s := &w.months[r.slot]; s.gone && m.countsWhatIsThere {
				s.gone = false
				s.short = true // the manifest will have the number of rows that are left: none
			} else if s.gone {
				reset(w)
			}
		})
	case r.at == 4:
		m.step(w, "roller commits", func(w *monthWorld) {
			w.months[r.slot].committed = true
			reset(w)
		})
	}
}

// erase has the steps: 0 find the person's rows (of day 0), 1 tombstone, 2 mark, 3 delete the rows
// found.
func (m *monthModel) erase(w monthWorld) {
	if !m.eraser || w.eraser.at == 4 || w.log[0] == 0 {
		return
	}
	m.step(w, fmt.Sprintf("eraser step %d", w.eraser.at), func(w *monthWorld) {
		switch w.eraser.at {
		case 0:
			for i, s := range w.days[0] {
				if s.used && s.state > 0 {
					w.eraser.days |= 1 << i
				}
			}
			for i, s := range w.months {
				if s.used && s.rows[0] > 0 {
					w.eraser.months |= 1 << i
				}
			}
		case 1:
			w.log[0]++
		case 2:
			w.marks[0]++
			w.acked[0] = w.log[0]
		case 3:
			for i := range w.days[0] {
				w.days[0][i].gone = w.days[0][i].gone || w.eraser.days&(1<<i) != 0
			}
			for i := range w.months {
				w.months[i].gone = w.months[i].gone || w.eraser.months&(1<<i) != 0
			}
		}
		w.eraser.at++
	})
}

// rebuildDay is the mark of a rebuild. What follows it is a recompute like any other.
func (m *monthModel) rebuildDay(w monthWorld) {
	if !m.rebuild || w.rebuilt || m.rebuildUnmarked &&
		!slices.ContainsFunc(w.days[0][1:], func(s daySlot) bool { return s.committed }) {
		return
	}
	m.step(w, "rebuild", func(w *monthWorld) {
		if w.rebuilt = true; !m.rebuildUnmarked {
			w.marks[0]++
		}
	})
}

func (m *monthModel) sweep(w monthWorld) {
	if !m.sweeper {
		return
	}
	now := look{}
	for bit := range 3 {
		now.see(&w, bit)
	}
	best := w.best(now.marks, now.alive)
	month := m.choose(&w, &now)
	for d := range w.days {
		for i, s := range w.days[d] {
			switch {
			case s.committed && !s.dead && best[d] != none && uint8(i) != best[d]:
				m.step(w, fmt.Sprintf("sweeper marks %d of day %d dead", i, d),
					func(w *monthWorld) { w.days[d][i].dead = true })
			case s.dead && !s.gone:
				m.step(w, fmt.Sprintf("sweeper removes %d of day %d", i, d),
					func(w *monthWorld) { w.days[d][i].gone = true })
			}
		}
	}
	for i, s := range w.months {
		if s.committed && !s.dead && !slices.Contains(best[:], none) && uint8(i) != month {
			m.step(w, fmt.Sprintf("sweeper marks month %d dead", i), func(w *monthWorld) { w.months[i].dead = true })
		}
		if s.used && !s.gone {
			m.step(w, fmt.Sprintf("an old binary's sweeper removes month %d", i),
				func(w *monthWorld) { w.months[i].gone = true })
		}
	}
}

// read has the steps: look, then read by the plan. If the guard fails, it looks again.
func (m *monthModel) read(w monthWorld) {
	if !w.reader.planned {
		m.looks(w, "reader", []string{"marks", "manifests", "months"}, func(w *monthWorld) *look { return &w.reader },
			func(*monthWorld) {})
		return
	}
	m.step(w, "reader reads", func(w *monthWorld) {
		r := w.reader
		w.reader = look{}
		answer := w.log
		short := false
		damaged := false
		if r.chosenAs != none {
			month := w.months[r.chosenAs]
			if month.gone && !m.noMonthGuard {
				return
			}
			m.months++
			answer = month.rows
			short = month.short || month.gone
			damaged = month.damaged
		} else {
			for d, c := range r.chosen {
				if c != none && w.days[d][c].gone {
					return
				}
				if c != none {
					answer[d] = w.days[d][c].state
					damaged = damaged || w.days[d][c].damaged
				}
			}
		}
		if damaged && r.rebuilt {
			m.wrong = strings.Join(m.path, ", ") + ": what was damaged is read after a rebuild"
			return
		}
		for d, a := range answer {
			if short || a < r.acked[d] || a > w.log[d] || r.versions[d] != none && a != r.versions[d] {
				m.wrong = fmt.Sprintf("%s: the answer %v (short: %v) called %v, where %v was acknowledged before",
					strings.Join(m.path, ", "), answer, short, r.versions, r.acked)
				return
			}
		}
	})
}

func runMonths(d monthDesign, c monthCast) *monthModel {
	m := &monthModel{monthDesign: d, monthCast: c, visited: map[monthWorld]struct{}{}}
	m.explore(c.begin)
	return m
}

// settled is a month with one event on each day. Both days are rolled up.
func settled() (w monthWorld) {
	for d := range w.log {
		w.log[d] = 1
		w.marks[d] = 1
		w.acked[d] = 1
		w.days[d][0] = daySlot{used: true, committed: true, state: 1, covered: 1}
	}
	return w
}

// goingBack is settled, except that a worker has read day 0's marks and nothing else. Its
// generation may get a higher version than a generation that covers more marks.
func goingBack() monthWorld {
	w := settled()
	w.days[0][0] = daySlot{}
	w.workers[0][0] = dayWorker{at: 1, covered: 1}
	return w
}

// damaged is settled, except that somebody changed rows of day 0 by hand.
func damaged() monthWorld {
	w := settled()
	w.days[0][0].damaged = true
	return w
}

var (
	fromNothing = monthCast{writes: [monthDayCount]string{"im", "im"}, workers: [monthDayCount]uint8{1, 1}, rolls: 1}
	lateEvents  = monthCast{
		begin: settled(), writes: [monthDayCount]string{"im", "im"}, workers: [monthDayCount]uint8{1, 1}, rolls: 1,
	}
	redelivered = monthCast{
		begin: goingBack(), writes: [monthDayCount]string{"mi", "im"}, workers: [monthDayCount]uint8{2, 1}, rolls: 1,
	}
	monthSweep = monthCast{
		begin: settled(), writes: [monthDayCount]string{"im", ""}, workers: [monthDayCount]uint8{1, 0}, rolls: 2,
		sweeper: true,
	}
	monthErase  = monthCast{begin: settled(), workers: [monthDayCount]uint8{1, 0}, rolls: 2, eraser: true}
	monthRepair = monthCast{begin: damaged(), workers: [monthDayCount]uint8{1, 0}, rolls: 2, rebuild: true}
)

func TestNoInterleavingReadsAMonthWrong(t *testing.T) {
	for name, c := range map[string]monthCast{
		"from nothing": fromNothing, "late events": lateEvents, "a version that goes back": redelivered,
		"sweeping": monthSweep, "erasure": monthErase, "rebuild": monthRepair,
	} {
		m := runMonths(monthDesign{}, c)
		t.Logf("%s: %d states, %d reads of a month", name, len(m.visited), m.months)
		if m.wrong != "" {
			t.Errorf("%s: %s", name, m.wrong)
		}
		if len(m.visited) >= modelLimit {
			t.Errorf("%s: more than %d states: not all were visited", name, modelLimit)
		}
		if m.months < 20 {
			t.Errorf("%s: only %d reads were of a month", name, m.months)
		}
	}
}

func TestEachBrokenMonthIsFoundBroken(t *testing.T) {
	for name, broken := range map[string]struct {
		monthDesign
		monthCast
	}{
		"a month is read because it is there":           {monthDesign{exists: true}, lateEvents},
		"the number of events for the versions":         {monthDesign{countsEvents: true}, lateEvents},
		"the sum of the versions":                       {monthDesign{addsUp: true}, redelivered},
		"only clean days compared":                      {monthDesign{leavesOpen: true}, lateEvents},
		"rows from the log under the days' generations": {monthDesign{fromLog: true}, lateEvents},
		"no second count of the days' rows":             {monthDesign{noSecondCount: true}, monthSweep},
		"a manifest counts what is there":               {monthDesign{countsWhatIsThere: true}, monthSweep},
		"days' versions for their generations":          {monthDesign{versionsAlone: true}, monthRepair},
		"a rebuild without a mark":                      {monthDesign{rebuildUnmarked: true}, monthRepair},
		"no guard against who knows nothing of months":  {monthDesign{noMonthGuard: true}, monthSweep},
	} {
		m := runMonths(broken.monthDesign, broken.monthCast)
		if m.wrong == "" {
			t.Errorf("%s: not found broken in %d states", name, len(m.visited))
			continue
		}
		t.Logf("%s, after %d states: %s", name, len(m.visited), m.wrong)
	}
}
