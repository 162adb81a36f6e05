package rows

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"rollcall/schema"
)

// Held is all the memory that the rows hold: every column's, the last block's and the sorter's.
func TestHeldIsAllThatIsHeld(t *testing.T) {
	text := make([]byte, 1<<20)
	rejects := NewRejects()
	empty := rejects.Held()
	for _, rec := range []*schema.Record{
		{Key: text}, {Value: text}, {Headers: []schema.Header{{Key: text}}}, {Headers: []schema.Header{{Value: text}}},
	} {
		rejects.Add(rec, &schema.Rejection{Reason: schema.MalformedJSON}, time.Now())
		rejects.Blocks()[0].Encode()
		rejects.Reset()
	}
	if held := rejects.Held() - empty; held < 5<<20 {
		t.Errorf("%d bytes are said to be held by four columns and a block of 1 MiB each", held)
	}
	for name, held := range map[string]func() int{
		"texts": func() int {
			e := NewEvents()
			e.Add(&schema.Event{Type: schema.Message, ID: text})
			return e.Held()
		},
		"words": func() int {
			e := NewEvents()
			e.Add(&schema.Event{Type: schema.Message, Org: text})
			return e.Held()
		},
		"entities": func() int {
			e := NewEntities()
			e.Add(&schema.Event{Type: schema.EntityState, Entity: &schema.Entity{Name: text}})
			return e.Held()
		},
		"sorting": func() int {
			e := NewEvents()
			for range 40_000 {
				e.append(&schema.Event{})
			}
			return e.Held()
		},
	} {
		if n := held(); n < 1<<20 {
			t.Errorf("%s: %d bytes are said to be held", name, n)
		}
	}
}

// everything has one set of rows for each table that is filled from records.
type everything struct {
	events   *Events
	entities *Entities
	rejects  *Rejects
}

func newEverything() *everything {
	return &everything{NewEvents(), NewEntities(), NewRejects()}
}

func (e *everything) reset() {
	e.events.Reset()
	e.entities.Reset()
	e.rejects.Reset()
}

// fill adds rows of all kinds, some of them copies.
func (e *everything) fill(random *rand.Rand) {
	types := []schema.Type{schema.Message, schema.Action, schema.Token, schema.WorkflowRun}
	for range random.IntN(100) {
		n := random.IntN(60)
		switch random.IntN(4) {
		case 0:
			e.entities.Add(entityOf(n))
		case 1:
			rec, rej := rejectOf(n)
			e.rejects.Add(rec, rej, time.UnixMilli(int64(n)))
		default:
			e.events.Add(eventOf(types[random.IntN(len(types))], n))
		}
	}
}

// entityOf fills every field of an entity event, or leaves out every field that may be missing.
func entityOf(n int) *schema.Event {
	ev := eventOf(schema.EntityState, n)
	ev.Entity = &schema.Entity{Kind: schema.User, ID: fmt.Appendf(nil, "user-%d", n), Deleted: n%5 == 0}
	if n%2 == 0 {
		day := schema.Day(20000 + n)
		ev.Entity.JoinedAt = &day
		ev.Entity.Settings = &schema.Settings{UserLevelData: true, BYOK: true, Workflows: true, Pseudonymize: true}
		ev.Entity.Name = fmt.Appendf(nil, "name-%d", n)
		ev.Entity.Owner = fmt.Appendf(nil, "owner-%d", n)
		ev.Entity.Role = fmt.Appendf(nil, "role-%d", n%3)
		ev.Entity.Company = fmt.Appendf(nil, "company-%d", n)
		ev.Entity.License = fmt.Appendf(nil, "license-%d", n%3)
		ev.Entity.Status = schema.EntityStatus(n % 3)
		for i := range n % 5 {
			ev.Entity.GroupIDs = append(ev.Entity.GroupIDs, fmt.Appendf(nil, "group-%d", i))
		}
	}
	return ev
}

