package oracle

// A history is everything that events said about one entity, in order.
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

// at returns the attributes that are valid at a moment: those of the last description not after it,
// even if the entity is deleted by then. Before the first description, it returns the earliest one.
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
			// If several descriptions have the earliest time, the last one in order is valid.
			ms = e.Time
		}
	}
	return valid
}

// throughoutDeleted tells whether the entity was deleted at the period's start and not described
// again before its end.
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

// knownUser tells whether the user joined (or, without a date, was first mentioned) not after the
// period's end, and was not deleted throughout the period.
func (h history) knownUser(p period, joined string) bool {
	if joined != "" {
		return joined <= p.to && !h.throughoutDeleted(p)
	}
	return h[0].Time < p.end && !h.throughoutDeleted(p)
}

// known is for entities other than users. It tells whether the entity was first described before
// the period's end and was not deleted throughout the period.
func (h history) known(p period) bool {
	for _, e := range h {
		if !e.Deleted {
			return e.Time < p.end && !h.throughoutDeleted(p)
		}
	}
	return false
}

// settings returns the settings of the last workspace event not after now that has any.
func settings(events []Event, now int64) Settings {
	s := Settings{UserLevelData: true}
	for _, e := range events {
		if e.Kind == "workspace" && e.HasSettings && e.Time <= now {
			s = e.Settings
		}
	}
	return s
}
