package access

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"rollcall/schema/tables"
)

// oldKey stores a key's row as binaries before migration 0010 wrote it: updated_at is the time of
// their host.
func (f *fixture) oldKey(id, org string, updated time.Time, revoked *time.Time) (text string) {
	f.Helper()
	salt := "0123456789abcdef"
	secret := strings.Repeat("s", keySecretLength)
	batch, err := f.conn.PrepareBatch(f.Context(), insertKey)
	if err != nil {
		f.Fatal(err)
	}
	defer batch.Close()
	err = batch.Append(id, org, "old", salt, string(hashKey([]byte(salt), secret)), []string{ScopeExport}, updated,
		(*time.Time)(nil), revoked, updated)
	if err = errors.Join(err, batch.Send()); err != nil {
		f.Fatal(err)
	}
	return "rc_" + id + "_" + secret
}

// merged makes the engine merge the rows of each key, so that only the row with the highest rank is
// left.
func (f *fixture) merged() {
	f.Helper()
	if err := f.conn.Exec(f.Context(), "OPTIMIZE TABLE keys FINAL"); err != nil {
		f.Fatal(err)
	}
}

// A key made by a host whose clock is ahead, by minutes or by years, is revoked for good by a host
// whose clock is right. This holds before a merge and after it.
func TestRevocationOutranksEveryClock(t *testing.T) {
	f := newFixture(t)
	made := map[string]string{}
	for id, ahead := range map[string]time.Duration{
		"behindbehind": -time.Hour, "minutesahead": 10 * time.Minute, "decadesahead": 200 * 365 * 24 * time.Hour,
	} {
		made[id] = f.oldKey(id, "acme", time.Now().Add(ahead), nil)
	}
	id, text := f.key("acme")
	made[id] = text
	for id, text := range made {
		if _, err := f.keys.Verify(t.Context(), text, time.Now()); err != nil {
			t.Fatalf("%s before: %v", id, err)
		}
		if err := f.keys.Revoke(t.Context(), id); err != nil {
			t.Fatalf("%s: %v", id, err)
		}
	}
	f.wantRevoked("revoked", made)
	f.merged()
	f.wantRevoked("merged", made)
}

func (f *fixture) wantRevoked(when string, made map[string]string) {
	f.Helper()
	keys := OpenKeys(f.conn) // with an empty cache
	for id, text := range made {
		if _, err := keys.Verify(f.Context(), text, time.Now()); !errors.Is(err, ErrKey) {
			f.Errorf("%s: %s: %v, want ErrKey", when, id, err)
		}
	}
	list, err := keys.List(f.Context(), "acme")
	if err != nil || len(list) != len(made) {
		f.Errorf("%s: %d keys, %v", when, len(list), err)
	}
	for _, k := range list {
		if state := k.State(time.Now()); state != "revoked" {
			f.Errorf("%s: %s is listed as %s", when, k.ID, state)
		}
	}
	// This is how a binary before migration 0010 reads the table.
	var valid uint64
	row := f.conn.QueryRow(f.Context(), "SELECT count() FROM keys FINAL WHERE revoked_at IS NULL")
	if err := row.Scan(&valid); err != nil || valid != 0 {
		f.Errorf("%s: to an older binary %d keys are valid, %v", when, valid, err)
	}
}

// An older binary that runs beside this one can revoke a key that this one made, although it writes
// its own clock as the rank and the clock may be far behind.
func TestAnOlderBinaryRevokes(t *testing.T) {
	f := newFixture(t)
	id, text := f.key("acme")
	err := f.conn.Exec(t.Context(),
		`INSERT INTO keys (key_id, org_id, name, salt, hash, scopes, created_at, expires_at, revoked_at, updated_at)
SELECT key_id, org_id, name, salt, hash, scopes, created_at, expires_at, now64(3), now64(6) - INTERVAL 1 YEAR FROM keys FINAL WHERE key_id = {id:String}`, clickhouse.Named("id", id))
	if err != nil {
		t.Fatal(err)
	}
	f.merged()
	f.wantRevoked("merged", map[string]string{id: text})
}

// An older binary's revocation may have a lower rank than the row of a host whose clock was ahead.
// As long as the revocation's row is still on disk, the key counts as revoked; after migration 0010
// it does so for good.
func TestALateRevocationIsFound(t *testing.T) {
	f := newFixture(t)
	if err := f.conn.Exec(t.Context(), "SYSTEM STOP MERGES keys"); err != nil {
		t.Fatal(err)
	}
	ahead := time.Now().Add(10 * time.Minute)
	now := time.Now()
	text := f.oldKey("latelatelate", "acme", ahead, nil)
	f.oldKey("latelatelate", "acme", now, &now)
	if _, err := f.keys.Verify(t.Context(), text, now); !errors.Is(err, ErrKey) {
		t.Errorf("%v, want ErrKey", err)
	}
	statements, err := tables.Statements(f.options)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range append(statements, "SYSTEM START MERGES keys") {
		if strings.HasPrefix(s, "INSERT INTO keys") || strings.HasPrefix(s, "SYSTEM") {
			if err := f.conn.Exec(t.Context(), s); err != nil {
				t.Fatal(err)
			}
		}
	}
	f.merged()
	f.wantRevoked("migrated and merged", map[string]string{"latelatelate": text})
}

// lossy is a connection whose inserts are acknowledged and lost.
type lossy struct{ driver.Conn }

func (c lossy) Exec(ctx context.Context, query string, args ...any) error {
	if strings.HasPrefix(query, "INSERT") {
		return nil
	}
	return c.Conn.Exec(ctx, query, args...)
}

func (c lossy) PrepareBatch(
	ctx context.Context, query string, options ...driver.PrepareBatchOption,
) (driver.Batch, error) {
	batch, err := c.Conn.PrepareBatch(ctx, query, options...)
	return lostBatch{batch}, err
}

type lostBatch struct{ driver.Batch }

func (lostBatch) Send() error { return nil }

// Create and Revoke read the table before they report success. If the table does not show the
// change, they fail.
func TestKeysAreReadBack(t *testing.T) {
	f := newFixture(t)
	id, text := f.key("acme")
	keys := OpenKeys(lossy{f.conn})
	if err := keys.Revoke(t.Context(), id); err == nil || !strings.Contains(err.Error(), "not revoked") {
		t.Errorf("a revocation that is not in the table: %v", err)
	}
	if _, err := keys.Verify(t.Context(), text, time.Now()); err != nil {
		t.Errorf("the key: %v", err)
	}
	if _, made, err := keys.Create(t.Context(), "acme", "", 0); err == nil || made != "" {
		t.Errorf("a key that is not in the table: %q, %v", made, err)
	}
}
