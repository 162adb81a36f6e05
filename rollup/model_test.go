package rollup

import (
	"fmt"
	"strings"
)

// This is the protocol as an explicit-state model. It has one slice, two identities (A is in the
// first rollup table, B in the second), and everybody who reads or writes. Each takes one step at a
// time, in every order. A read is wrong if its answer is not one state that the log had, if it
// counts an event twice, or if it misses an event that was acknowledged before it began.
//
// Versions of an identity: 0 is none, 1 and 3 are two copies of different content, 2 and 4 are
// their tombstones. The log is a set under FINAL: it keeps the highest version.

const (
	modelGenerations = 3
	modelWriters     = 5   // two ingesters, each of the two again after a crash, and the eraser
	highest          = 4   // version
	live             = 255 // in place of a slot: the log is read
	modelLimit       = 2_000_000
)

type world struct {
	log    [2]uint8
	seen   uint32 // bits of the states that the log had
	acked  [2]uint8
	marks  [modelWriters]uint8
	listed bool // A's person is on the erasure list
	eraser uint8
	ingest [2]ingester
	worker [2]worker
	reader reader
	slots  [modelGenerations]slot
	found  bool // a look found that the slice is dirty; only with trustsTheLook
}

type ingester struct {
	at, batch, writer uint8
	knew              bool  // the erasure list named A's person when the batch was read
	zombie            uint8 // 1 + the batch of an insert that may still arrive after its sender died
}

type worker struct {
	at, runs, slot, before uint8
	done                   uint8 // bits of what is done, in the steps where the order is free
	covered                [modelWriters]uint8
}

type reader struct {
	planned bool
	slot    uint8
	acked   [2]uint8
}

// A slot is one generation: its rows and its manifest. rows has, per table, how many rows count
// version 1 and how many count version 3.
type slot struct {
	used, committed, dead bool
	key                   uint8
	rows                  [2][2]uint8
	written               [2]uint8 // how many rows were written per table, with those removed since
	version               uint8
	counts                [2]uint8
	covered               [modelWriters]uint8
}

// A design is the protocol, or one of the ways in which it is known to break.
type design struct {
	versionIsGeneration bool // rollup rows keyed by the content's version
	marksAfterLog       bool // a worker reads the marks after it has read the log
	clearsMarks         bool // a worker removes the marks of the slice that it has rolled up, whoever set them
	countIsVersion      bool // the slice's version is its number of rows
	rowsReplaceRows     bool // each row has a version and replaces the row of the same key; there are no generations
	noSecondVersion     bool // a worker does not read the version again
	versionWhileWriting bool // a worker reads the first version while it writes the tables
	checksWhileWriting  bool // a worker reads the second version while it still writes the tables
	noGuard             bool // a read does not compare the number of rows with the manifest
	countsWhatIsThere   bool // a manifest has the number of rows that are left
	neverHeals          bool // a generation that lost rows is not marked dead
	trustsTheLook       bool // a read takes a slice for clean until a look found that it is not
	marksBeforeLog      bool // ingest marks before it inserts
	commitsBeforeMarks  bool // ingest commits its offsets before it marks
	listReadOnce        bool // ingest does not read the erasure list again after its insert
	dropsInSilence      bool // ingest writes no tombstone for an event that it drops as erased
	tombstonesAboveAll  bool // a tombstone wins against every copy, not only against the copy that it replaces
}

// A cast says who takes part, and which batches of events (identity and version) each ingester
// gets.
type cast struct {
	batches [2][][]modelEvent
	crashes [2]bool
	runs    [2]uint8
	sweeper bool
	hasty   bool // the sweeper takes a running worker for a dead one
	eraser  bool
	others  uint8 // the version of A that names another person than the erased one; 0: none
}

type modelEvent struct{ id, version uint8 }

func isCopy(version uint8) bool { return version%2 == 1 }

