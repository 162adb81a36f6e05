package ingest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"rollcall/deploy/demo/embedded/enginetest"
	"rollcall/schema"
	"rollcall/schema/tables"
)

func (h *harness) erase(org, user string, at time.Time) {
	h.Helper()
	hash := schema.PersonHash(testSecret, org, user)
	err := h.conn.Exec(context.Background(),
		"INSERT INTO erasures (org_id, user_hash, erased_at, done_at, updated_at) VALUES (?, ?, ?, toDateTime64(0, 3), now64(3))",
		org, string(hash[:]), at)
	if err != nil {
		h.Fatal(err)
	}
}

// An event that an erased person sent before the erasure is dropped and counted when it comes
// again. An event from after the erasure is an event like any other.
func TestErasedPersonsEventsAreDropped(t *testing.T) {
	h := newHarness(t, "usage.messages")
	now := time.Now()
	h.erase("acme", "ann", now.Add(-time.Minute))
	h.produce("usage.messages", 0,
		message("before", "ann", now.Add(-2*time.Minute)), message("after", "ann", now),
		message("other", "bob", now.Add(-2*time.Minute)),
		userEvent("e-before", "ann", "Ann", now.Add(-2*time.Minute)), userEvent("e-after", "ann", "A.", now))
	m := h.start()
	h.eventually("all committed", func() bool { return h.committed("usage.messages", 0) == 5 })
	for query, want := range map[string]uint64{
		"SELECT count() FROM events WHERE bitAnd(version, 1) = 0":                             2,
		"SELECT count() FROM events WHERE id = 'before' OR user_id = 'ann' AND id != 'after'": 0,
		"SELECT count() FROM entities WHERE bitAnd(version, 1) = 0":                           1,
		"SELECT count() FROM entities WHERE id = 'e-after'":                                   1,
	} {
		if n := h.count(query); n != want {
			t.Errorf("%s = %d, not %d", query, n, want)
		}
	}
	if usage, entities := m.metric("events_total", "type=message", "outcome=erased"), m.metric("events_total",
		"type=entity", "outcome=erased"); usage != 1 || entities != 1 {
		t.Errorf("erased: %v messages and %v entities, not 1 and 1", usage, entities)
	}
}

