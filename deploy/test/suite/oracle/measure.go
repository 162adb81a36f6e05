package oracle

import "math/big"

// The measures that columns are made of: functions of a list of events.

func filter(events []Event, holds func(Event) bool) (kept []Event) {
	for _, e := range events {
		if holds(e) {
			kept = append(kept, e)
		}
	}
	return kept
}

func ofType(events []Event, name string) []Event {
	return filter(events, func(e Event) bool { return e.Type == name })
}

func ofChannel(events []Event, channel string) []Event {
	return filter(events, func(e Event) bool { return e.Type == messageType && e.Channel == channel })
}

// per counts events by one of their texts. Events without it are left out.
func per(events []Event, key func(Event) string) map[string]int {
	m := map[string]int{}
	for _, e := range events {
		if k := key(e); k != "" {
			m[k]++
		}
	}
	return m
}

// distinct is the number of different values of a text, without the empty one.
func distinct(events []Event, key func(Event) string) int { return len(per(events, key)) }

func sum(events []Event, value func(Event) int64) *big.Int {
	s := new(big.Int)
	for _, e := range events {
		s.Add(s, big.NewInt(value(e)))
	}
	return s
}

func size(events []Event) *big.Int { return big.NewInt(int64(len(events))) }

// least and greatest are those of a value; 0 without events.
func least(events []Event, value func(Event) int64) *big.Int {
	least := int64(0)
	for i, e := range events {
		if v := value(e); i == 0 || v < least {
			least = v
		}
	}
	return big.NewInt(least)
}

func greatest(events []Event, value func(Event) int64) *big.Int {
	greatest := int64(0)
	for _, e := range events {
		greatest = max(greatest, value(e))
	}
	return big.NewInt(greatest)
}

func userOf(e Event) string         { return e.User }
func modelOf(e Event) string        { return e.Model }
func assistantOf(e Event) string    { return e.Assistant }
func projectOf(e Event) string      { return e.Project }
func workflowOf(e Event) string     { return e.Workflow }
func apiKeyOf(e Event) string       { return e.APIKey }
func actionOf(e Event) string       { return e.Action }
func conversationOf(e Event) string { return e.Conversation }
func promptOf(e Event) int64        { return e.Prompt }
func completionOf(e Event) int64    { return e.Completion }
func cachedOf(e Event) int64        { return e.CachedPrompt }
func creationOf(e Event) int64      { return e.CacheCreation }
func costOf(e Event) int64          { return e.Cost }
func durationOf(e Event) int64      { return e.Duration }
