//go:build faults && linux

package faults

import (
	"flag"
	"slices"
	"testing"
	"time"
)

var (
	seed   = flag.Uint64("seed", 0, "run this seed of TestMixed alone; 0: as many as the time allows")
	budget = flag.Duration("for", 10*time.Minute, "how long TestAlone goes on with further faults, and TestMixed with further seeds")
	events = flag.Int("events", 600, "events of each chunk")
)

// TestAlone has each fault strike alone, in one world, in an order of the day's own: a run that is too short for all of them is not always of the same.
func TestAlone(t *testing.T) {
	w := newWorld(t, max(*seed, uint64(time.Now().YearDay())))
	defer w.close()
	all := slices.Concat(ingestFaults, brokerFaults, engineFaults)
	w.rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	started := time.Now()
	for i, f := range all {
		if time.Since(started) > *budget {
			t.Logf("the time was over after %d of %d faults", i, len(all))
			break
		}
		w.strike(*events/4, f)
		w.heal()
		w.settled()
		w.check()
		w.compare(6, false)
	}
	w.quiet(quietFaults...)
	w.compareWhile(60)
	w.verify()
	w.report()
}

// quiet has faults strike while nothing is produced.
func (w *world) quiet(faults ...fault) {
	w.t.Helper()
	for _, f := range faults {
		w.struck = append(w.struck, f.name)
		f.strike(w)
		w.settled()
		w.check()
		w.compare(6, false)
	}
}

// TestMixed has random faults strike one after the other, in world after world.
func TestMixed(t *testing.T) {
	if *seed != 0 {
		mixed(t, *seed)
		return
	}
	for s, started := uint64(1), time.Now(); time.Since(started) < *budget && !t.Failed(); s++ {
		mixed(t, s)
	}
}

func mixed(t *testing.T, s uint64) {
	t.Helper()
	w := newWorld(t, s)
	defer w.close()
	all := slices.Concat(ingestFaults, brokerFaults, engineFaults)
	for range 2 {
		w.rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		w.strike(*events, all[:5]...)
		w.heal()
		w.settled()
		w.check()
		w.compareWhile(20)
	}
	w.quiet(quietFaults[w.rand.IntN(len(quietFaults))])
	w.verify()
	w.report()
}
