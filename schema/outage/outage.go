// Package outage logs what fails again and again, such as statements while ClickHouse is away. An
// SRE reads one line when it begins, and one when it has ended that says how long it took; not one
// per attempt.
package outage

import (
	"log/slog"
	"sync"
	"time"
)

const (
	// remindEvery is the time between two lines about an outage that lasts.
	remindEvery = 10 * time.Minute
	// calm is the shortest time between two lines that say that an outage began, or why it now
	// lasts. Something that fails and works in turn is so told twice a minute at most.
	calm = time.Minute
)

// An Outage is something that keeps failing. Its texts are for people: what does not work, what
// works again, and what to do. Several goroutines may use it.
type Outage struct {
	Log  *slog.Logger
	What string // like "ClickHouse takes no statement"
	Over string // like "ClickHouse takes statements again"; "": Passed is never called, as nobody knows
	Do   string // like "look whether the server runs"; "": an attribute of Failed says it

	mu       sync.Mutex
	since    time.Time // the first failure; zero: it works
	failures int
	last     time.Time // the last failure
	told     time.Time // of the last line that names a failure; it outlives the outage
	reason   string    // that line's
	open     bool      // that line is about this outage, so its end is told, too
}

// Failed notes a failure. It is told if the outage begins, if its reason is another one than in the
// last line, or if it has lasted for long since. reason comes from a small set; err is the whole
// text, and attributes are what else identifies the failure.
func (o *Outage) Failed(reason string, err error, attributes ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	if o.since.IsZero() || o.Over == "" && now.Sub(o.last) > remindEvery {
		o.since = now
		o.failures = 0
		o.open = false
	}
	o.last = now
	o.failures++
	silent := now.Sub(o.told)
	news := !o.open || reason != o.reason
	if silent < calm || !news && silent < remindEvery {
		return
	}
	o.told = now
	o.reason = reason
	o.open = true
	attributes = append(attributes, "reason", reason, "error", err, "since", o.since.UTC().Format(time.RFC3339),
		"failures", o.failures)
	if o.Do != "" {
		attributes = append(attributes, "do", o.Do)
	}
	o.Log.Warn(o.What, attributes...)
}

// Passed notes that it works. If that ends an outage that was told, the end is told, too.
func (o *Outage) Passed() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.since.IsZero() {
		return
	}
	if o.open {
		o.Log.Info(o.Over, "lasted", time.Since(o.since).Round(time.Millisecond).String(), "failures", o.failures)
	}
	o.since = time.Time{}
}
