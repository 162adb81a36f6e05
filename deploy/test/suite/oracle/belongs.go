package oracle

import (
	"encoding/json"
	"slices"
	"time"
)

// A Belonging is what a user belongs to. The zero value belongs nowhere.
type Belonging struct {
	Department string
	GroupIDs   []string // sorted by bytes, each once
}

// Belongs returns what a user of a workspace belongs to on the UTC day of a time, whatever is
// counted: as it stands at the end of that day, even if the day is not over, and even if the user
// is deleted by then. Before the first description, it is that of the first one. Someone whom
// nobody described belongs nowhere. Settle every conflict before.
func (o *Oracle) Belongs(org, user string, on time.Time) Belonging {
	return histories(o.events(org), "user")[user].belongs(on.UnixMilli())
}

// belongs returns what a user belongs to at the end of the UTC day of a time.
func (h history) belongs(ms int64) Belonging {
	return belonging(h.at(day(ms).AddDate(0, 0, 1).UnixMilli() - 1))
}

func belonging(e Event) Belonging { return Belonging{e.Department, e.groups()} }

// groups lists the ids of GroupIDs.
func (e Event) groups() (ids []string) {
	if e.GroupIDs != "" && json.Unmarshal([]byte(e.GroupIDs), &ids) != nil {
		panic("oracle: no list of ids: " + e.GroupIDs) // GroupIDs of this file made it
	}
	return ids
}

// GroupIDs is the normal form of a list of group ids: a JSON array, sorted, each id once; "" for
// none. Events that hold it can be compared.
func GroupIDs(ids []string) string {
	if len(ids) == 0 {
		return ""
	}
	ids = slices.Clone(ids)
	slices.Sort(ids)
	text, err := json.Marshal(slices.Compact(ids))
	if err != nil {
		panic(err) // texts can always be encoded
	}
	return string(text)
}

// groupIDs reads a list of at most 64 different ids.
func (d *data) groupIDs(name string) string {
	v := d.value(name)
	if v == "" {
		return ""
	}
	var elements []json.RawMessage
	if json.Unmarshal([]byte(v), &elements) != nil {
		d.invalid = true
		return ""
	}
	different := map[string]bool{}
	for _, element := range elements {
		one := data{fields: map[string]json.RawMessage{"id": element}}
		one.need("id")
		different[one.text("id", 256)] = true
		d.invalid = d.invalid || one.missing || one.invalid
	}
	d.invalid = d.invalid || len(different) > 64
	var ids []string
	for id := range different {
		ids = append(ids, id)
	}
	return GroupIDs(ids)
}