// theirs says whether an event belongs to the erased person.
func (m *model) theirs(e modelEvent) bool {
	return e.id == 0 && isCopy(e.version) && e.version != m.others
}

func (m *model) tombstone(e modelEvent) modelEvent {
	if e.version++; m.tombstonesAboveAll {
		e.version = highest
	}
	return e
}

type model struct {
	design
	cast
	visited map[world]struct{}
	path    []string
}

func (m *model) version(w *world) uint8 {
	if m.countIsVersion {
		return min(w.log[0], 1) + min(w.log[1], 1)
	}
	return w.state()
}

func (w *world) state() uint8 { return w.log[0] + (highest+1)*w.log[1] }

func (w *world) insert(e modelEvent) {
	w.log[e.id] = max(w.log[e.id], e.version)
	w.seen |= 1 << w.state()
}

// explore visits every world that can follow w. It returns the first wrong read and the steps to
// it.
func (m *model) explore(w world) string {
	if _, ok := m.visited[w]; ok || len(m.visited) >= modelLimit {
		return ""
	}
	m.visited[w] = struct{}{}
	wrong := ""
	quiet := true
	step := func(name string, do func(w *world) string) {
		if wrong != "" {
			return
		}
		next := w
		problem := do(&next)
		m.path = append(m.path, name)
		if problem != "" {
			wrong = strings.Join(m.path, ", ") + ": " + problem
		} else {
			wrong = m.explore(next)
		}
		m.path = m.path[:len(m.path)-1]
	}
	for i := range w.ingest {
		quiet = !m.ingestSteps(&w, i, step) && quiet
	}
	for i := range w.worker {
		m.workerSteps(&w, i, step)
	}
	quiet = !m.eraserSteps(&w, step) && quiet
	tidy := !m.sweeper || !m.sweeperSteps(&w, step)
	m.readerSteps(&w, step)
	switch best := w.best(); {
	case wrong != "":
	case quiet && tidy && best != live && w.slots[best].short():
		return strings.Join(m.path, ", ") + ": the slice is clean, its rows are gone, and so it stays"
	case !quiet || !w.listed:
	case m.theirs(modelEvent{0, w.log[0]}):
		return strings.Join(m.path, ", ") + ": the erased person's event stays in the log"
	case m.others == highest-1 && w.log[0] != m.others:
		return strings.Join(m.path, ", ") + ": an erasure took another person's event"
	}
	return wrong
}

