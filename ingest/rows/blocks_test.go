package rows

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"rollcall/schema"
)

func dayOf(year int, month time.Month, day int) schema.Day {
	return schema.DayOf(time.Date(year, month, day, 0, 0, 0, 0, time.UTC))
}

// Every day that a column can hold has its calendar month's number, whichever day was asked for
// before.
func TestMonths(t *testing.T) {
	const last = 1<<16 - 1 // the last day of ClickHouse's Date
	days := make([]schema.Day, last+1)
	for i := range days {
		days[i] = schema.Day(i)
	}
	check := func(order string, days []schema.Day) {
		var m months
		for _, d := range days {
			year, month, _ := d.Time().Date()
			if want := uint16(12*year + int(month) - 1); m.of(d) != want {
				t.Fatalf("%s: %s is of month %d, want %d", order, d, m.of(d), want)
			}
		}
	}
	check("forwards", days)
	slices.Reverse(days)
	check("backwards", days)
	check("across edges", []schema.Day{
		dayOf(2026, 1, 31), dayOf(2026, 2, 1), dayOf(2026, 1, 31), dayOf(2026, 2, 28), dayOf(2026, 3, 1),
		dayOf(2024, 2, 29), dayOf(2025, 12, 31), dayOf(2026, 1, 1), dayOf(2025, 12, 31), dayOf(2026, 12, 31),
		dayOf(2027, 1, 1),
	})
}

// A row's key has its month, its org's place in the order of names, its day and its type, from the
// highest bits to the lowest.
func TestKeysOfEvents(t *testing.T) {
	e := NewEvents()
	e.Add(&schema.Event{Type: schema.WorkflowRun, Day: dayOf(2026, 11, 30), Org: []byte("b")})
	e.Add(&schema.Event{Type: schema.Message, Day: dayOf(1970, 1, 1), Org: []byte("a")})
	e.Add(&schema.Event{Type: schema.Token, Day: dayOf(2149, 6, 6)})
	e.Blocks(ignoreCopies)
	for row, want := range []uint64{0x5f02_000002_5133_04, 0x5c58_000001_0000_01, 0x64c1_000000_ffff_03} {
		if high := e.keys[row].high; high != want {
			t.Errorf("row %d has the key %016x, want %016x", row, high, want)
		}
	}
}

// Events become one block for each month. Within it they are in the order of org, day, type and
// event id, however they came.
func TestBlocksOfEvents(t *testing.T) {
	months := [][]schema.Day{
		{dayOf(2024, 2, 29)},
		{dayOf(2025, 12, 31)},
		{dayOf(2026, 1, 1), dayOf(2026, 1, 31)},
		{dayOf(2026, 2, 1), dayOf(2026, 2, 2), dayOf(2026, 2, 28)},
		{dayOf(2026, 3, 1)},
	}
	var events []*schema.Event
	var want []string // one text for each block
	for _, days := range months {
		block := ""
		for _, org := range []string{"", "a", "ab", "b"} {
			for _, day := range days {
				for _, typ := range []schema.Type{schema.Message, schema.Action, schema.Token, schema.WorkflowRun} {
					for id := range byte(2) {
						ev := &schema.Event{Type: typ, Day: day, Org: []byte(org), EventID: schema.EventID{15: id}}
						events = append(events, ev)
						block += eventText(ev)
					}
				}
			}
		}
		want = append(want, block)
	}
	random := rand.New(rand.NewPCG(9, 10))
	e := NewEvents()
	for range 20 {
		random.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		e.Reset()
		for _, ev := range events {
			e.Add(ev)
		}
		var got []string
		for _, b := range e.Blocks(ignoreCopies) {
			text := ""
			for _, row := range b.rows {
				text += eventText(events[row])
			}
			got = append(got, text)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("the blocks are %q, want %q", got, want)
		}
	}
}

func eventText(ev *schema.Event) string {
	return fmt.Sprintf("%s %s %d %d; ", ev.Org, ev.Day, ev.Type, ev.EventID[15])
}

