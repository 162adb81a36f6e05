package rows

import (
	"encoding/binary"

	"rollcall/schema"
)

// Entities are rows of the attribute history, schema/tables/migrations/0004_entities.sql
// and 0015_teams.sql.
type Entities struct {
	table
	sorter

	org      words
	day      numbers[schema.Day]
	eventID  hashes
	version  numbers[uint64]
	kind     numbers[schema.Kind]
	entityID texts
	time     numbers[schema.Millis]
	source   words
	id       texts
	deleted  numbers[uint8]

	name, email, department, description, url, owner texts
	role                                             words
	joined                                           maybeDays

	hasSettings, userLevelData, byok, workflows, pseudonymize numbers[uint8]

	company  texts
	license  words
	status   numbers[schema.EntityStatus]
	groupIDs lists
}

const (
	kindEnum = "Enum8('workspace' = 1, 'user' = 2, 'assistant' = 3, 'workflow' = 4, 'project' = 5, 'api_key' = 6, " +
		"'group' = 7)"
	statusEnum = "Enum8('active' = 0, 'invited' = 1, 'suspended' = 2)"
)

// NewEntities makes Entities without rows.
func NewEntities() *Entities {
	e := &Entities{}
	e.day = numbers[schema.Day]{width: 4, typ: "Date32"}
	e.eventID = hashes{width: 16, typ: "FixedString(16)"}
	e.version = numbers[uint64]{width: 8, typ: "UInt64"}
	e.kind = numbers[schema.Kind]{width: 1, typ: kindEnum}
	e.status = numbers[schema.EntityStatus]{width: 1, typ: statusEnum}
	e.time = numbers[schema.Millis]{width: 8, typ: "DateTime64(3, 'UTC')"}
	for _, c := range []*numbers[uint8]{
		&e.deleted, &e.hasSettings, &e.userLevelData, &e.byok, &e.workflows, &e.pseudonymize,
	} {
		*c = numbers[uint8]{width: 1, typ: "Bool"}
	}
	e.table = table{name: "entities", fields: []field{
		{"org_id", &e.org}, {"day", &e.day}, {"event_id", &e.eventID}, {"version", &e.version},
		{"kind", &e.kind}, {"entity_id", &e.entityID}, {"time", &e.time}, {"source", &e.source}, {"id", &e.id},
		{"deleted", &e.deleted}, {"name", &e.name}, {"email", &e.email}, {"role", &e.role}, {"joined_at", &e.joined},
		{"department", &e.department}, {"description", &e.description}, {"url", &e.url}, {"owner_id", &e.owner},
		{"has_settings", &e.hasSettings}, {"user_level_data", &e.userLevelData}, {"byok", &e.byok},
		{"workflows", &e.workflows}, {"pseudonymize", &e.pseudonymize}, {"company_name", &e.company},
		{"license_type", &e.license}, {"status", &e.status}, {"group_ids", &e.groupIDs},
	}}
	return e
}

// Event returns what a row says of its event apart from the content: day, time, identity, version
// and org, and of the entity its kind, id and owner. Its texts are valid until Reset.
func (e *Entities) Event(row uint32) schema.Event {
	return schema.Event{
		Type:    schema.EntityState,
		Day:     e.day.values[row],
		Time:    e.time.values[row],
		EventID: schema.EventID(e.eventID.at(row)),
		Version: e.version.values[row],
		Org:     e.org.at(row),
		Entity:  &schema.Entity{Kind: e.kind.values[row], ID: e.entityID.at(row), Owner: e.owner.at(row)},
	}
}

// Len is how many rows were added since Reset, copies included.
func (e *Entities) Len() int { return len(e.keys) }

// Held is the memory that the rows take, in bytes. Reset keeps it.
func (e *Entities) Held() int { return e.table.held() + e.sorter.held() }

// Reset forgets the rows.
func (e *Entities) Reset() {
	e.table.reset()
	e.keys = e.keys[:0]
}

