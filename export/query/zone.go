package query

import (
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // zones are known on machines without a zone database, too
)

// loadZone takes IANA names only: not this machine's Local, nor the directories that zone databases
// are copied to.
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

// plusHint explains a blank in the name of a zone: a + of a query that is not written %2B arrives
// as a blank.
func plusHint(param, name string) string {
	meant := strings.ReplaceAll(name, " ", "+")
	switch {
	case meant == name:
		return ""
	case param == "timezone": // of a query
		return fmt.Sprintf("; a + is written %%2B in an address: %s", clip(strings.ReplaceAll(name, " ", "%2B")))
	}
	return fmt.Sprintf("; if you mean %q, a + was lost on the way", clip(meant))
}

// which of the two instants is meant by a wall-clock time that exists twice.
type which int

const (
	first which = iota
	second
)

// resolve finds the instant at which the clocks of a zone show the wall time (given as if it were
// UTC). A time that exists twice is the one asked for; one that does not exist takes the offset
// before the change, and so lies as long after the change as the clock would have been past it.
func resolve(wall time.Time, zone *time.Location, w which) time.Time {
	var found []time.Time
	var skipped time.Time
	// Offsets stay within ±26 h of UTC, so this window holds every instant that can show the wall
	// time.
	for at := wall.Add(-26 * time.Hour).In(zone); ; {
		start, end := at.ZoneBounds()
		_, offset := at.Zone()
		candidate := wall.Add(-time.Duration(offset) * time.Second).In(zone)
		before := !start.IsZero() && candidate.Before(start)
		after := !end.IsZero() && !candidate.Before(end)
		if !before && !after {
			found = append(found, candidate)
		}
		// The first change that jumps over the wall time: with the offset before it the time is
		// past the change, with the one after it, not yet there.
		if after && skipped.IsZero() && jumpsOver(end, candidate, wall) {
			skipped = candidate
		}
		if end.IsZero() || end.After(wall.Add(26*time.Hour)) {
			break
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