// No event makes no block, and one event makes one.
func TestFewestBlocks(t *testing.T) {
	e := NewEvents()
	if blocks := e.Blocks(ignoreCopies); len(blocks) != 0 {
		t.Errorf("%d blocks of no events", len(blocks))
	}
	e.Add(eventOf(schema.Message, 1))
	if blocks := e.Blocks(ignoreCopies); len(blocks) != 1 || blocks[0].Len() != 1 || blocks[0].Table() != "events" {
		t.Errorf("one event makes the blocks %v", blocks)
	}
	entities := NewEntities()
	if blocks := entities.Blocks(ignoreCopies); len(blocks) != 0 {
		t.Errorf("%d blocks of no entities", len(blocks))
	}
	if blocks := NewRejects().Blocks(); len(blocks) != 0 {
		t.Errorf("%d blocks of no rejects", len(blocks))
	}
}

// Of the copies of one event, a block has one of the highest version. The others are reported with
// their type, those of the same version before those of lower versions, which are conflicts.
func TestCopiesOfEvents(t *testing.T) {
	events := NewEvents()
	entities := NewEntities()
	for _, version := range []uint64{1, 3, 2, 3} {
		for _, id := range []byte{7, 8} {
			ev := schema.Event{
				Type: schema.Token, Day: 20000, Org: []byte("o"), EventID: schema.EventID{id}, Version: version,
				Entity: &schema.Entity{},
			}
			events.Add(&ev)
			entities.Add(&ev)
		}
	}
	events.Add(&schema.Event{Type: schema.Action, Day: 20000, Org: []byte("o"), EventID: schema.EventID{7}, Version: 9})
	var copies []string
	note := func(typ schema.Type, conflict bool) { copies = append(copies, fmt.Sprint(typ, " ", conflict)) }
	blocks := events.Blocks(note)
	var winners []string
	for _, row := range blocks[0].rows {
		ev := events.Event(row)
		winners = append(winners, fmt.Sprint(ev.Type, " ", ev.EventID[0], " ", ev.Version))
	}
	same := fmt.Sprint(schema.Token, " false")
	other := fmt.Sprint(schema.Token, " true")
	if want := []string{same, other, other, same, other, other}; !slices.Equal(copies, want) {
		t.Errorf("the copies are %q, want %q", copies, want)
	}
	want := []string{fmt.Sprint(schema.Action, " 7 9"), fmt.Sprint(schema.Token, " 7 3"), fmt.Sprint(schema.Token, " 8 3")}
	if len(blocks) != 1 || !slices.Equal(winners, want) {
		t.Errorf("%d blocks of %q, want one of %q", len(blocks), winners, want)
	}

	copies = nil
	blocks = entities.Blocks(note)
	same = fmt.Sprint(schema.EntityState, " false")
	other = fmt.Sprint(schema.EntityState, " true")
	if want := []string{same, other, other, same, other, other}; !slices.Equal(copies, want) {
		t.Errorf("the entities' copies are %q, want %q", copies, want)
	}
	if rows := blocks[0].rows; !slices.Equal(rows, []uint32{2, 3}) {
		t.Errorf("the entities' rows are %d, want the first ones of version 3, 2 and 3", rows)
	}
}

// Event returns what was added as a row, apart from the content.
func TestEventOfARow(t *testing.T) {
	e := NewEvents()
	entities := NewEntities()
	for n := range 3 {
		e.Add(eventOf(schema.Token, n))
		entities.Add(entityOf(n))
	}
	for n := range 3 {
		of := eventOf(schema.Token, n)
		want := schema.Event{
			Type: of.Type, Day: of.Day, Time: of.Time, EventID: of.EventID, Version: of.Version, Org: of.Org, User: of.User,
		}
		if got := e.Event(uint32(n)); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("row %d is %v, want %v", n, got, want)
		}
		of = entityOf(n)
		want = schema.Event{
			Type: of.Type, Day: of.Day, Time: of.Time, EventID: of.EventID, Version: of.Version, Org: of.Org,
		}
		got := entities.Event(uint32(n))
		wantEntity := schema.Entity{Kind: of.Entity.Kind, ID: of.Entity.ID, Owner: of.Entity.Owner}
		if fmt.Sprint(*got.Entity) != fmt.Sprint(wantEntity) {
			t.Errorf("row %d is of the entity %v, want %v", n, *got.Entity, wantEntity)
		}
		got.Entity = nil
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("row %d of the entities is %v, want %v", n, got, want)
		}
	}
	if e.Len() != 3 || entities.Len() != 3 {
		t.Errorf("%d events and %d entities, want 3", e.Len(), entities.Len())
	}
}
