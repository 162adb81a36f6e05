package access

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// Older binaries had sessions that could not be ended. Their cookies are refused, and the user
// signs in again.
func TestCookieOfAnOlderBinary(t *testing.T) {
	f := newFixture(t)
	id, _ := f.key("acme")
	text := id + "." + fmt.Sprint(time.Now().Add(time.Hour).Unix())
	for name, value := range map[string]string{
		"of its form":       text + "." + f.gate.sessions.signer.signature(text),
		"of too many parts": text + ".a.b." + f.gate.sessions.signer.signature(text+".a.b"),
	} {
		if _, err := f.gate.sessions.signer.open(value, time.Now()); !errors.Is(err, ErrKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The row that ends a session stays until the cookie is invalid by itself, on every host's clock.
// Then the row is removed.
func TestEndedSessionsAreKeptLongEnough(t *testing.T) {
	f := newFixture(t)
	for name, ends := range map[string]time.Duration{
		"just now": -time.Minute, "on a slow clock": -23 * time.Hour, "long ago": -25 * time.Hour,
	} {
		if err := f.gate.sessions.ended.store(t.Context(), cookie{session: name, expires: time.Now().Add(ends)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.conn.Exec(t.Context(), "OPTIMIZE TABLE ended_sessions FINAL"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"just now": true, "on a slow clock": true, "long ago": false} {
		if got, err := f.gate.sessions.ended.has(t.Context(), name); err != nil || got != want {
			t.Errorf("%s: kept %t, %v", name, got, err)
		}
	}
}

// The number of ended sessions in memory is bounded. One that was dropped from memory is read from
// the table again.
func TestEndedSessionsInMemoryAreBounded(t *testing.T) {
	e := newEndedSessions(nil)
	for i := range maxEndedSessions {
		e.remember(fmt.Sprint(i))
	}
	if len(e.ids) != maxEndedSessions || !e.remembers("0") {
		t.Errorf("%d of %d are remembered", len(e.ids), maxEndedSessions)
	}
	e.remember("another")
	if len(e.ids) != 1 || !e.remembers("another") {
		t.Errorf("%d are remembered", len(e.ids))
	}
}
