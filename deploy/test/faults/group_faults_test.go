//go:build faults && linux

package faults

import (
	"syscall"
	"time"
)

// comeAndGo starts and ends members of the group, some in order and some not. The group has two to
// four members.
func comeAndGo(w *world) {
	more := []*member{w.ingest(10), w.ingest(11)}
	for _, m := range more {
		m.ensure(w.t)
		w.pause(500)
	}
	w.ingests[0].stop(w.t)
	w.pause(500)
	w.ingests[0].ensure(w.t)
	more[0].kill()
	more[1].stop(w.t)
	w.left = append(w.left, more...)
}

// asleep is longer than a session, so the group gives a sleeping member's partitions to others.
const asleep = 12 * time.Second

// zombie stops an ingest in the middle of a batch until other ingests have taken over, and then
// lets it continue to write. Its next insert arrives at once or, if late is set, long after the
// others have stored and committed the same records.
func zombie(table string, late bool) func(*world) {
	return func(w *world) {
		m := w.ingests[1]
		done := make(chan struct{})
		m.proxy.trap(table, func(c *call) {
			c.before = func() {
				m.signal(syscall.SIGSTOP)
				close(done)
				if late {
					<-time.After(asleep)
				}
			}
		})
		if w.await(done) {
			<-time.After(asleep)
		}
		m.signal(syscall.SIGCONT)
	}
}

// groupFaults are those of ingest's consumer group.
var groupFaults = []fault{
	{"consumers come and go", comeAndGo},
	{"a zombie goes on after the log", zombie("events", false)},
	{"a zombie's batch reaches the log late", zombie("events", true)},
	{"a zombie's marks come late", zombie("marks", true)},
}