// Events that were stored with a later time than the erasure are known by their ids, whether their
// batch comes during the erasure or after it. Events with the same times and other ids do not
// belong to the erased person.
func TestWhatLayAheadAtAnErasureStaysErased(t *testing.T) {
	h := newHarness(t, "usage.messages")
	now := time.Now()
	soon := now.Add(time.Hour)
	far := time.Date(2199, 1, 1, 0, 0, 0, 0, time.UTC)
	assistant := func(id string) string {
		return fmt.Sprintf(`{"specversion":"1.0","id":%q,"source":"/test","type":"usage.entity.v1","time":%q,"data":{"org_id":"acme","kind":"assistant","id":%q,"name":"A","owner_id":"ann"}}`,
			id, far.Format(time.RFC3339Nano), id)
	}
	records := []string{message("m-ahead", "ann", soon), userEvent("u-ahead", "ann", "Ann", far), assistant("a-ahead"),
		message("m-later", "ann", soon), userEvent("u-later", "ann", "A.", far), assistant("a-later"),
		message("other", "bob", soon)}
	h.produce("usage.messages", 0, records...)
	run := func(group string) {
		h.config.Group = group
		m := h.start()
		h.eventually("all committed", func() bool { return h.committed("usage.messages", 0) == int64(len(records)) })
		if err := m.stop(); err != nil {
			t.Fatal(err)
		}
	}
	run("before")
	ids := "SELECT groupUniqArray(event_id) FROM (SELECT event_id FROM events WHERE id = 'm-ahead' UNION ALL SELECT event_id FROM entities WHERE id IN ('u-ahead', 'a-ahead'))"
	hash := schema.PersonHash(testSecret, "acme", "ann")
	erase := func() {
		if err := h.conn.Exec(context.Background(),
			"INSERT INTO erasures (org_id, user_hash, erased_at, updated_at, ahead) SELECT 'acme', unhex({h:String}), now64(3), now64(3), ("+ids+")",
			clickhouse.Named("h", fmt.Sprintf("%x", hash))); err != nil {
			t.Fatal(err)
		}
	}
	var once sync.Once
	proxy := newProxy(h)
	for _, c := range []struct {
		group  string
		beside bool
	}{{"beside", true}, {"after", false}} {
		if c.beside {
			proxy.set(func(statement string) fault {
				if strings.HasPrefix(statement, "INSERT INTO entities") {
					once.Do(erase)
				}
				return fault{}
			})
		}
		run(c.group)
		for query, want := range map[string]uint64{
			// of ann later, and bob
			"SELECT count() FROM events FINAL WHERE bitAnd(version, 1) = 0":                                           2,
			"SELECT count() FROM events FINAL WHERE bitAnd(version, 1) = 0 AND id = 'm-later'":                        1,
			"SELECT count() FROM entities FINAL WHERE bitAnd(version, 1) = 0 AND entity_id = 'ann'":                   1,
			"SELECT count() FROM entities FINAL WHERE bitAnd(version, 1) = 0 AND id = 'u-later'":                      1,
			"SELECT count() FROM entities FINAL WHERE bitAnd(version, 1) = 0 AND kind = 'assistant'":                  2,
			"SELECT count() FROM entities FINAL WHERE bitAnd(version, 1) = 0 AND owner_id = 'ann' AND id = 'a-later'": 1,
			// not even on the disk
			"SELECT count() FROM events WHERE id = 'm-ahead'": 0,
			"SELECT count() FROM entities WHERE id = 'u-ahead' AND entity_id != '' OR id = 'a-ahead' AND owner_id != '' AND version != 0": 0,
		} {
			if n := h.count(query); n != want {
				t.Errorf("%s: %s = %d, not %d", c.group, query, n, want)
			}
		}
	}
}

// An erased person is removed as the owner of entities, whether the event comes before, during or
// again after the erasure. The event keeps its place among its copies.
func TestErasedPersonsAreNoOwners(t *testing.T) {
	h := newHarness(t, "usage.entities")
	now := time.Now()
	var erase sync.Once
	newProxy(h).set(func(statement string) fault {
		if strings.HasPrefix(statement, "INSERT INTO entities") {
			erase.Do(func() { h.erase("acme", "ann", now.Add(time.Minute)) })
		}
		return fault{}
	})
	assistant := func(id, owner string, at time.Time) string {
		return fmt.Sprintf(`{"specversion":"1.0","id":%q,"source":"/test","type":"usage.entity.v1","time":%q,"data":{"org_id":"acme","kind":"assistant","id":%q,"name":"A","owner_id":%q}}`,
			id, at.UTC().Format(time.RFC3339Nano), id, owner)
	}
	var records []string
	for i, id := range numbered("a", 40) { // so many that the copy of each of the two wins for some
		at := now.Add(time.Duration(i) * time.Millisecond) // content, so it decides which copy wins
		records = append(records, assistant(id, "ann", at), assistant(id, "bob", at))
	}
	h.produce("usage.entities", 0, append(records, assistant("later", "ann", now.Add(2*time.Minute)))...)
	const owners = "SELECT count() + 1000 * countIf(owner_id = 'bob') FROM entities FINAL WHERE bitAnd(version, 1) = 0"
	var first uint64
	for _, rows := range []int{200_000, 1, 3} { // the erasure beside the batch; then all of it again
		h.config.Group = fmt.Sprint("group-", rows)
		h.config.BatchRows = rows
		m := h.start()
		h.eventually("all committed", func() bool { return h.committed("usage.entities", 0) == 81 })
		if err := m.stop(); err != nil {
			t.Fatal(err)
		}
		if n := h.count("SELECT count() FROM entities WHERE owner_id = 'ann' AND entity_id != 'later'"); n != 0 {
			t.Errorf("in batches of %d: %d rows name ann as an owner", rows, n)
		}
		if n := h.count("SELECT count() FROM entities FINAL WHERE owner_id = 'ann' AND entity_id = 'later'"); n != 1 {
			t.Errorf("in batches of %d: what ann owned later is gone", rows)
		}
		n := h.count(owners)
		if first == 0 {
			first = n
		}
		if bobs := n / 1000; n != first || n%1000 != 41 || bobs == 0 || bobs == 40 {
			t.Errorf("in batches of %d: %d things, of which %d are bob's; at first %d", rows, n%1000, bobs, first/1000)
		}
	}
}

