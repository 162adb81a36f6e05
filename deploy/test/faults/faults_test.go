//go:build faults && linux

package faults

import (
	"flag"
	"regexp"
	"slices"
	"testing"
	"time"
)

var (
	seed = flag.Uint64("seed", 0,
		"the seed of TestAlone (0: 1), and the only one of TestMixed (0: one after the other from 1)")
	budget = flag.Duration("for", 5*time.Minute, "how long TestMixed goes on with further seeds")
	only   = flag.String("fault", "", "have those faults strike alone whose name matches this regular expression")
)

// groups are the faults of TestAlone; each group has a world of its own.
var groups = []struct {
	name   string
	events int // events produced meanwhile
	faults []fault
}{
	{"ingest", 150, ingestFaults}, {"group", 150, groupFaults}, {"broker", 150, brokerFaults},
	{"producer", 150, producerFaults}, {"engine", 150, engineFaults},
	{"rollup", 150, rollupFaults}, {"quiet", 0, quietFaults},
}

// everyKind has one to three faults of each group, among them those that a first version of such a
// product gets wrong. The group quiet is left out: its faults need topics to which nobody writes.
var everyKind = []string{
	"ingest killed after the log", "ingest killed after the marks", "a zombie goes on after the log", "not the leader",
	"partitions added", "broker killed", "conflicting copies",
	"engine's answers lost after the work", "engine killed in mid-insert", "rollup killed before the manifest",
	"a person forgotten, killed half way",
}

// TestShort runs a fault of each kind alone, all in one world. It is short enough to run at every
// change.
func TestShort(t *testing.T) {
	var chosen []fault
	for _, g := range groups {
		for _, f := range g.faults {
			if slices.Contains(everyKind, f.name) {
				chosen = append(chosen, f)
			}
		}
	}
	if len(chosen) != len(everyKind) {
		t.Fatalf("%d faults have the names of %q", len(chosen), everyKind)
	}
	alone(t, 60, chosen)
}

// TestAlone runs each fault alone.
func TestAlone(t *testing.T) {
	chosen, err := regexp.Compile(*only)
	must(t, err)
	for _, g := range groups {
		faults := slices.DeleteFunc(slices.Clone(g.faults), func(f fault) bool { return !chosen.MatchString(f.name) })
		if len(faults) > 0 {
			t.Run(g.name, func(t *testing.T) { alone(t, g.events, faults) })
		}
	}
}

func alone(t *testing.T, events int, faults []fault) {
	w := newWorld(t, max(*seed, 1))
	defer w.close()
	w.strike(150)
	w.recovers()
	for _, f := range faults {
		w.strike(events, f)
		w.recovers()
		w.compare(6, false)
	}
	w.verify()
	w.report()
}

// TestMixed runs random faults one after the other, in one world after another.
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
	all := slices.Concat(ingestFaults, groupFaults, brokerFaults, producerFaults, engineFaults, rollupFaults)
	for range 2 {
		w.rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		w.strike(600, all[:5]...)
		w.recovers()
		w.compareWhile(20)
	}
	w.strike(0, quietFaults[w.rand.IntN(len(quietFaults))])
	w.recovers()
	w.compareWhile(20)
	w.verify()
	w.report()
}
