package export

import (
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
	for range 3 { // refused requests do not count: waiting as long as told is enough
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

// Whatever the times are, no minute holds more than the limit.
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

func TestSlots(t *testing.T) {
	s := newSlots(2)
	first, err1 := s.take("a")
	_, err2 := s.take("a")
	_, err3 := s.take("a")
	if err1 != nil || err2 != nil || err3 == nil {
		t.Fatalf("errors %v, %v, %v: want the third only", err1, err2, err3)
	}
	if _, err := s.take("b"); err != nil {
		t.Error("another workspace was refused")
	}
	first()
	first() // gives back once
	if _, err := s.take("a"); err != nil {
		t.Error("refused after one ended")
	}
	if _, err := s.take("a"); err == nil {
		t.Error("a slot was given back twice")
	}
}