// A copy without its erased owner wins against the original, and keeps its place among other
// copies.
func TestRedactionRaisesTheVersion(t *testing.T) {
	list := &erasureList{secret: []byte("secret"), persons: map[string]map[[32]byte]erasure{
		"acme": {schema.PersonHash([]byte("secret"), "acme", "ann"): {at: 100}},
	}}
	for _, c := range []struct {
		owner   string
		at      schema.Millis
		version uint64
	}{{"ann", 99, 40 + schema.Redaction}, {"ann", 100, 40}, {"bob", 99, 40}} {
		ev := schema.Event{Org: []byte("acme"), Time: c.at, Version: 40, Entity: &schema.Entity{Owner: []byte(c.owner)}}
		list.redact(&ev)
		if ev.Version != c.version || (ev.Entity.Owner == nil) != (c.version > 40) {
			t.Errorf("%s at %d: version %d, owner %q", c.owner, c.at, ev.Version, ev.Entity.Owner)
		}
	}
}

// The erasure begins after the batch was checked against the erasure list, and searches the log
// before the batch is stored. Ingest itself stores tombstones for the batch's events.
func TestErasureRacesABatch(t *testing.T) {
	t.Run("one server", func(t *testing.T) { erasureRacesABatch(t, newHarness(t, "usage.messages")) })
	t.Run("a cluster", func(t *testing.T) { // whose rows cannot be deleted where they were inserted
		h := newHarness(t, "usage.messages")
		h.tables = enginetest.Cluster(t)
		conn, err := tables.Open(h.tables.OnShard())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		h.conn = conn
		erasureRacesABatch(t, h)
	})
}

func erasureRacesABatch(t *testing.T, h *harness) {
	now := time.Now()
	var once sync.Once
	newProxy(h).set(func(statement string) fault {
		if strings.HasPrefix(statement, "INSERT INTO events") {
			once.Do(func() { h.erase("acme", "ann", now.Add(time.Minute)) })
		}
		return fault{}
	})
	h.produce("usage.messages", 0, message("a", "ann", now), message("b", "bob", now), userEvent("e", "ann", "Ann", now))
	m := h.start()
	h.eventually("all committed", func() bool { return h.committed("usage.messages", 0) == 3 })
	for query, want := range map[string]uint64{
		"SELECT count() FROM events FINAL WHERE bitAnd(version, 1) = 0":                      1,
		"SELECT count() FROM events FINAL WHERE bitAnd(version, 1) = 1 AND user_id = ''":     1,
		"SELECT count() FROM entities FINAL WHERE bitAnd(version, 1) = 0":                    0,
		"SELECT count() FROM entities FINAL WHERE bitAnd(version, 1) = 1 AND entity_id = ''": 1,
		"SELECT count() FROM marks FINAL":                                                    1,
	} {
		if n := h.count(query); n != want {
			t.Errorf("%s = %d, not %d", query, n, want)
		}
	}
	if n := m.metric("events_total", "outcome=erased"); n != 2 {
		t.Errorf("erased: %v, not 2", n)
	}

	// A replay by another start changes nothing.
	if err := m.stop(); err != nil {
		t.Fatal(err)
	}
	h.config.Group += "-again"
	h.start()
	h.eventually("all committed again", func() bool { return h.committed("usage.messages", 0) == 3 })
	if n := h.count("SELECT count() FROM events FINAL WHERE bitAnd(version, 1) = 0 AND user_id = 'ann'"); n != 0 {
		t.Errorf("the erased event is back")
	}
}

