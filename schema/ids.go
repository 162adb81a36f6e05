package schema

import (
	"bytes"
	"slices"
)

// maxGroups is how many different groups a user may belong to.
const maxGroups = 64

// An idList is a list of ids as a set: sorted by bytes, each id once. So neither order nor
// repetition is content. Of a list that breaks a rule it keeps only what the rejection says, and no
// more than maxGroups ids of a list of any length.
type idList struct {
	ids     [][]byte
	tooMany bool  // there are more than maxGroups different ids
	wrong   bool  // there is an element that is no id
	element field // the first such element
}

// startGroups drops what an earlier group_ids listed.
func (f *fields) startGroups() {
	f.groups.ids = f.groups.ids[:0]
	f.groups.tooMany = false
	f.groups.wrong = false
	f.put(groupIDs, array, nil)
}

// add adds one element. null and "" are no ids: no group has an empty id.
func (l *idList) add(kind kindOf, id []byte) {
	if kind != text || len(id) == 0 || len(id) > maxID {
		if !l.wrong {
			l.element = field{id, kind}
		}
		l.wrong = true
		return
	}
	at, known := slices.BinarySearchFunc(l.ids, id, bytes.Compare)
	switch {
	case known:
	case len(l.ids) == maxGroups:
		l.tooMany = true
	default:
		l.ids = slices.Insert(l.ids, at, id)
	}
}

// groups reads the optional list of group ids. An empty list is the same as none.
func (j *judge) groups() [][]byte {
	v := j.f.get(groupIDs)
	l := &j.f.groups
	switch {
	case v.kind == absent:
		return nil
	case v.kind != array:
		j.wrong("data.group_ids is %s; it is a list of ids", said(v))
	case l.wrong && l.element.kind == absent:
		j.wrong("data.group_ids has null in it; an id is a text of 1 to 256 bytes")
	case l.wrong:
		j.wrong("data.group_ids has %s in it; an id is a text of 1 to 256 bytes", said(l.element))
	case l.tooMany:
		j.wrong("data.group_ids has more than %d different ids", maxGroups)
	case len(l.ids) > 0:
		return l.ids
	}
	return nil
}
