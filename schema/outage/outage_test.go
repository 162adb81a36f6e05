package outage

import (
	"bytes"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// told returns the messages of a log, each with some of its attributes.
func told(log *bytes.Buffer) (lines []string) {
	for line := range strings.Lines(log.String()) {
		lines = append(lines, strings.TrimSpace(line))
	}
	log.Reset()
	return lines
}

func newOutage(log *bytes.Buffer) *Outage {
	short := &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}
	return &Outage{
		Log: slog.New(slog.NewTextHandler(log, short)), What: "it fails", Over: "it works again", Do: "look",
	}
}

const began = `level=WARN msg="it fails" step=log reason=away error=refused since=2000-01-01T00:00:00Z failures=1 do=look`

// An outage of an hour with an attempt a second is a line at its begin, one every ten minutes, and
// one at its end.
func TestAnOutageOfAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		o := newOutage(&log)
		o.Passed()
		for range 3600 {
			o.Failed("away", errors.New("refused"), "step", "log")
			<-time.After(time.Second)
		}
		o.Passed()
		o.Passed()
		lines := told(&log)
		if len(lines) != 7 || lines[0] != began ||
			lines[6] != `level=INFO msg="it works again" lasted=1h0m0s failures=3600` {
			t.Errorf("%d lines:\n%s", len(lines), strings.Join(lines, "\n"))
		}
		if !strings.Contains(lines[5], "since=2000-01-01T00:00:00Z failures=3001") {
			t.Errorf("the last reminder: %s", lines[5])
		}
	})
}

// Another reason is told, as soon as the last line is a minute old.
func TestAnotherReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		o := newOutage(&log)
		for i := range 180 {
			reason := "away"
			if i >= 30 {
				reason = "full"
			}
			o.Failed(reason, errors.New("refused"), "step", "log")
			<-time.After(time.Second)
		}
		o.Passed()
		lines := told(&log)
		if len(lines) != 3 || lines[0] != began || !strings.Contains(lines[1], "reason=full") ||
			!strings.Contains(lines[1], "failures=61") {
			t.Errorf("%d lines:\n%s", len(lines), strings.Join(lines, "\n"))
		}
	})
}

// Where nobody says that it works again, a failure after ten quiet minutes is another outage.
func TestAnOutageWhoseEndIsNotKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		o := newOutage(&log)
		o.Over = ""
		for range 3 {
			o.Failed("away", errors.New("refused"))
			<-time.After(time.Minute)
		}
		told(&log)
		<-time.After(time.Hour)
		o.Failed("away", errors.New("refused"))
		if lines := told(&log); len(lines) != 1 || !strings.Contains(lines[0], "since=2000-01-01T01:03:00Z failures=1 ") {
			t.Errorf("an hour later: %s", strings.Join(lines, "\n"))
		}
	})
}

// Something that fails and works in turn, twice a second for ten minutes, is told twice a minute.
func TestAnOutageThatComesAndGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		o := newOutage(&log)
		for range 1200 {
			o.Failed("away", errors.New("refused"), "step", "log")
			<-time.After(250 * time.Millisecond)
			o.Passed()
			<-time.After(250 * time.Millisecond)
		}
		lines := told(&log)
		begins := slices.DeleteFunc(slices.Clone(lines), func(l string) bool { return !strings.Contains(l, "it fails") })
		if len(lines) != 20 || len(begins) != 10 {
			t.Errorf("%d lines, %d of them begins:\n%s", len(lines), len(begins), strings.Join(lines, "\n"))
		}
	})
}
