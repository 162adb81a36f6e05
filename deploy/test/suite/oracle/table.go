package oracle

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// A Table is an export.
type Table struct {
	Columns []string
	Rows    [][]Cell
}

// A row of an export is an entity (or a model of token events) with its events and its attributes.
type row struct {
	id     string
	key    modelKey // of the models export
	group  string   // the value of the group_by column
	events []Event
	attributes
}

// attributes are those of a row's entity, with its owner's e-mail.
type attributes struct {
	Event
	ownerEmail string
}

// modelKey identifies a row of the models export.
type modelKey struct {
	name, provider string
	byok           bool
}

// A column is a name and a function of the row.
type column struct {
	name string
	cell func(row) Cell
}

// An export computes one query.
type export struct {
	Query
	period
	until    int64 // attributes are those of this moment, unless it is still to come
	settings Settings
	events   []Event            // of the workspace, at all times
	people   map[string]history // what is said of each user
	usage    []Event            // of the period, without entity events, as far as it meets the filters
	ahead    bool               // a bucket that begins after today: nothing without usage is in it
	private  bool               // names, e-mails and similar fields are withheld
}

// Export computes what the query asks for. Every conflict must be settled before.
func (o *Oracle) Export(q Query) (Table, error) {
	if q.Type == "adoption" && q.Granularity == "" {
		q.Granularity = "day"
	}
	x, err := o.ask(q)
	if err != nil {
		return Table{}, err
	}
	if q.Granularity == "" {
		return x.export()
	}
	return x.buckets()
}

// export computes the rows of the period.
func (x export) export() (Table, error) {
	switch x.Type {
	case "users":
		return x.users(), nil
	case "assistants":
		return x.assistants(), nil
	case "workflows":
		return x.workflows(), nil
	case "projects":
		return x.projects(), nil
	case "models":
		return x.models(), nil
	case "api-keys":
		return x.apiKeys(), nil
	case "departments":
		return x.teams("department"), nil
	case "groups":
		return x.teams("group"), nil
	case "adoption":
		return x.adoption()
	case "focus":
		return x.focus(), nil
	}
	return Table{}, fmt.Errorf("no export %q", x.Type)
}

// Usage returns the workspace's usage events in the query's period, of all types.
func (o *Oracle) Usage(q Query) ([]Event, error) {
	x, err := o.ask(q)
	return x.usage, err
}

func (o *Oracle) ask(q Query) (x export, err error) {
	p, err := q.period()
	if err != nil {
		return x, err
	}
	x = export{Query: q, period: p, until: p.end - 1, events: o.events(q.Org)}
	x.settings = settings(x.events, q.Now.UnixMilli())
	x.private = !x.settings.UserLevelData || x.settings.Pseudonymize
	x.people = histories(x.events, "user")
	x.usage = filter(x.in(p), x.passes)
	return x, nil
}

// in is the usage in a period.
func (x *export) in(p period) []Event {
	return filter(x.events, func(e Event) bool { return e.Type != entityType && e.Time >= p.start && e.Time < p.end })
}

// rows returns the rows of a kind of entity: the entities whose id is in the usage, and the known
// ones.
func (x *export) rows(kind string, idOf func(Event) string) []row {
	type cut struct{ id, group string }
	found := map[cut][]Event{}
	active := map[string]bool{}
	for _, e := range x.usage {
		if id := idOf(e); id != "" {
			active[id] = true
			for _, group := range x.cutsOf(e) {
				c := cut{id, group}
				found[c] = append(found[c], e)
			}
		}
	}
	said := histories(x.events, kind)
	for id, h := range said {
		known := h.known(x.period)
		if kind == "user" {
			known = h.knownUser(x.period, x.attributesOf(h).Joined)
		}
		if known && !active[id] && !x.ActiveOnly {
			found[cut{id: id}] = nil
		}
	}
	var all []row
	for c, events := range found {
		a := attributes{Event: x.attributesOf(said[c.id])}
		a.ownerEmail = x.attributesOf(x.people[a.Owner]).Email
		all = append(all, row{id: c.id, group: c.group, events: events, attributes: a})
	}
	return all
}

// attributesOf returns the attributes of an entity at the period's end. It returns those of now if
// the period is not over or if the query asks for that.
func (x *export) attributesOf(h history) Event {
	return h.at(x.attributesAt())
}

func (x *export) attributesAt() int64 {
	now := x.Now.UnixMilli()
	if x.AttributesNow {
		return now
	}
	return min(now, x.until)
}

// shown is a person's id as it is shown in exports.
func (x *export) shown(id string) string {
	if !x.settings.Pseudonymize || id == "" {
		return id
	}
	mac := func(key []byte, message string) []byte {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(message))
		return h.Sum(nil)
	}
	return hex.EncodeToString(mac(mac(x.Secret, x.Org), id))[:32]
}

// table computes the cells and sorts the rows: by the count in the column orderBy, descending, then
// by the shown id, then by the group.
func (x *export) table(rows []row, orderBy string, columns []column) Table {
	columns = append([]column{
		{"period_start", func(row) Cell { return date(x.from) }},
		{"period_end", func(row) Cell { return date(x.to) }},
		{"org_id", func(row) Cell { return text(x.Org) }},
	}, columns...)
	t := Table{}
	for _, c := range columns {
		t.Columns = append(t.Columns, c.name)
	}
	order := slices.Index(t.Columns, orderBy)
	type keyed struct {
		row
		cells []Cell
	}
	var all []keyed
	for _, r := range rows {
		k := keyed{row: r}
		for _, c := range columns {
			k.cells = append(k.cells, c.cell(r))
		}
		all = append(all, k)
	}
	for i, name := range t.Columns {
		if of := slices.Index(t.Columns, strings.TrimSuffix(name, "_rank")); strings.HasSuffix(name, "_rank") {
			for j := range all {
				all[j].cells[i] = count(1 + countIf(all, func(k keyed) bool {
					return k.group == all[j].group && compareNumbers(k.cells[of], all[j].cells[of]) > 0
				}))
			}
		}
	}
	direction := -1 // counts go down, ranks go up
	if strings.HasSuffix(orderBy, "_rank") {
		direction = 1
	}
	slices.SortFunc(all, func(a, b keyed) int {
		return cmp.Or(direction*compareNumbers(a.cells[order], b.cells[order]), cmp.Compare(x.sortID(a.row), x.sortID(b.row)),
			cmp.Compare(a.key.name, b.key.name), cmp.Compare(a.key.provider, b.key.provider),
			compareBools(a.key.byok, b.key.byok), cmp.Compare(a.group, b.group))
	})
	for _, k := range all {
		t.Rows = append(t.Rows, k.cells)
	}
	return t
}

// sortID is the id by which a row is sorted. For users with pseudonyms it is the pseudonym.
func (x *export) sortID(r row) string {
	if x.Type == "users" {
		return x.shown(r.id)
	}
	return r.id
}

func compareNumbers(a, b Cell) int {
	x, _ := new(big.Int).SetString(a.Text, 10)
	y, _ := new(big.Int).SetString(b.Text, 10)
	return x.Cmp(y)
}

func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

func countIf[T any](all []T, holds func(T) bool) (n int) {
	for _, v := range all {
		if holds(v) {
			n++
		}
	}
	return n
}
