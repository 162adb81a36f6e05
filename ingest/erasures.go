package ingest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"rollcall/ingest/rows"
	"rollcall/schema"
)

// erasures is the list of erased persons, as it was last read. It has only keyed hashes of their
// ids.
type erasures struct {
	secret  []byte
	current atomic.Pointer[erasureList]
}

func newErasures(secret []byte) *erasures {
	e := &erasures{secret: secret}
	e.current.Store(&erasureList{})
	return e
}

func (e *erasures) list() *erasureList { return e.current.Load() }

// An erasureList is what the table held at one moment; it never changes. Nil and the zero value
// list nobody.
type erasureList struct {
	secret  []byte
	digest  uint64                          // of the table's rows
	persons map[string]map[[32]byte]erasure // by org and hash
}

// An erasure says which of a person's events are erased: those from before `at`, and those in
// `ahead`, which have a later time but were stored by then.
type erasure struct {
	at    schema.Millis
	ahead map[schema.EventID]bool
}

const erasuresDigest = "SELECT sum(cityHash64(org_id, user_hash, erased_at, ahead)) FROM erasures FINAL"

const erasuresRows = "SELECT org_id, user_hash, erased_at, ahead FROM erasures FINAL"

var errNoSecret = errors.New("persons were erased, but ingest has no secret to know their events by; " +
	"give it the service's secret")

// refresh reads the list if it changed.
func (e *erasures) refresh(ctx context.Context, conn driver.Conn) (*erasureList, error) {
	l := &erasureList{secret: e.secret, persons: map[string]map[[32]byte]erasure{}}
	if err := conn.QueryRow(ctx, erasuresDigest).Scan(&l.digest); err != nil {
		return nil, fmt.Errorf("read the erasures' digest: %w", err)
	}
	if now := e.list(); now.digest == l.digest {
		return now, nil
	}
	if len(e.secret) == 0 {
		return nil, errNoSecret
	}
	var rows []struct {
		Org   string    `ch:"org_id"`
		Hash  string    `ch:"user_hash"`
		At    time.Time `ch:"erased_at"`
		Ahead []string  `ch:"ahead"`
	}
	if err := conn.Select(ctx, &rows, erasuresRows); err != nil {
		return nil, fmt.Errorf("read the erasures: %w", err)
	}
	for _, row := range rows {
		if l.persons[row.Org] == nil {
			l.persons[row.Org] = map[[32]byte]erasure{}
		}
		e := erasure{at: schema.Millis(row.At.UnixMilli()), ahead: make(map[schema.EventID]bool, len(row.Ahead))}
		for _, id := range row.Ahead {
			e.ahead[schema.EventID([]byte(id))] = true
		}
		l.persons[row.Org][[32]byte([]byte(row.Hash))] = e
	}
	e.current.Store(l)
	return l, nil
}

// has says whether an event belongs to an erased person and is from before the erasure.
func (l *erasureList) has(ev *schema.Event) bool {
	if l == nil || len(l.persons) == 0 {
		return false
	}
	return l.hasPerson(ev.Org, personOf(ev), ev.Time, ev.EventID)
}

// redact removes an erased person as the owner of an entity, if the event is from before the
// erasure.
func (l *erasureList) redact(ev *schema.Event) {
	if l == nil || ev.Entity == nil || !l.hasPerson(ev.Org, ev.Entity.Owner, ev.Time, ev.EventID) {
		return
	}
	ev.Entity.Owner = nil
	ev.Version += schema.Redaction
}

// hasReject says whether a refused record names an erased person and is from before the erasure.
func (l *erasureList) hasReject(rec *schema.Record, rej *schema.Rejection) bool {
	return l != nil && l.hasPerson([]byte(rej.Org), []byte(rej.User), rej.SentAt(rec), schema.EventID{})
}

func (l *erasureList) hasPerson(org, user []byte, at schema.Millis, id schema.EventID) bool {
	persons := l.persons[string(org)]
	if len(persons) == 0 || len(user) == 0 {
		return false
	}
	e, erased := persons[schema.PersonHash(l.secret, string(org), string(user))]
	return erased && (at < e.at || e.ahead[id])
}

// personOf is the person of an event: the user who did something, or the user who is described. It
// is nil for other entities.
func personOf(ev *schema.Event) []byte {
	switch {
	case ev.Type != schema.EntityState:
		return ev.User
	case ev.Entity.Kind == schema.User:
		return ev.Entity.ID
	}
	return nil
}

// tombstone is the event without its content. It keeps its identity and its place among its copies.
func tombstone(ev *schema.Event) *schema.Event {
	t := &schema.Event{
		Type: ev.Type, Day: ev.Day, Time: ev.Time, EventID: ev.EventID, Version: ev.Version | schema.Erased, Org: ev.Org,
	}
	if ev.Entity != nil {
		t.Entity = &schema.Entity{Kind: ev.Entity.Kind}
	}
	return t
}

// An erasedPerson is an erased person of whom a batch brought rows.
type erasedPerson struct{ org, user string }

// erasedRows are the rows to delete of an erasedPerson: all from before the erasure, and of the
// batch's later ones those whose ids are in `ahead`.
type erasedRows struct {
	before schema.Millis
	ahead  []schema.EventID
}

// tombstones searches a batch that is already in the log for persons who were erased since the
// batch read its erasure list. It returns tombstones for their events, and for each person the rows
// to delete or to redact.
func (b *batch) tombstones(
	l *erasureList,
) (log *rows.Events, history *rows.Entities, persons map[erasedPerson]*erasedRows) {
	log, history, persons = rows.NewEvents(), rows.NewEntities(), map[erasedPerson]*erasedRows{}
	if b.list.same(l) {
		return log, history, nil
	}
	for row := range uint32(b.events.Len()) {
		if ev := b.events.Event(row); l.has(&ev) {
			log.Add(tombstone(&ev))
			l.note(persons, ev.User, &ev)
		}
	}
	for row := range uint32(b.entities.Len()) {
		ev := b.entities.Event(row)
		if l.has(&ev) {
			history.Add(tombstone(&ev))
			l.note(persons, personOf(&ev), &ev)
		} else if owner := ev.Entity.Owner; l.hasPerson(ev.Org, owner, ev.Time, ev.EventID) {
			l.note(persons, owner, &ev)
		}
	}
	return log, history, persons
}

// note adds an event to the rows of an erased user. The event is the user's own, or names the user
// as an owner.
func (l *erasureList) note(persons map[erasedPerson]*erasedRows, user []byte, ev *schema.Event) {
	p := erasedPerson{string(ev.Org), string(user)}
	rows := persons[p]
	if rows == nil {
		rows = &erasedRows{before: l.persons[p.org][schema.PersonHash(l.secret, p.org, p.user)].at}
		persons[p] = rows
	}
	if ev.Time >= rows.before {
		rows.ahead = append(rows.ahead, ev.EventID)
	}
}

func (l *erasureList) same(m *erasureList) bool {
	return l != nil && l.digest == m.digest
}

// newlyErasedRejects lists the batch's rejects that name a person who was erased since the batch
// read its erasure list.
func (b *batch) newlyErasedRejects(l *erasureList) (rows []uint32) {
	if b.list.same(l) {
		return nil
	}
	for row := range uint32(b.rejects.Len()) {
		r := b.rejects.Reject(row)
		if l.hasPerson(r.Org, r.User, r.SentAt, schema.EventID{}) {
			rows = append(rows, row)
		}
	}
	return rows
}
