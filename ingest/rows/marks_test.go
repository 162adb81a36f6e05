package rows

import (
	"fmt"
	"slices"
	"testing"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/google/uuid"

	"rollcall/schema"
)

// Each org's day that has rows is listed once, in the order of the rows.
func TestSlices(t *testing.T) {
	a := []byte("a")
	b := []byte("b")
	first := dayOf(2026, 1, 31)
	next := dayOf(2026, 2, 1)
	for name, c := range map[string]struct {
		events []schema.Event
		want   []string
	}{
		"no event":  {nil, nil},
		"one event": {[]schema.Event{{Org: a, Day: first}}, []string{"a 2026-01-31"}},
		"another day": {
			[]schema.Event{{Org: a, Day: first}, {Org: a, Day: first - 1}}, []string{"a 2026-01-30", "a 2026-01-31"},
		},
		"another month": {
			[]schema.Event{{Org: a, Day: next}, {Org: a, Day: first}}, []string{"a 2026-01-31", "a 2026-02-01"},
		},
		"another org": {
			[]schema.Event{{Org: b, Day: first}, {Org: a, Day: first}}, []string{"a 2026-01-31", "b 2026-01-31"},
		},
		"equal neighbours": {
			[]schema.Event{
				{Org: a, Day: first}, {Org: a, Day: first, EventID: schema.EventID{1}}, {Org: a, Day: first, Type: schema.Token},
			},
			[]string{"a 2026-01-31"},
		},
	} {
		e := NewEvents()
		for i := range c.events {
			e.Add(&c.events[i])
		}
		var got []string
		for _, s := range e.Slices(e.Blocks(ignoreCopies)) {
			got = append(got, fmt.Sprintf("%s %s", s.Org, s.Day))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: the slices are %q, want %q", name, got, c.want)
		}
	}
}

// A mark names its slice, its writer and the writer's number for it. Marks of the call before are
// gone.
func TestMarks(t *testing.T) {
	m := NewMarks()
	if blocks := m.Blocks(nil, uuid.Nil, 1); len(blocks) != 0 {
		t.Errorf("%d blocks of no slices", len(blocks))
	}
	m.Blocks([]Slice{{[]byte("old"), 1}, {[]byte("older"), 2}, {[]byte("oldest"), 3}}, uuid.Nil, 1)
	writer := uuid.MustParse("01234567-89ab-cdef-fedc-ba9876543210")
	blocks := m.Blocks([]Slice{{[]byte("b"), dayOf(2026, 1, 31)}, {[]byte("a"), dayOf(2149, 6, 6)}}, writer, 1<<40+5)
	if len(blocks) != 1 || blocks[0].Table() != "marks" || blocks[0].Len() != 2 {
		t.Fatalf("two slices make the blocks %v", blocks)
	}
	if want := "INSERT INTO marks (org_id, day, writer, seq)"; blocks[0].Insert() != want {
		t.Errorf("the statement is %q, want %q", blocks[0].Insert(), want)
	}
	checkRead(t, blocks[0], []wanted{
		reads("org_id", new(proto.ColStr).LowCardinality(), "b", "a"),
		reads("day", new(proto.ColDate), dayOf(2026, 1, 31).Time(), dayOf(2149, 6, 6).Time()),
		reads("writer", new(proto.ColUUID), writer, writer),
		reads("seq", new(proto.ColUInt64), 1<<40+5, 1<<40+5),
	})
}