// ingestSteps has the steps: 0 read the erasure list, 1 insert, 2 read the list again, 3 mark, 4
// commit. It returns whether anything is left to do.
func (m *model) ingestSteps(w *world, i int, step func(string, func(*world) string)) bool {
	in := w.ingest[i]
	name := func(s string) string { return fmt.Sprintf("ingest %d %s", i, s) }
	if in.zombie > 0 {
		step(name("dead: insert arrives"), func(w *world) string {
			for _, e := range m.batches[i][in.zombie-1] {
				w.insert(e)
			}
			w.ingest[i].zombie = 0
			return ""
		})
	}
	if int(in.batch) == len(m.batches[i]) {
		return in.zombie > 0
	}
	batch := m.batches[i][in.batch]
	insert := func(w *world) {
		for _, e := range batch {
			if in.knew && m.theirs(e) {
				if m.dropsInSilence {
					continue
				}
				e = m.tombstone(e)
			}
			w.insert(e)
		}
	}
	mark := func(w *world) { w.marks[in.writer] = in.batch + 1 }
	acknowledge := func(w *world) {
		for _, e := range batch {
			switch {
			case !m.theirs(e):
			case in.knew:
				continue
			case !isCopy(w.log[0]):
				e.version = w.log[0]
			}
			w.acked[e.id] = max(w.acked[e.id], e.version)
		}
	}
	at := in.at
	if !m.eraser && at == 0 { // there is no erasure list to read
		at = 1
	}
	switch at {
	case 0:
		step(name("reads"), func(w *world) string {
			w.ingest[i].at = 1
			w.ingest[i].knew = w.listed
			return ""
		})
	case 1:
		if m.marksBeforeLog {
			step(name("marks"), func(w *world) string { mark(w); w.ingest[i].at = 3; return "" })
		} else {
			step(name("inserts"), func(w *world) string {
				insert(w)
				if w.ingest[i].at = 2; !m.eraser {
					w.ingest[i].at = 3
				}
				return ""
			})
		}
	case 2:
		step(name("reads the list again"), func(w *world) string {
			if w.listed && !in.knew && !m.listReadOnce {
				for _, e := range batch {
					if m.theirs(e) {
						w.insert(m.tombstone(e))
					}
				}
			}
			w.ingest[i].at = 3
			return ""
		})
	case 3, 4:
		act := "marks"
		if (at == 3) != !m.commitsBeforeMarks {
			act = "commits"
		}
		step(name(act), func(w *world) string {
			w.ingest[i].at++
			switch {
			case m.marksBeforeLog && at == 3:
				insert(w)
			case at == 3 && m.commitsBeforeMarks:
			case act == "marks":
				mark(w)
			}
			if at == 3 {
				acknowledge(w)
			}
			// Without crashes nobody can see the commit, so it is not a step of its own.
			if at == 4 || !m.crashes[i] && !m.commitsBeforeMarks {
				w.ingest[i].at = 0
				w.ingest[i].batch = in.batch + 1
			}
			return ""
		})
	}
	if m.crashes[i] && at > 0 && int(in.writer) == i {
		step(name("dies"), func(w *world) string {
			next := ingester{batch: in.batch, writer: in.writer + 2}
			if at == 1 && !in.knew {
				next.zombie = in.batch + 1
			}
			if m.commitsBeforeMarks && in.at == 4 { // committed, not marked
				next.batch++
			}
			w.ingest[i] = next
			return ""
		})
	}
	return true
}

