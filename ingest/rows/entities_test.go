package rows

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"rollcall/schema"
)

// A row of the attribute history has what its event says of the entity. What the event does not
// say is empty, false or null.
func TestColumnsOfEntities(t *testing.T) {
	joined := dayOf(1969, 7, 20)
	epoch := schema.Day(0)
	of := func(n byte, kind schema.Kind, entity schema.Entity) *schema.Event {
		entity.Kind = kind
		return &schema.Event{
			Type: schema.EntityState, Org: []byte("org"), Day: 20000, Time: schema.Millis(n) * 1001, EventID: schema.EventID{n},
			Version: uint64(n) << 40, Source: fmt.Append(nil, "s", n), ID: fmt.Append(nil, "i", n), Entity: &entity,
		}
	}
	texts := func(all ...string) (list [][]byte) {
		for _, v := range all {
			list = append(list, []byte(v))
		}
		return list
	}
	e := NewEntities()
	for _, ev := range []*schema.Event{ // not in their order, which is that of the event's ids
		of(2, schema.Workspace, schema.Entity{Settings: &schema.Settings{UserLevelData: true}}),
		of(1, schema.User, schema.Entity{
			ID: []byte("ann"), Name: []byte("Ann"), Email: []byte("a@x"), Role: []byte("admin"), JoinedAt: &joined,
			Department: []byte("R&D"), Description: []byte("an analyst"), URL: []byte("//x/ann"), Owner: []byte("bob"),
			Company: []byte("Acme"), License: []byte("pro"), Status: schema.Suspended, GroupIDs: texts("a", "b"),
		}),
		of(6, schema.APIKey, schema.Entity{Deleted: true, JoinedAt: &epoch}),
		of(5, schema.Workspace, schema.Entity{Settings: &schema.Settings{Pseudonymize: true}}),
		of(4, schema.Workspace, schema.Entity{Settings: &schema.Settings{Workflows: true}}),
		of(3, schema.Workspace, schema.Entity{Settings: &schema.Settings{BYOK: true}}),
		of(7, schema.Group, schema.Entity{Settings: &schema.Settings{}, Status: schema.Invited, GroupIDs: texts("c")}),
	} {
		e.Add(ev)
	}
	blocks := e.Blocks(ignoreCopies)
	if len(blocks) != 1 || !slices.Equal(blocks[0].rows, []uint32{1, 0, 5, 4, 3, 2, 6}) {
		t.Fatalf("the blocks are %v", blocks)
	}
	first := func(v string) []string { return []string{v, "", "", "", "", "", ""} }
	times := new(proto.ColDateTime64)
	times.WithPrecision(proto.PrecisionMilli)
	days := make([]time.Time, 7)
	var ids [][16]byte
	var versions []uint64
	var millis []time.Time
	for n := range uint64(7) {
		days[n] = schema.Day(20000).Time()
		ids = append(ids, [16]byte{byte(n + 1)})
		versions = append(versions, (n+1)<<40)
		millis = append(millis, (schema.Millis(n+1) * 1001).Time())
	}
	kinds := []proto.Enum8{2, 1, 1, 1, 1, 6, 7}
	null := proto.Nullable[time.Time]{Value: schema.Day(0).Time()} // its value is not set
	lowCardinality := func() proto.ColumnOf[string] { return new(proto.ColStr).LowCardinality() }
	ofText := func() proto.ColumnOf[string] { return new(proto.ColStr) }
	bools := func() proto.ColumnOf[bool] { return new(proto.ColBool) }
	checkRead(t, blocks[0], []wanted{
		reads("org_id", lowCardinality(), "org", "org", "org", "org", "org", "org", "org"),
		reads("day", new(proto.ColDate32), days...),
		reads("event_id", new(proto.ColFixedStr16), ids...),
		reads("version", new(proto.ColUInt64), versions...),
		reads("kind", new(proto.ColEnum8), kinds...),
		reads("entity_id", ofText(), first("ann")...),
		reads("time", times, millis...),
		reads("source", lowCardinality(), "s1", "s2", "s3", "s4", "s5", "s6", "s7"),
		reads("id", ofText(), "i1", "i2", "i3", "i4", "i5", "i6", "i7"),
		reads("deleted", bools(), false, false, false, false, false, true, false),
		reads("name", ofText(), first("Ann")...),
		reads("email", ofText(), first("a@x")...),
		reads("role", lowCardinality(), first("admin")...),
		reads("joined_at", new(proto.ColDate32).Nullable(),
			proto.NewNullable(joined.Time()), null, null, null, null, proto.NewNullable(epoch.Time()), null),
		reads("department", ofText(), first("R&D")...),
		reads("description", ofText(), first("an analyst")...),
		reads("url", ofText(), first("//x/ann")...),
		reads("owner_id", ofText(), first("bob")...),
		reads("has_settings", bools(), false, true, true, true, true, false, true),
		reads("user_level_data", bools(), false, true, false, false, false, false, false),
		reads("byok", bools(), false, false, true, false, false, false, false),
		reads("workflows", bools(), false, false, false, true, false, false, false),
		reads("pseudonymize", bools(), false, false, false, false, true, false, false),
		reads("company_name", ofText(), first("Acme")...),
		reads("license_type", lowCardinality(), first("pro")...),
		reads("status", new(proto.ColEnum8), 2, 0, 0, 0, 0, 0, 1),
		reads("group_ids", proto.NewArray(ofText()), []string{"a", "b"}, nil, nil, nil, nil, nil, []string{"c"}),
	})
}

// Entities are in the order of org, then day, then event id.
func TestOrderOfEntities(t *testing.T) {
	e := NewEntities()
	add := func(org string, day schema.Day, id byte) {
		e.Add(&schema.Event{Org: []byte(org), Day: day, EventID: schema.EventID{id}, Entity: &schema.Entity{}})
	}
	add("b", 20000, 1)
	add("a", 20001, 1)
	add("a", 20000, 2)
	add("a", 20000, 1)
	add("", 70000, 1)
	if rows := e.Blocks(ignoreCopies)[0].rows; !slices.Equal(rows, []uint32{4, 3, 2, 1, 0}) {
		t.Errorf("the rows are in the order %d", rows)
	}
	if high, want := e.keys[1].high, uint64(1<<32+20001); high != want {
		t.Errorf("the key is %x, want %x", high, want)
	}
}
