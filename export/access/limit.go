package access

import (
	"fmt"
	"net/http"
	"sync"
	"time"
)

// A rateLimit admits at most perMinute requests of each key within any minute. It counts the
// requests of this process only.
type rateLimit struct {
	perMinute int

	mu   sync.Mutex
	keys map[string]*window
}

// A window holds the times at which a key's last requests were admitted. It is a ring: once it is
// full, next is the index of the oldest.
type window struct {
	admitted []time.Time
	next     int
}

func newRateLimit(perMinute int) *rateLimit {
	return &rateLimit{perMinute: perMinute, keys: map[string]*window{}}
}

// admit counts one request of the key, or returns how long to wait until the next one will be
// admitted. Refused requests do not count.
func (l *rateLimit) admit(keyID string, now time.Time) (wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.keys[keyID]
	if w == nil {
		l.forget(now)
		w = &window{}
		l.keys[keyID] = w
	}
	if len(w.admitted) < l.perMinute {
		w.admitted = append(w.admitted, now)
		return 0, true
	}
	if wait = w.admitted[w.next].Add(time.Minute).Sub(now); wait > 0 {
		return wait, false
	}
	w.admitted[w.next] = now
	w.next = (w.next + 1) % len(w.admitted)
	return 0, true
}

// check calls admit with the present time. Its error says how long to wait.
func (l *rateLimit) check(keyID string) error {
	if wait, ok := l.admit(keyID, time.Now()); !ok {
		return tooMany(l.perMinute, wait)
	}
	return nil
}

// forget drops the keys without a request in the last minute, once there are 1024 keys.
func (l *rateLimit) forget(now time.Time) {
	if len(l.keys) < 1024 {
		return
	}
	for id, w := range l.keys {
		newest := w.admitted[(w.next+len(w.admitted)-1)%len(w.admitted)]
		if now.Sub(newest) > time.Minute {
			delete(l.keys, id)
		}
	}
}

func tooMany(perMinute int, wait time.Duration) error {
	return &Refusal{
		Status: http.StatusTooManyRequests, RetryAfter: wait,
		Detail: fmt.Sprintf("This API key has made %d requests within a minute; wait as long as Retry-After says.",
			perMinute),
	}
}

// A concurrency bounds the requests that run at the same time in this process: those of one
// workspace, and all.
type concurrency struct {
	perOrg, all int

	mu      sync.Mutex
	busy    map[string]int
	running int // the sum of busy
}

func newConcurrency(perOrg, all int) *concurrency {
	return &concurrency{perOrg: perOrg, all: all, busy: map[string]int{}}
}

// begin counts a request as running until end is called, or refuses it.
func (c *concurrency) begin(org string) (end func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy[org] >= c.perOrg {
		return nil, busy("This workspace already has as many exports running as are allowed at a time; " +
			"try again when one has ended.")
	}
	if c.running >= c.all {
		return nil, busy("The service already runs as many exports as it can at a time; try again in a few seconds.")
	}
	c.busy[org]++
	c.running++
	return sync.OnceFunc(func() { c.ended(org) }), nil
}

func (c *concurrency) ended(org string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running--
	if c.busy[org]--; c.busy[org] == 0 {
		delete(c.busy, org)
	}
}

func busy(detail string) error {
	return &Refusal{Status: http.StatusTooManyRequests, RetryAfter: 5 * time.Second, Detail: detail}
}