// workerSteps has the steps: 0 (a) marks, 1 (b) version, 2 (c) tables, in any order, 3 (d) version
// and (e) count, in any order, 4 (f) manifest. A worker that dies is a worker that takes no further
// step. It may begin at any time, or never: a look may find the slice at once, or miss its marks
// until the next round. Nothing else knows of the looks. A design in which reads do is found broken
// (trustsTheLook).
func (m *model) workerSteps(w *world, i int, step func(string, func(*world) string)) {
	wk := w.worker[i]
	name := func(s string) string { return fmt.Sprintf("worker %d %s", i, s) }
	if m.trustsTheLook && !w.found && w.best() == live {
		step(name("looks"), func(w *world) string { w.found = true; return "" })
	}
	// do offers a step that belongs to this at, unless it is done. Behind the last of them comes
	// the next at.
	do := func(bit, all uint8, text string, act func(w *world)) {
		if wk.done&bit != 0 {
			return
		}
		step(name(text), func(w *world) string {
			if w.worker[i].done |= bit; w.worker[i].done == all {
				w.worker[i].at, w.worker[i].done = wk.at+1, 0
			}
			act(w)
			return ""
		})
	}
	again := func(w *world) {
		if !m.noSecondVersion && m.version(w) != w.worker[i].before {
			m.giveUp(w, i)
		}
	}
	const (
		tables  = 1<<0 | 1<<1
		version = 1 << 2
		count   = 1 << 3
	)
	switch wk.at {
	case 0:
		if wk.runs == m.runs[i] {
			return
		}
		step(name("(a) reads marks"), func(w *world) string {
			w.worker[i].at = 1
			w.worker[i].runs = wk.runs + 1
			w.worker[i].covered = w.marks
			return ""
		})
	case 1:
		step(name("(b) reads the version"), func(w *world) string {
			key := uint8(1 + i + 2*int(wk.runs)) // unique
			if m.versionIsGeneration {
				key = m.version(w)
			}
			if m.rowsReplaceRows {
				key = 0
			}
			for s := range w.slots {
				if !w.slots[s].used || w.slots[s].key == key {
					w.slots[s].used = true
					w.slots[s].key = key
					w.worker[i].slot, w.worker[i].before, w.worker[i].at = uint8(s), m.version(w), 2
					return ""
				}
			}
			w.worker[i].runs = m.runs[i]
			w.worker[i].at = 0 // no room in the model
			return ""
		})
	case 2:
		all := uint8(tables)
		if m.versionWhileWriting || m.checksWhileWriting {
			all |= version
		}
		for t := range 2 {
			do(1<<t, all, fmt.Sprintf("(c) writes table %d", t), func(w *world) {
				rows := &w.slots[wk.slot].rows[t]
				if v := w.log[t]; isCopy(v) {
					w.slots[wk.slot].written[t]++
					rows[v/2]++
					if m.rowsReplaceRows {
						rows[v/2] = 1
					}
				}
			})
		}
		switch {
		case m.versionWhileWriting:
			do(version, all, "(b) reads the version", func(w *world) { w.worker[i].before = m.version(w) })
		case m.checksWhileWriting:
			do(version, all, "(d) reads the version again", again)
		}
	case 3:
		all := uint8(version | count)
		if m.checksWhileWriting {
			all = count
		} else {
			do(version, all, "(d) reads the version again", again)
		}
		do(count, all, "(e) counts what was written", func(w *world) {
			s := &w.slots[wk.slot]
			for t := range s.rows {
				s.counts[t] = s.rows[t][0] + s.rows[t][1]
			}
			if !m.countsWhatIsThere && m.ownGenerations() && s.counts != s.written {
				m.giveUp(w, i)
			}
		})
	case 4:
		step(name("(f) writes the manifest"), func(w *world) string {
			s := &w.slots[wk.slot]
			s.committed = true
			s.version = wk.before
			s.covered = wk.covered
			w.found = false
			if m.marksAfterLog {
				s.covered = w.marks
			}
			if m.clearsMarks {
				w.marks = [modelWriters]uint8{}
				s.covered = [modelWriters]uint8{}
			}
			w.worker[i] = worker{runs: wk.runs}
			return ""
		})
	}
}

func (m *model) ownGenerations() bool { return !m.versionIsGeneration && !m.rowsReplaceRows }

// giveUp ends a worker's run without a manifest.
func (m *model) giveUp(w *world, i int) {
	wk := w.worker[i]
	w.worker[i] = worker{runs: wk.runs}
	if m.ownGenerations() { // nobody will read these rows again
		w.slots[wk.slot] = slot{used: true, key: w.slots[wk.slot].key}
	}
}

// short says whether rows of a committed slot are gone, so that the guard of a read fails.
func (s slot) short() bool {
	for t, rows := range s.rows {
		if rows[0]+rows[1] != s.counts[t] {
			return true
		}
	}
	return false
}

// best returns the slot that a plan made now reads, or live.
func (w *world) best() uint8 {
	best := uint8(live)
	for s := range w.slots {
		if m := w.slots[s]; m.committed && !m.dead && covers(m.covered, w.marks) &&
			(best == live || m.version > w.slots[best].version) {
			best = uint8(s)
		}
	}
	return best
}

// newest returns the slot of the highest version, whether it covers the marks or not, or live.
func (w *world) newest() uint8 {
	newest := uint8(live)
	for s := range w.slots {
		if m := w.slots[s]; m.committed && !m.dead && (newest == live || m.version > w.slots[newest].version) {
			newest = uint8(s)
		}
	}
	return newest
}

func covers(covered, marks [modelWriters]uint8) bool {
	for i := range marks {
		if covered[i] < marks[i] {
			return false
		}
	}
	return true
}

