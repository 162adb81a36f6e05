//go:build faults && linux

package faults

import "strings"

// report prints the faults of a seed, and what they caused.
func (w *world) report() {
	w.t.Helper()
	for _, m := range append(w.members(), w.left...) {
		kind := m.command[1]
		w.kills[kind] += m.kills
		w.recovery[kind] = max(w.recovery[kind], m.slowest)
	}
	conflicts := 0
	for _, id := range w.oracle.Conflicts() {
		conflicts += len(w.oracle.Copies(id)) - 1
	}
	rejected := 0
	for _, n := range w.oracle.Rejected {
		rejected += n
	}
	w.t.Logf("seed %d: %d events of %d records (%d rejected, %d duplicates and %d conflicting copies survived, "+
		"%d aborted ones not counted); kills %v; at least %d records redelivered; "+
		"%d exports compared, %d asked for in vain meanwhile; slowest recovery %v; "+
		"%d faults, %d of which found nothing to strike at: %s",
		w.seed, w.oracle.Len(), w.records, rejected, w.oracle.Repeated, conflicts, w.producer.aborted, w.kills,
		w.broker.redelivered(),
		w.exports.Load(), w.failed, w.recovery, len(w.struck), w.missed, strings.Join(w.struck, ", "))
}
