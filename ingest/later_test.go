package ingest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"rollcall/schema"
)

const laterFields = `,"company_name":"Acme","license_type":"pro","status":"suspended","group_ids":["b","a","b"]`

func describing(id, user string, at time.Time, more string) string {
	return strings.TrimSuffix(userEvent(id, user, "N "+user, at), "}}") + more + "}}"
}

// keep writes what an ingest that does not know the later fields stores of an event: the row
// without them, under the version that the event has without them.
func (h *harness) keep(value string, more uint64) {
	h.Helper()
	var ev schema.Event
	if rej := schema.NewDecoder().Decode(&schema.Record{Value: []byte(value)}, time.Now(), &ev); rej != nil {
		h.Fatal(rej.Detail)
	}
	id, name := string(ev.Entity.ID), string(ev.Entity.Name)
	if more&schema.Erased != 0 {
		id, name = "", ""
	}
	err := h.conn.Exec(context.Background(), `INSERT INTO entities (org_id, day, event_id, version, kind, entity_id, time, source, id, name)
SELECT {org:String}, toDate32({day:String}), unhex({event:String}), {version:UInt64}, 'user', {entity:String}, fromUnixTimestamp64Milli({time:Int64}, 'UTC'), 'test', 'i', {name:String}`,
		clickhouse.Named("org", string(ev.Org)), clickhouse.Named("day", ev.Day.String()),
		clickhouse.Named("event", fmt.Sprintf("%x", ev.EventID)), clickhouse.Named("version", fmt.Sprint(ev.Version|more)),
		clickhouse.Named("entity", id), clickhouse.Named("time", fmt.Sprint(int64(ev.Time))), clickhouse.Named("name", name))
	if err != nil {
		h.Fatal(err)
	}
}

// An event that was stored before ingest knew company, license, status and groups, and is read
// again after the upgrade, is one event and has these fields. It keeps them when an older ingest
// beside this one stores it once more. Nobody who was erased before comes back by it.
func TestAReplayShowsTheLaterFields(t *testing.T) {
	h := newHarness(t, "usage.entities")
	before := time.Now().Add(-time.Hour)
	const persons = 40 // half of them would lose if the version were a hash of all fields
	var again []string
	for i := range persons {
		user := fmt.Sprint("u", i)
		h.keep(describing("e"+user, user, before, ""), 0)
		again = append(again, describing("e"+user, user, before, laterFields))
	}
	h.keep(describing("plain", "plain", before, ""), 0)
	again = append(again, describing("plain", "plain", before, `,"status":"active","group_ids":[],"company_name":null`))
	h.keep(describing("gone", "gone", before, ""), schema.Erased)
	h.erase("acme", "gone", before.Add(time.Minute))
	again = append(again, describing("gone", "gone", before, laterFields))

	h.produce("usage.entities", 0, append(again, again...)...)
	m := h.start()
	h.eventually("all committed", func() bool { return h.committed("usage.entities", 0) == int64(2*len(again)) })
	check := func(when string) {
		for query, want := range map[string]uint64{
			"SELECT count() FROM entities FINAL WHERE bitAnd(version, 1) = 0": persons + 1,
			"SELECT count() FROM entities FINAL WHERE bitAnd(version, 1) = 0 AND company_name = 'Acme' AND license_type = 'pro' AND status = 'suspended' AND group_ids = ['a', 'b'] AND name = concat('N ', entity_id)": persons,
			"SELECT count() FROM entities FINAL WHERE entity_id = 'plain' AND company_name = '' AND license_type = '' AND status = 'active' AND group_ids = []":                                                         1,
			"SELECT count() FROM entities FINAL WHERE bitAnd(version, 1) = 1 AND entity_id = '' AND company_name = '' AND license_type = '' AND status = 'active' AND group_ids = []":                                   1,
			"SELECT count() FROM entities WHERE entity_id = 'gone'": 0,
		} {
			if n := h.count(query); n != want {
				t.Errorf("%s: %s = %d, not %d", when, query, n, want)
			}
		}
	}
	check("read again")
	if n := m.metric("conflicts_total"); n != 0 {
		t.Errorf("%v conflicts are counted, and no two copies differ", n)
	}
	for i := range persons {
		user := fmt.Sprint("u", i)
		h.keep(describing("e"+user, user, before, ""), 0)
	}
	check("an older ingest has stored them once more")
}

// Two copies that differ in a later field alone are a conflict, and the same one wins in every
// order of arrival.
func TestCopiesThatDifferInLaterFields(t *testing.T) {
	before := time.Now().Add(-time.Hour)
	copies := []string{
		describing("e", "ann", before, ""), describing("e", "ann", before, laterFields),
		describing("e", "ann", before, `,"group_ids":["c"]`), describing("e", "ann", before, `,"status":"invited"`),
	}
	var winner string
	for _, order := range [][]int{{0, 1, 2, 3}, {3, 2, 1, 0}, {2, 0, 3, 1}} {
		t.Run(fmt.Sprint(order), func(t *testing.T) {
			h := newHarness(t, "usage.entities")
			for _, i := range order {
				h.produce("usage.entities", 0, copies[i])
			}
			h.start()
			h.eventually("all committed", func() bool { return h.committed("usage.entities", 0) == 4 })
			var got string
			const row = "SELECT toString((company_name, license_type, status, group_ids)) FROM entities FINAL"
			if err := h.conn.QueryRow(t.Context(), row).Scan(&got); err != nil {
				t.Fatal(err)
			}
			if winner == "" {
				winner = got
			}
			if got != winner || got == "('','','active',[])" {
				t.Errorf("in the order %d the winner is %s, before it was %s", order, got, winner)
			}
		})
	}
}