// The process stores a batch and dies, and then the person is erased. The next process reads the
// erasure list at its start, and must store tombstones for the rows that the first one stored.
func TestErasureBetweenACrashAndTheRedelivery(t *testing.T) {
	h := newHarness(t, "usage.messages")
	direct := h.tables
	now := time.Now()
	var dead atomic.Bool
	newProxy(h).set(func(statement string) fault {
		if dead.Load() {
			return fault{before: abort}
		}
		if strings.HasPrefix(statement, "INSERT INTO entities") { // the log has its rows by now
			dead.Store(true)
			return fault{after: func() {}}
		}
		return fault{}
	})
	h.produce("usage.messages", 0, message("a", "ann", now), message("b", "bob", now), userEvent("e", "ann", "Ann", now))
	h.config.StopTimeout = 100 * time.Millisecond
	m := h.start()
	h.eventually("the crash", dead.Load)
	_ = m.stop()
	if n := h.count("SELECT count() FROM events FINAL WHERE user_id = 'ann'"); n != 1 {
		t.Fatalf("the first start stored %d events", n)
	}
	h.erase("acme", "ann", now.Add(time.Minute))
	h.tables = direct
	h.start()
	h.eventually("all committed", func() bool { return h.committed("usage.messages", 0) == 3 })
	if usage, entities := h.count("SELECT count() FROM events FINAL WHERE user_id = 'ann'"),
		h.count("SELECT count() FROM entities FINAL WHERE entity_id = 'ann'"); usage+entities != 0 {
		t.Errorf("%d events and %d entities of the erased person are back", usage, entities)
	}
}

// Of two copies that name two persons, one wins. Erasing the person of the losing copy deletes
// nothing. Erasing the person of the winning copy does not make the other copy visible. Both hold
// in whatever order the copies come again.
func TestAnErasureLeavesConflictsAsTheyWereDecided(t *testing.T) {
	h := newHarness(t, "usage.messages")
	now := time.Now()
	for i, id := range numbered("c", 8) {
		at := now.Add(time.Duration(i) * time.Millisecond) // content, so it decides which copy wins
		h.produce("usage.messages", 0, message(id, "ann", at), message(id, "bob", at), message(id, "ann", at))
	}
	m := h.start()
	h.eventually("all committed", func() bool { return h.committed("usage.messages", 0) == 24 })
	const bobs = "SELECT groupBitXor(cityHash64(id)) + count() FROM events FINAL WHERE bitAnd(version, 1) = 0 AND user_id = 'bob'"
	won := h.count(bobs)
	if n := h.count("SELECT uniqExact(user_id) FROM events FINAL"); n != 2 {
		t.Fatalf("of ann and bob, %d won conflicts", n)
	}
	if err := m.stop(); err != nil {
		t.Fatal(err)
	}
	h.erase("acme", "ann", now.Add(time.Minute))
	for _, rows := range []int{1, 2, 200_000} {
		h.config.Group = fmt.Sprint("again-", rows)
		h.config.BatchRows = rows
		m := h.start()
		h.eventually("all committed again", func() bool { return h.committed("usage.messages", 0) == 24 })
		if err := m.stop(); err != nil {
			t.Fatal(err)
		}
		if got := h.count(bobs); got != won {
			t.Errorf("in batches of %d, a replay after ann's erasure changed what is bob's", rows)
		}
		if n := h.count("SELECT count() FROM events FINAL WHERE bitAnd(version, 1) = 0 AND user_id = 'ann'"); n != 0 {
			t.Errorf("in batches of %d, a replay brought %d events of ann back", rows, n)
		}
	}
}

func TestErasuresNeedTheSecret(t *testing.T) {
	h := newHarness(t, "usage.messages")
	h.erase("acme", "ann", time.Now())
	h.config.Secret = nil
	m := h.start()
	err := <-m.ended
	m.cancel()
	m.cancel = nil
	if err == nil || !strings.Contains(err.Error(), "secret") {
		t.Errorf("ended with %v, not for want of the secret", err)
	}
}