func rejectOf(n int) (*schema.Record, *schema.Rejection) {
	rec := &schema.Record{Topic: fmt.Sprint("topic-", n%3), Partition: int32(n % 7), Offset: int64(n)}
	rec.Time = schema.Millis(n)
	rec.Key = fmt.Appendf(nil, "key-%d", n)
	rec.Value = fmt.Appendf(nil, "value-%d", n)
	for i := range n % 4 {
		header := schema.Header{Key: fmt.Appendf(nil, "name-%d", i), Value: fmt.Appendf(nil, "value-%d", n)}
		rec.Headers = append(rec.Headers, header)
	}
	rej := &schema.Rejection{Reason: schema.MalformedJSON, Detail: fmt.Sprint("detail-", n), Org: "org"}
	rej.User = fmt.Sprint("user-", n)
	if n%3 == 0 {
		rej.Reason = schema.TooLarge
		rec.Cut = &schema.Cut{Size: uint64(n) << 20, SHA256: [32]byte{byte(n)}}
	}
	return rec, rej
}

// dump is all that the rows say, as blocks, and column by column in the order of arrival.
func (e *everything) dump() map[string]string {
	var copies []string
	twice := func(t schema.Type, conflict bool) { copies = append(copies, fmt.Sprint(t, conflict)) }
	events := e.events.Blocks(twice)
	all := map[string]string{
		"events' blocks":   blocksText(events),
		"entities' blocks": blocksText(e.entities.Blocks(twice)),
		"rejects' blocks":  blocksText(e.rejects.Blocks()),
		"slices":           fmt.Sprint(e.events.Slices(events)),
		"highs":            fmt.Sprint(len(e.events.highs), len(e.entities.highs)),
		"sent at":          fmt.Sprint(e.rejects.sentAt),
	}
	all["copies"] = fmt.Sprint(copies)
	for _, t := range []*table{&e.events.table, &e.entities.table, &e.rejects.table} {
		for _, f := range t.fields {
			rows := make([]uint32, f.len())
			for i := range rows {
				rows[i] = uint32(i)
			}
			all[t.name+"."+f.name] = string(f.encode(nil, rows))
		}
	}
	return all
}

func blocksText(blocks []Block) (text string) {
	for _, b := range blocks {
		text += fmt.Sprintf("%s%v%q", b.Insert(), b.rows, b.Encode())
	}
	return text
}

// Rows in memory that was used before are equal to rows in new memory.
func TestResetLeavesNothing(t *testing.T) {
	used := newEverything()
	for seed := range uint64(200) {
		used.reset()
		used.fill(rand.New(rand.NewPCG(seed, 1)))
		fresh := newEverything()
		fresh.fill(rand.New(rand.NewPCG(seed, 1)))
		got := used.dump()
		want := fresh.dump()
		for name := range want {
			if got[name] != want[name] {
				t.Fatalf("round %d: %s is %.300q, not %.300q", seed, name, got[name], want[name])
			}
		}
	}
}

// Columns report the memory that they have, because the limits of batches depend on it.
func TestColumnsKnowTheirMemory(t *testing.T) {
	const rows = 1000
	text := []byte("sixteen bytes...")
	byWidth := func(width int) column { return &numbers[uint32]{width: width} }
	for name, c := range map[string]struct {
		column   column
		size     int // of rows rows
		reserved int // held once there is room for the rows, and none is there
	}{
		"numbers of 1 byte":   {byWidth(1), rows, rows},
		"numbers of 8 bytes":  {byWidth(8), 8 * rows, 8 * rows},
		"numbers of 16 bytes": {byWidth(16), 16 * rows, 16 * rows},
		"texts":               {&texts{}, (16 + 4) * rows, 4 * rows},
		"hashes":              {&hashes{width: 16}, 16 * rows, 16 * rows},
		"words":               {&words{}, 16 + 2*4 + 4*rows, 4 * rows},
	} {
		c.column.reserve(rows)
		if held := c.column.held(); held != c.reserved {
			t.Errorf("%s: with room for %d rows, %d bytes are said to be held, want %d", name, rows, held, c.reserved)
		}
		for range rows {
			switch c := c.column.(type) {
			case *numbers[uint32]:
				c.add(1)
			case interface{ add([]byte) }:
				c.add(text)
			}
		}
		if size := c.column.size(); size != c.size {
			t.Errorf("%s: %d rows are said to be %d bytes, want %d", name, rows, size, c.size)
		}
		if held := c.column.held(); held < c.size {
			t.Errorf("%s: %d bytes are said to be held, and %d are there", name, held, c.size)
		}
	}
}
