package oracle

// An Erasure is the end of what is known of a person: their events from before it are no longer
// counted, and what they owned has no owner.
type Erasure struct {
	Org, User string
	Before    int64 // milliseconds since 1970
}

// Erase has Add count nothing of a person. It must be called before.
func (o *Oracle) Erase(e Erasure) { o.erasures = append(o.erasures, e) }

// erase says whether an event is an erased person's, and takes erased owners out of the others.
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

// ahead says whether an event lies after an erasure of its person, and gives the event without an
// owner who was erased. Such an event is erased if it had arrived before, and theirs again if it
// came after. Only the product knows which, so either may be.
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
