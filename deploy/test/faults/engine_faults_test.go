//go:build faults && linux

package faults

import "time"

// noisy makes the engine answer ingests and rollups with a fault, one time in twelve, for a while.
func noisy(what ...func(*call)) func(*world) {
	return func(w *world) {
		for _, m := range append(append([]*member{}, w.ingests...), w.rollups...) {
			m.proxy.noisy(what...)
		}
		<-time.After(3 * time.Second)
	}
}

// engineKilled kills the engine during an insert into the log.
func engineKilled(w *world) {
	m := w.someone()
	under := make(chan struct{})
	m.proxy.trap("events", func(c *call) { c.before = func() { close(under) } })
	w.await(under)
	w.pause(20)
	w.killEngine()
}

// everythingKilled kills every process.
func everythingKilled(w *world) {
	w.pause(1000)
	for _, m := range w.members() {
		m.kill()
	}
	w.killBroker()
	w.killEngine()
	w.heal()
}

// rollupKilled kills a worker before or after its insert into a table.
func rollupKilled(table string, after bool) func(*world) {
	return func(w *world) {
		w.await(w.rollups[w.rand.IntN(len(w.rollups))].diesAt(table, after))
		w.heal()
	}
}

// staleRecompute holds a worker's manifest back until other workers have recomputed the slices from
// a newer log.
func staleRecompute(w *world) {
	m := w.rollups[0]
	held := make(chan struct{})
	m.proxy.trap("slices", func(c *call) { c.before = func() { close(held); <-time.After(3 * time.Second) } })
	if w.await(held) {
		<-time.After(3 * time.Second)
	}
}

// slowerThanTimeouts makes the engine do its work but answer only after its clients have timed out.
func slowerThanTimeouts(w *world) {
	for _, m := range w.ingests {
		for range 2 {
			m.proxy.trap("", func(c *call) { c.after = func() { <-time.After(insertTimeout + time.Second) } })
		}
	}
	<-time.After(2 * insertTimeout)
}

// race lets workers compete for the same slices, and kills them, while exports are read and
// everything is rebuilt again and again.
func race(w *world) { w.compareWhile(40) }

// engineFaults are those of the engine.
var engineFaults = []fault{
	{"engine refuses connections", noisy(refuse)},
	{"engine's answers lost after the work", noisy(lose)},
	{"engine read-only", noisy(answer(readOnly), answer(tableReadOnly))},
	{"engine out of disk and memory", noisy(answer(notEnoughSpace), answer(memoryLimit))},
	{"too many parts", noisy(answer(tooManyParts))},
	{"slow engine", noisy(slow(700*time.Millisecond), lose)},
	{"answers slower than the timeouts", slowerThanTimeouts},
	{"engine killed in mid-insert", engineKilled},
	{"everything killed", everythingKilled},
}

// rollupFaults are those of the rollup's workers, and of the commands that repair their work.
var rollupFaults = []fault{
	{"rollup killed between tables", rollupKilled("message_daily", true)},
	{"rollup killed before the manifest", rollupKilled("slices", false)},
	{"rollup killed after the manifest", rollupKilled("slices", true)},
	{"a stale recompute finishes last", staleRecompute},
	{"a person forgotten, killed half way", forgotten},
}
