//go:build faults && linux

package faults

import "time"

// A fault happens while events are produced. It is over when strike returns, or else heal ends it.
type fault struct {
	name   string
	strike func(*world)
}

// someone is one of the ingests, by chance.
func (w *world) someone() *member { return w.ingests[w.rand.IntN(len(w.ingests))] }

// await waits for a trap to spring. If it does not, because no matching call came, the report says
// so.
func (w *world) await(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	case <-time.After(20 * time.Second):
		w.missed++
		return false
	}
}

// killAt kills an ingest at its next insert into a table: before the engine sees it, or after the
// engine has it.
func killAt(table string, after bool) func(*world) {
	return func(w *world) {
		w.await(w.someone().diesAt(table, after))
		w.heal()
	}
}

// diesAt kills a process at its next insert into a table: before the engine sees the insert, or
// after it has run it. Then the channel is closed.
func (m *member) diesAt(table string, after bool) (done chan struct{}) {
	done = make(chan struct{})
	m.proxy.trap(table, func(c *call) {
		dies := func() { m.kill(); close(done) }
		if after {
			c.after = dies
		} else {
			c.before = dies
			c.refuse = true
		}
	})
	return done
}

// killAtCommit kills the ingests when a commit has arrived at the broker, which either takes it or
// not.
func killAtCommit(taken bool) func(*world) {
	return func(w *world) {
		select {
		case <-w.broker.commits: // left by an earlier fault that stopped waiting
		default:
		}
		w.broker.do(command{Do: "hold commit", Applied: taken})
		if w.await(w.broker.commits) {
			for _, m := range w.ingests {
				m.kill()
			}
		}
		w.heal()
	}
}

// killAnywhere kills an ingest at any moment, several times.
func killAnywhere(w *world) {
	for range 4 {
		w.pause(300)
		m := w.someone()
		m.kill()
		m.start(w.t)
	}
	w.heal()
}

// pause waits for a random time, for faults that must come at a random moment.
func (w *world) pause(millis int) {
	<-time.After(time.Duration(w.rand.IntN(millis)) * time.Millisecond)
}

// ingestFaults are those of ingest's own process.
var ingestFaults = []fault{
	{"ingest killed before the log", killAt("events", false)},
	{"ingest killed after the log", killAt("events", true)},
	{"ingest killed before the entities", killAt("entities", false)},
	{"ingest killed after the entities", killAt("entities", true)},
	{"ingest killed before the marks", killAt("marks", false)},
	{"ingest killed after the marks", killAt("marks", true)},
	{"ingest killed before the rejects", killAt("rejects", false)},
	{"ingest killed after the rejects", killAt("rejects", true)},
	{"ingest killed before the commit", killAtCommit(false)},
	{"ingest killed after the commit", killAtCommit(true)},
	{"ingest killed at any moment", killAnywhere},
}
