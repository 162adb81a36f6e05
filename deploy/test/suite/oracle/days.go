package oracle

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
)

// A Day is what a workspace used on one UTC day.
type Day struct {
	Events int
	Digest [32]byte // of all events of the day
}

// Days are the workspace's UTC days with usage events, by date.
func (o *Oracle) Days(org string) map[string]Day {
	lines := map[string][]string{}
	for id, e := range o.Events() {
		if id.Org == org && id.Type != entityType {
			lines[id.Day] = append(lines[id.Day], fmt.Sprintf("%+v %+v", id, e))
		}
	}
	days := map[string]Day{}
	for date, all := range lines {
		slices.Sort(all)
		days[date] = Day{len(all), sha256.Sum256([]byte(strings.Join(all, "\n")))}
	}
	return days
}
