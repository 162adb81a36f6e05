package access

import (
	"fmt"
	"testing"
	"time"
)

func TestRateLimit(t *testing.T) {
	const perMinute = 500
	l := newRateLimit(perMinute)
	start := time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)
	for i := range perMinute {
		if _, ok := l.admit("a", start.Add(time.Duration(i)*time.Millisecond)); !ok {
			t.Fatalf("request %d of %d was refused", i+1, perMinute)
		}
	}
	for range 3 { // refused requests do not count: it is enough to wait as long as told
		if wait, ok := l.admit("a", start.Add(30*time.Second)); ok || wait != 30*time.Second {
			t.Errorf("one too many: admitted %t, wait %v, want 30s", ok, wait)
		}
	}
	if _, ok := l.admit("b", start.Add(30*time.Second)); !ok {
		t.Error("another key was refused")
	}
	if _, ok := l.admit("a", start.Add(time.Minute)); !ok {
		t.Error("refused after the wait")
	}
	if wait, ok := l.admit("a", start.Add(time.Minute)); ok || wait != time.Millisecond {
		t.Errorf("within a minute of the second: admitted %t, wait %v", ok, wait)
	}
}

// No minute holds more requests than the limit, at whatever times they come.
func TestRateLimitAnyMinute(t *testing.T) {
	const perMinute = 7
	l := newRateLimit(perMinute)
	var admitted []time.Time
	now := time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)
	for i := range 2000 {
		now = now.Add(time.Duration(i*7919%11000) * time.Millisecond)
		if _, ok := l.admit("a", now); ok {
			admitted = append(admitted, now)
		}
	}
	for i := perMinute; i < len(admitted); i++ {
		if admitted[i].Sub(admitted[i-perMinute]) < time.Minute {
			t.Fatalf("%d requests from %v to %v", perMinute+1, admitted[i-perMinute], admitted[i])
		}
	}
	if len(admitted) < 500 {
		t.Errorf("only %d admitted", len(admitted))
	}
}

func TestSilentKeysAreForgotten(t *testing.T) {
	l := newRateLimit(2)
	now := time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)
	for i := range 3000 {
		l.admit(string(rune(i)), now.Add(time.Duration(i)*time.Second))
	}
	if len(l.keys) > 1100 {
		t.Errorf("%d keys are remembered", len(l.keys))
	}
}

// A key is forgotten only if its newest request is more than a minute old, and only if there are
// many keys.
func TestWhichKeysAreForgotten(t *testing.T) {
	const perMinute = 3
	now := time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)
	l := newRateLimit(perMinute)
	admit := func(id string, at time.Time) {
		t.Helper()
		if _, ok := l.admit(id, at); !ok {
			t.Fatalf("%s was refused", id)
		}
	}
	admit("silent", now.Add(-time.Minute-1))
	admit("a minute ago", now.Add(-time.Minute))
	for i := range 2 * perMinute { // the ring has gone round
		admit("busy", now.Add(time.Duration(i-2*perMinute)*30*time.Second))
	}
	for i := range 1023 - len(l.keys) {
		admit(fmt.Sprint(i), now)
	}
	admit("the 1024th", now)
	if l.keys["silent"] == nil {
		t.Error("a key was forgotten although there are not many")
	}
	admit("the 1025th", now)
	if l.keys["silent"] != nil {
		t.Error("a silent key is remembered")
	}
	for _, id := range []string{"a minute ago", "busy", "0", "the 1024th", "the 1025th"} {
		if l.keys[id] == nil {
			t.Errorf("the key %q was forgotten", id)
		}
	}
}

func TestConcurrency(t *testing.T) {
	s := newConcurrency(2, 4)
	first, err1 := s.begin("a")
	_, err2 := s.begin("a")
	_, err3 := s.begin("a")
	if err1 != nil || err2 != nil || err3 == nil {
		t.Fatalf("errors %v, %v, %v: want the third only", err1, err2, err3)
	}
	if _, err := s.begin("b"); err != nil {
		t.Error("another workspace was refused")
	}
	first()
	first() // a second call of end changes nothing
	if _, err := s.begin("a"); err != nil {
		t.Error("refused after one ended")
	}
	if _, err := s.begin("a"); err == nil {
		t.Error("one request ended twice")
	}
	other, err := s.begin("b")
	if err != nil {
		t.Error("the fourth of all was refused")
	}
	if _, err := s.begin("c"); err == nil {
		t.Error("the fifth of all was not refused")
	}
	other()
	if _, err := s.begin("c"); err != nil {
		t.Error("refused after one of another workspace ended")
	}
}
