package traffic

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// A Record must be produced to Topic, to any partition. The headers decide the content mode.
type Record struct {
	Topic   string
	Key     []byte
	Value   []byte
	Headers []Header
}

// A Header is one of a Kafka record.
type Header struct {
	Key   string
	Value []byte
}

// The workspaces that Make sends events of.
const (
	Full      = "full"             // byok, workflows, user-level data
	Private   = "private"          // user_level_data off, byok off
	Pseudonym = "pseudonym"        // pseudonymize, byok, workflows
	Plain     = "=plain \"örg\" ;" // never sent any settings; its id needs quoting and the formula guard
)

// Orgs lists these workspaces.
func Orgs() []string { return []string{Full, Private, Pseudonym, Plain} }

// A Config says how many records to make, and of which time.
type Config struct {
	Seed   uint64
	Now    time.Time // events lie up to 12 months before and a day after it
	Events int       // about how many events; copies and broken records are added
	Topics []string  // any topic carries any type
}

// moveEvery is how many other events there are for each user who moves on some day: the events of a
// move are a sixth of all.
const moveEvery = 40

// A maker draws everything from one random source.
type maker struct {
	*rand.Rand
	Config
	first time.Time // 00:00 of the earliest exportable day
}

// Make returns the records, in the order of production.
func Make(c Config) []Record {
	m := &maker{Rand: rand.New(rand.NewPCG(c.Seed, 0)), Config: c}
	// A run may go on past midnight. The margin keeps its first day from being too old then.
	m.first = earliest(c.Now.Add(20 * time.Minute))
	records := m.settings()
	for n := range c.Events {
		events := []event{m.event(fmt.Sprintf("e%d", n))}
		if n%moveEvery == 0 {
			events = append(events, m.moves(n)...)
		}
		for _, e := range events {
			records = append(records, m.encode(e))
			records = append(records, m.copies(e)...)
			if m.IntN(40) == 0 {
				records = append(records, m.broken(e))
			}
		}
	}
	m.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
	return records
}

// event is a random event. Sometimes its id was used before. It is another event all the same,
// because its source, workspace, type or day is another.
func (m *maker) event(id string) event {
	if m.IntN(10) == 0 {
		id = fmt.Sprintf("e%d", m.IntN(20))
	}
	org := Orgs()[m.IntN(4)]
	e := event{id: id, source: pick(m, sources), fields: []field{{"org_id", quoted(org)}}}
	if p := m.IntN(100); p < 87 {
		m.usage(&e, p)
	} else {
		m.entity(&e)
	}
	return e
}

// usage makes an event of a type of usage, by a number from 0 to 86.
func (m *maker) usage(e *event, p int) {
	switch {
	case p < 35:
		m.message(e)
	case p < 50:
		m.action(e)
	case p < 75:
		m.token(e)
	default:
		m.workflowRun(e)
	}
}

// copies returns copies of an event that was sent: the same bytes, the same content written
// differently, or, rarely, other content with the same identity.
func (m *maker) copies(e event) (records []Record) {
	if m.IntN(8) == 0 {
		records = append(records, m.encode(e))
	}
	if m.IntN(12) == 0 {
		records = append(records, m.encode(m.shuffled(e)))
	}
	for m.IntN(12) == 0 {
		records = append(records, m.encode(m.changed(e)))
	}
	return records
}

func pick[T any](m *maker, from []T) T { return from[m.IntN(len(from))] }

// maybe is one of the texts, or often none.
func (m *maker) maybe(from []string) string {
	if m.IntN(3) == 0 {
		return ""
	}
	return pick(m, from)
}