// sweeperSteps returns whether anything is left to do.
func (m *model) sweeperSteps(w *world, step func(string, func(*world) string)) (acts bool) {
	best := w.best()
	act := func(name string, do func(w *world)) {
		acts = true
		step(name, func(w *world) string { do(w); return "" })
	}
	for s := range w.slots {
		g := w.slots[s]
		if g.committed && !g.dead && (uint8(s) != best || g.short() && !m.neverHeals) {
			act(fmt.Sprintf("sweeper marks %d dead", s), func(w *world) { w.slots[s].dead = true })
		}
		if !g.dead && !(m.hasty && g.used && !g.committed) {
			continue
		}
		for t := range g.rows {
			if g.rows[t] != [2]uint8{} {
				act(fmt.Sprintf("sweeper removes %d from table %d", s, t),
					func(w *world) { w.slots[s].rows[t] = [2]uint8{} })
			}
		}
	}
	return acts
}

// eraserSteps has the steps: 0 list, 1 tombstone, 2 mark. It returns whether anything is left to
// do.
func (m *model) eraserSteps(w *world, step func(string, func(*world) string)) bool {
	if !m.eraser || w.eraser == 3 {
		return false
	}
	step(fmt.Sprintf("eraser step %d", w.eraser), func(w *world) string {
		switch w.eraser {
		case 0:
			w.listed = true
		case 1:
			if e := (modelEvent{0, w.log[0]}); m.theirs(e) {
				w.insert(m.tombstone(e))
			}
		case 2:
			w.marks[modelWriters-1] = 1
			if !isCopy(w.log[0]) {
				w.acked[0] = w.log[0]
			}
		}
		w.eraser++
		return ""
	})
	return true
}

// readerSteps has the steps: plan, then read by the plan in one snapshot. If the guard fails, the
// reader plans again.
func (m *model) readerSteps(w *world, step func(string, func(*world) string)) {
	if w.reader.planned {
		step("reader reads", func(w *world) string {
			r := w.reader
			w.reader = reader{}
			return m.read(w, r)
		})
		return
	}
	step("reader plans", func(w *world) string {
		r := reader{planned: true, slot: w.best(), acked: w.acked}
		if m.trustsTheLook && !w.found {
			r.slot = w.newest()
		}
		// The read is a later step only if a sweeper can remove the rows of the planned slot.
		// Otherwise a later read gives the same answer or a newer one.
		if m.sweeper && r.slot != live {
			w.reader = r
			return ""
		}
		return m.read(w, r)
	})
}

func (m *model) read(w *world, r reader) string {
	if r.slot == live {
		return w.judge(w.log, r.acked)
	}
	var answer [2]uint8
	for t, rows := range w.slots[r.slot].rows {
		if !m.noGuard && rows[0]+rows[1] != w.slots[r.slot].counts[t] {
			return "" // fails, and plans again
		}
		if rows[0]+rows[1] > 1 {
			return "an event counts twice"
		}
		answer[t] = rows[0] + 3*rows[1]
	}
	return w.judge(answer, r.acked)
}

// judge compares an answer with every state that the log had since the acknowledged one. It returns
// what is wrong, or "".
func (w *world) judge(answer, acked [2]uint8) string {
	shown := func(v uint8) uint8 { return v * (v % 2) }
	for a := acked[0]; a <= highest; a++ {
		for b := acked[1]; b <= highest; b++ {
			state := world{log: [2]uint8{a, b}}
			if w.seen&(1<<state.state()) != 0 && shown(a) == shown(answer[0]) && shown(b) == shown(answer[1]) {
				return ""
			}
		}
	}
	return fmt.Sprintf("the answer %v is no state of the log since %v was acknowledged", answer, acked)
}

// run explores everything that can happen to a cast under a design.
func run(d design, c cast) (states int, wrong string) {
	m := &model{design: d, cast: c, visited: map[world]struct{}{}}
	w := world{seen: 1}
	w.ingest[1].writer = 1
	wrong = m.explore(w)
	return len(m.visited), wrong
}
