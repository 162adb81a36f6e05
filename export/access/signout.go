package access

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"rollcall/schema/tables"
)

const (
	signOutTimeout   = 10 * time.Second
	maxEndedSessions = 4096 // in memory
)

// endedSessions are the sessions that were signed out. Every process must refuse an ended session
// from the next request on, so each check asks the table. Only ended sessions are cached, because
// they stay ended: an ended cookie that is sent again and again does not cost a query each time.
type endedSessions struct {
	conn driver.Conn

	mu  sync.Mutex
	ids map[string]struct{} // some of them
}

func newEndedSessions(conn driver.Conn) *endedSessions {
	return &endedSessions{conn: conn, ids: map[string]struct{}{}}
}

// has returns whether a session has ended.
func (e *endedSessions) has(ctx context.Context, session string) (bool, error) {
	if e.remembers(session) {
		return true, nil
	}
	var rows uint64
	row := e.conn.QueryRow(ctx, "SELECT count() FROM ended_sessions WHERE session_id = {id:String}",
		clickhouse.Named("id", session))
	if err := row.Scan(&rows); err != nil {
		return false, fmt.Errorf("look whether the session has ended: %w", err)
	}
	if rows > 0 {
		e.remember(session)
	}
	return rows > 0, nil
}

// add ends the session of a cookie. It returns nil once the table shows the end; from then on every
// process refuses the session. If the client leaves, add goes on.
func (e *endedSessions) add(ctx context.Context, c cookie) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), signOutTimeout)
	defer cancel()
	ended, err := e.has(ctx, c.session)
	if err != nil || ended {
		return err
	}
	if err := e.store(ctx, c); err != nil {
		return fmt.Errorf("end the session: %w", err)
	}
	ended, err = e.has(ctx, c.session)
	if err == nil && !ended {
		err = errors.New("end the session: the database took the row, but does not show it")
	}
	return err
}

func (e *endedSessions) store(ctx context.Context, c cookie) error {
	batch, err := e.conn.PrepareBatch(tables.WithoutQuorum(ctx), "INSERT INTO ended_sessions (session_id, expires_at)")
	if err != nil {
		return err
	}
	defer batch.Close()
	if err := batch.Append(c.session, c.expires); err != nil {
		return err
	}
	return batch.Send()
}

func (e *endedSessions) remembers(session string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, ended := e.ids[session]
	return ended
}

func (e *endedSessions) remember(session string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.ids) >= maxEndedSessions {
		clear(e.ids) // ended sessions are then read from the table again
	}
	e.ids[session] = struct{}{}
}
