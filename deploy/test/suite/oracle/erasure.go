package oracle

// An Erasure removes a person: the person's events from before it do not count any more, and what
// the person owned has no owner.
type Erasure struct {
	Org, User string
	Before    int64 // milliseconds since 1970
}

// Erase makes Add ignore a person's events. Call it before Add.
func (o *Oracle) Erase(e Erasure) { o.erasures = append(o.erasures, e) }

// erase tells whether an event is an erased person's. From other events it removes an erased owner.
func (o *Oracle) erase(e *Event) bool {
	for _, x := range o.erasures {
		switch {
		case e.Org != x.Org || e.Time >= x.Before:
		case e.User == x.User || e.Kind == "user" && e.Entity == x.User:
			return true
		case e.Owner == x.User:
			e.Owner = ""
		}
	}
	return false
}

// ahead tells whether an event's time is after an erasure of its person. Such an event is erased if
// it arrived before the erasure, and counts if it arrived after it. Only the product knows which,
// so both are allowed. In the same way, ownerless has the event without an owner who was erased.
func (o *Oracle) ahead(e Event) (mayBeGone bool, ownerless []Event) {
	for _, x := range o.erasures {
		switch {
		case e.Org != x.Org || e.Time < x.Before:
		case e.User == x.User || e.Kind == "user" && e.Entity == x.User:
			mayBeGone = true
		case e.Owner == x.User:
			without := e
			without.Owner = ""
			ownerless = append(ownerless, without)
		}
	}
	return mayBeGone, ownerless
}