// Add copies one entity event. It keeps nothing of ev.
func (e *Entities) Add(ev *schema.Event) {
	e.append(ev)
	e.org.add(ev.Org)
	e.day.add(ev.Day)
	e.eventID.add(ev.EventID[:])
	e.version.add(ev.Version)
	e.time.add(ev.Time)
	e.source.add(ev.Source)
	e.id.add(ev.ID)

	entity := ev.Entity
	e.kind.add(entity.Kind)
	e.entityID.add(entity.ID)
	e.deleted.add(oneIf(entity.Deleted))
	e.name.add(entity.Name)
	e.email.add(entity.Email)
	e.role.add(entity.Role)
	e.joined.add(entity.JoinedAt)
	e.department.add(entity.Department)
	e.description.add(entity.Description)
	e.url.add(entity.URL)
	e.owner.add(entity.Owner)
	e.company.add(entity.Company)
	e.license.add(entity.License)
	e.status.add(entity.Status)
	e.groupIDs.add(entity.GroupIDs)

	settings := entity.Settings
	e.hasSettings.add(oneIf(settings != nil))
	if settings == nil {
		settings = &schema.Settings{}
	}
	e.userLevelData.add(oneIf(settings.UserLevelData))
	e.byok.add(oneIf(settings.BYOK))
	e.workflows.add(oneIf(settings.Workflows))
	e.pseudonymize.add(oneIf(settings.Pseudonymize))
}

// Blocks sorts the rows as the table does and leaves out copies (see sorter). The table has no
// partitions, so all rows are one block. twice is called for each copy that is left out.
func (e *Entities) Blocks(twice func(t schema.Type, conflict bool)) []Block {
	ranks := e.org.ranks()
	for row := range e.keys {
		e.keys[row].high = uint64(ranks[e.org.rows[row]])<<32 | uint64(uint32(e.day.values[row]))
	}
	rows := e.sort(func(_ uint32, conflict bool) { twice(schema.EntityState, conflict) })
	if len(rows) == 0 {
		return nil
	}
	return []Block{{&e.table, rows}}
}

// maybeDays are dates that may be missing: Nullable(Date32).
type maybeDays struct {
	missing numbers[uint8]
	days    numbers[schema.Day]
}

func (c *maybeDays) kind() string { return "Nullable(Date32)" }
func (c *maybeDays) len() int     { return c.days.len() }
func (c *maybeDays) size() int    { return 5 * c.len() }
func (c *maybeDays) held() int    { return 5 * cap(c.days.values) }

func (c *maybeDays) reserve(rows int) {
	c.missing.reserve(rows)
	c.days.reserve(rows)
}

func (c *maybeDays) reset() {
	c.missing.reset()
	c.days.reset()
}

func (c *maybeDays) add(day *schema.Day) {
	c.missing.add(oneIf(day == nil))
	if day == nil {
		day = new(schema.Day)
	}
	c.days.add(*day)
}

func (c *maybeDays) encode(out []byte, rows []uint32) []byte {
	c.missing.width = 1
	c.days.width = 4
	return c.days.encode(c.missing.encode(out, rows), rows)
}

// lists are lists of strings: Array(String).
type lists struct {
	ends   []uint32
	texts  texts
	wanted []uint32 // memory of encode, used again
}

func (c *lists) kind() string { return "Array(String)" }
func (c *lists) len() int     { return len(c.ends) }
func (c *lists) size() int    { return 8*len(c.ends) + c.texts.size() }
func (c *lists) held() int    { return 4*cap(c.ends) + c.texts.held() + 4*cap(c.wanted) }

func (c *lists) reserve(rows int) { c.ends = withRoom(c.ends, rows) }

func (c *lists) reset() {
	c.ends = c.ends[:0]
	c.texts.reset()
}

func (c *lists) add(list [][]byte) {
	for _, v := range list {
		c.texts.add(v)
	}
	c.ends = append(c.ends, uint32(c.texts.len()))
}

// of returns the places of a row's texts: the first, and the one after the last.
func (c *lists) of(row uint32) (from, to uint32) {
	if row > 0 {
		from = c.ends[row-1]
	}
	return from, c.ends[row]
}

func (c *lists) encode(out []byte, rows []uint32) []byte {
	c.wanted = c.wanted[:0]
	for _, row := range rows {
		from, to := c.of(row)
		for i := from; i < to; i++ {
			c.wanted = append(c.wanted, i)
		}
		out = binary.LittleEndian.AppendUint64(out, uint64(len(c.wanted)))
	}
	return c.texts.encode(out, c.wanted)
}
