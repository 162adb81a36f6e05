package query

import (
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // zones are known on machines without a zone database, too
)

// loadZone accepts only names of IANA: neither this machine's Local, nor the names of directories
// that contain copies of the zone database.
func loadZone(param, name string) (*time.Location, error) {
	if name == "" {
		return time.UTC, nil
	}
	zone, err := time.LoadLocation(name)
	foreign := name == "Local" || name == "localtime" || name == "posixrules" ||
		strings.HasPrefix(name, "right/") || strings.HasPrefix(name, "posix/")
	if err != nil || foreign {
		return nil, bad(param, "%s must be an IANA time zone, such as Europe/Berlin or UTC, not %q%s.", param, clip(name),
			plusHint(param, name))
	}
	return zone, nil
}

// plusHint explains a blank in the name of a zone: in a query, a + that is not written as %2B
// arrives as a blank.
func plusHint(param, name string) string {
	meant := strings.ReplaceAll(name, " ", "+")
	switch {
	case meant == name:
		return ""
	case param == "timezone": // a parameter of a query
		return fmt.Sprintf("; a + is written %%2B in an address: %s", clip(strings.ReplaceAll(name, " ", "%2B")))
	}
	return fmt.Sprintf("; if you mean %q, a + was lost on the way", clip(meant))
}

// which says which of the two instants a wall-clock time means that exists twice.
type which int

const (
	first which = iota
	second
)

// resolve finds the instant at which the clocks of a zone show the wall time, which is given as if
// it were UTC. Of a time that exists twice it returns the one that w asks for. A time that does not
// exist takes the offset before the change of clocks: if the clock skipped an hour and the time is
// ten minutes into it, the result is ten minutes after the change.
func resolve(wall time.Time, zone *time.Location, w which) time.Time {
	var found []time.Time
	var skipped time.Time
	// Offsets stay within ±26 h of UTC, so this window holds every instant that can show the wall
	// time.
	for at := wall.Add(-26 * time.Hour).In(zone); ; {
		_, end := at.ZoneBounds()
		_, offset := at.Zone()
		candidate := wall.Add(-time.Duration(offset) * time.Second).In(zone)
		if _, shown := candidate.Zone(); shown == offset {
			found = append(found, candidate)
		}
		// The first change of clocks that skips the wall time: with the offset before it, the time
		// is after the change, and with the offset after it, before.
		if !end.IsZero() && skipped.IsZero() && jumpsOver(end, candidate, wall) {
			skipped = candidate
		}
		if end.IsZero() || end.After(wall.Add(26*time.Hour)) {
			break
		}
		if !end.After(at) { // ZoneBounds ends a leap year's last period a day too early
			end = at.Add(24 * time.Hour)
		}
		at = end
	}
	switch {
	case len(found) == 0:
		return skipped
	case w == second:
		return found[len(found)-1]
	}
	return found[0]
}

func jumpsOver(change, candidate, wall time.Time) bool {
	_, next := change.Zone()
	return !candidate.Before(change) && wall.Add(-time.Duration(next)*time.Second).Before(change)
}
