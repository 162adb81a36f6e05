package oracle

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"time"
)

// An Identity identifies an event: records with the same identity are one event, however often it
// arrives.
type Identity struct {
	Org, Day, Type, Source, ID string // Day: UTC, YYYY-MM-DD
}

// An Oracle holds what was produced: for each identity the copies that differ in content, in order
// of production.
type Oracle struct {
	copies   map[Identity][]Event
	winner   map[Identity]Event
	erased   map[Identity]bool // at least one copy was an erased person's
	erasures []Erasure

	Rejected map[string]int // records that are not valid events, by reason
	Repeated int            // records that are copies of an earlier one with the same content
}

func New() *Oracle {
	return &Oracle{
		copies: map[Identity][]Event{}, winner: map[Identity]Event{}, erased: map[Identity]bool{}, Rejected: map[string]int{},
	}
}

// Add takes one produced record, as it is read at the time now. It returns the reason if the record
// is rejected.
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

// Len is the number of events: identities, not records.
func (o *Oracle) Len() int { return len(o.copies) }

// Conflicts lists, in a fixed order, the identities that have copies with different content, or
// that have some copies of an erased person and some of others.
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

// Settle decides which copy of a conflict the product kept: the one for which kept returns true. It
// is an error if no copy or more than one copy is kept: the product must keep one copy, complete.
// It may keep none only if another copy was an erased person's. Settle every conflict before
// computing an export.
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

// events returns the winners of one workspace, in a fixed order.
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

// inOrder compares by time. Of events at the same time, the one with the greater (source, id) comes
// last and so is valid.
func inOrder(a, b Event) int {
	return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.Source, b.Source), cmp.Compare(a.ID, b.ID))
}

// Events iterates over all events. Where copies differed and Settle was called, it yields the
// winner.
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
