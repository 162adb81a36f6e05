package oracle

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"
)

// An Identity tells events apart: the same identity is one event, however often it arrives.
type Identity struct {
	Org, Day, Type, Source, ID string // Day: UTC, YYYY-MM-DD
}

// An Oracle holds what was produced: per identity the copies that differ in content, in order of
// production.
type Oracle struct {
	copies   map[Identity][]Event
	winner   map[Identity]Event
	erased   map[Identity]bool // a copy was an erased person's
	erasures []Erasure

	Rejected map[string]int // records that are no event, by reason
	Repeated int            // records whose event was there already, with the same content
}

func New() *Oracle {
	return &Oracle{
		copies: map[Identity][]Event{}, winner: map[Identity]Event{}, erased: map[Identity]bool{}, Rejected: map[string]int{},
	}
}

// Add takes one produced record, as read at now, and returns the reason if it is rejected.
func (o *Oracle) Add(r Record, now time.Time) (reason string) {
	e, reason := Read(r, now)
	if reason != "" {
		o.Rejected[reason]++
		return reason
	}
	id := Identity{e.Org, day(e.Time).Format(time.DateOnly), e.Type, e.Source, e.ID}
	if o.erase(&e) {
		o.erased[id] = true
		return ""
	}
	if slices.Contains(o.copies[id], e) {
		o.Repeated++
		return ""
	}
	mayBeGone, ownerless := o.ahead(e)
	o.erased[id] = o.erased[id] || mayBeGone
	o.copies[id] = append(append(o.copies[id], e), ownerless...)
	return ""
}

// Len is how many events there are: identities, not records.
func (o *Oracle) Len() int { return len(o.copies) }

// Conflicts lists the identities with copies that differ in content, or of which some are an erased
// person's, in a fixed order.
func (o *Oracle) Conflicts() (all []Identity) {
	for id, copies := range o.copies {
		if len(copies) > 1 || o.erased[id] {
			all = append(all, id)
		}
	}
	slices.SortFunc(all, func(a, b Identity) int {
		return cmp.Or(cmp.Compare(a.Org, b.Org), cmp.Compare(a.Day, b.Day), cmp.Compare(a.Type, b.Type),
			cmp.Compare(a.Source, b.Source), cmp.Compare(a.ID, b.ID))
	})
	return all
}

// Copies are the differing copies of one identity, in order of production.
func (o *Oracle) Copies(id Identity) []Event { return o.copies[id] }

// Settle tells which copy of a conflict the product kept: the first for which kept holds. It is an
// error if none or more than one of them is that copy: what was kept must be a copy, whole. If it
// kept none, it must be that an erased person's copy held. Every conflict must be settled before an
// export is computed.
func (o *Oracle) Settle(id Identity, kept func(Event) bool) error {
	var found []Event
	for _, e := range o.copies[id] {
		if kept(e) {
			found = append(found, e)
		}
	}
	if len(found) == 0 && o.erased[id] {
		delete(o.copies, id)
		return nil
	}
	if len(found) != 1 {
		return fmt.Errorf("the product kept something of %+v that is %d of its copies: %+v", id, len(found), o.copies[id])
	}
	o.winner[id] = found[0]
	return nil
}

// events are the winners of one workspace, in a fixed order.
func (o *Oracle) events(org string) (all []Event) {
	for id, copies := range o.copies {
		switch winner, settled := o.winner[id]; {
		case id.Org != org:
		case settled:
			all = append(all, winner)
		case len(copies) > 1:
			panic(fmt.Sprintf("oracle: nobody settled the conflict %+v", id))
		default:
			all = append(all, copies[0])
		}
	}
	slices.SortFunc(all, inOrder)
	return all
}

// inOrder: by time; at one time the greater (source, id) comes last and so holds.
func inOrder(a, b Event) int {
	return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.Source, b.Source), cmp.Compare(a.ID, b.ID))
}

// Orgs lists the workspaces that sent anything.
func (o *Oracle) Orgs() []string {
	orgs := map[string]bool{}
	for id := range o.copies {
		orgs[id.Org] = true
	}
	return slices.Sorted(maps.Keys(orgs))
}

// Events goes over all events: the winners, where copies differed and Settle was called.
func (o *Oracle) Events() iter.Seq2[Identity, Event] {
	return func(yield func(Identity, Event) bool) {
		for id, copies := range o.copies {
			e, settled := o.winner[id]
			if !settled {
				e = copies[0]
			}
			if !yield(id, e) {
				return
			}
		}
	}
}
