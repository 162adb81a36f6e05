package oracle

// A history is all that was said about one entity, in order.
type history []Event

// histories of one kind of entity, by its id.
func histories(events []Event, kind string) map[string]history {
	all := map[string]history{}
	for _, e := range events {
		if e.Type == entityType && e.Kind == kind {
			all[e.Entity] = append(all[e.Entity], e)
		}
	}
	return all
}

// at are the attributes valid at a moment: the last description not after it, whether the entity is
// deleted by then or not; before the first, the earliest known.
func (h history) at(ms int64) (valid Event) {
	described := false
	for _, e := range h {
		switch {
		case e.Deleted:
		case e.Time <= ms:
			valid = e
			described = true
		case !described:
			valid = e
			described = true
			ms = e.Time // of several descriptions at the earliest time, the last in order holds
		}
	}
	return valid
}

// throughoutDeleted: deleted at the period's start, and not described again before its end.
func (h history) throughoutDeleted(p period) bool {
	deleted := false
	for _, e := range h {
		switch {
		case e.Time <= p.start:
			deleted = e.Deleted
		case e.Time < p.end && !e.Deleted:
			return false
		}
	}
	return deleted
}

// knownUser: joined, or else first heard of, not after the period's end, and not deleted throughout
// the period.
func (h history) knownUser(p period, joined string) bool {
	if joined != "" {
		return joined <= p.to && !h.throughoutDeleted(p)
	}
	return h[0].Time < p.end && !h.throughoutDeleted(p)
}

// known, for entities other than users: first described before the period's end and not deleted
// throughout it.
func (h history) known(p period) bool {
	for _, e := range h {
		if !e.Deleted {
			return e.Time < p.end && !h.throughoutDeleted(p)
		}
	}
	return false
}

// settings are those of the last workspace event that carried any, as of now.
func settings(events []Event, now int64) Settings {
	s := Settings{UserLevelData: true}
	for _, e := range events {
		if e.Kind == "workspace" && e.HasSettings && e.Time <= now {
			s = e.Settings
		}
	}
	return s
}
