package export

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// ScopeExport lets a key export its workspace's usage; it is what a key gets if nothing else is asked for.
const ScopeExport = "USAGE_EXPORT_API"

// ErrKey says that a key is malformed, unknown, wrong, revoked or expired. Which of these is told to nobody.
var ErrKey = errors.New("invalid API key")

// ErrKeyRefused says that a key was asked for which cannot be; its text says why. Nothing was stored.
var ErrKeyRefused = errors.New("no key was made")

// A Key is what is known of a workspace's key. The key itself was shown once; a salted hash of it rests in the table keys.
type Key struct {
	ID        string     `ch:"key_id"`
	Org       string     `ch:"org_id"`
	Name      string     `ch:"name"`
	Scopes    []string   `ch:"scopes"`
	CreatedAt time.Time  `ch:"created_at"`
	ExpiresAt *time.Time `ch:"expires_at"` // nil: never
	RevokedAt *time.Time `ch:"revoked_at"` // nil: not
	Salt      string     `ch:"salt"`       // 16 bytes
	Hash      string     `ch:"hash"`       // SHA-256 of salt and secret
}

// State is valid, expired or revoked.
func (k Key) State(now time.Time) string {
	switch {
	case k.RevokedAt != nil:
		return "revoked"
	case k.ExpiresAt != nil && !now.Before(*k.ExpiresAt):
		return "expired"
	}
	return "valid"
}

// keyCacheAge is how long a key that was read counts without being read again, and so how long a revoked one may go on working.
const keyCacheAge = time.Second

// Keys reads and writes the table keys. It is safe for concurrent use.
type Keys struct {
	conn driver.Conn

	mu    sync.Mutex
	cache map[string]cachedKey
}

type cachedKey struct {
	key  Key
	read time.Time
}

// OpenKeys takes a connection of tables.Open; it does not talk to the server yet.
func OpenKeys(conn driver.Conn) *Keys { return &Keys{conn: conn, cache: map[string]cachedKey{}} }

var scopeForm = regexp.MustCompile(`^[A-Z][A-Z0-9_]{0,63}$`)

// Create makes a key, rc_<id>_<secret>, for a workspace, which may have sent nothing yet. expires 0 is never; no scope is ScopeExport. What
// cannot be is ErrKeyRefused.
func (k *Keys) Create(ctx context.Context, org, name string, expires time.Duration, scopes ...string) (id, key string, err error) {
	if len(scopes) == 0 {
		scopes = []string{ScopeExport}
	}
	if err := judgeKey(org, name, expires, scopes); err != nil {
		return "", "", err
	}
	id = newKeyID()
	secret, salt := make([]byte, 32), make([]byte, 16)
	rand.Read(secret)
	rand.Read(salt)
	text := base64.RawURLEncoding.EncodeToString(secret)
	now := time.Now().UTC()
	var expiry *time.Time
	if expires > 0 {
		at := now.Add(expires)
		expiry = &at
	}
	batch, err := k.conn.PrepareBatch(ctx, "INSERT INTO keys (key_id, org_id, name, salt, hash, scopes, created_at, expires_at, revoked_at, updated_at)")
	if err != nil {
		return "", "", fmt.Errorf("store the key: %w", err)
	}
	defer batch.Close()
	if err := batch.Append(id, org, name, string(salt), string(hashKey(salt, text)), scopes, now, expiry, (*time.Time)(nil), now); err != nil {
		return "", "", fmt.Errorf("store the key: %w", err)
	}
	if err := batch.Send(); err != nil {
		return "", "", fmt.Errorf("store the key: %w", err)
	}
	return id, "rc_" + id + "_" + text, nil
}

func judgeKey(org, name string, expires time.Duration, scopes []string) error {
	switch {
	case org == "" || len(org) > 256 || !utf8.ValidString(org):
		return fmt.Errorf("%w: it needs its workspace's id, 1 to 256 bytes of UTF-8", ErrKeyRefused)
	case len(name) > 256 || !utf8.ValidString(name):
		return fmt.Errorf("%w: its name has at most 256 bytes of UTF-8", ErrKeyRefused)
	case expires < 0:
		return fmt.Errorf("%w: it cannot expire before it is made; give a positive duration, or none", ErrKeyRefused)
	}
	for _, s := range scopes {
		if !scopeForm.MatchString(s) {
			return fmt.Errorf("%w: a scope is written like %s, not %q", ErrKeyRefused, ScopeExport, s)
		}
	}
	return nil
}

const keyColumns = "SELECT key_id, org_id, name, scopes, created_at, expires_at, revoked_at, salt, hash FROM keys FINAL"

// List gives the keys of one workspace, or with org "" all, oldest first.
func (k *Keys) List(ctx context.Context, org string) ([]Key, error) {
	var all []Key
	err := k.conn.Select(ctx, &all, keyColumns+" WHERE {org:String} = '' OR org_id = {org:String} ORDER BY org_id, created_at, key_id", clickhouse.Named("org", org))
	if err != nil {
		return nil, fmt.Errorf("list the keys: %w", err)
	}
	return all, nil
}

// Revoke makes a key invalid for good; every service process knows within keyCacheAge. Revoking it again changes nothing.
func (k *Keys) Revoke(ctx context.Context, id string) error {
	if _, err := k.read(ctx, id); errors.Is(err, ErrKey) {
		return fmt.Errorf("there is no key %q; `rollcall keys list` shows all ids", id)
	} else if err != nil {
		return err
	}
	err := k.conn.Exec(ctx, `INSERT INTO keys (key_id, org_id, name, salt, hash, scopes, created_at, expires_at, revoked_at, updated_at)
SELECT key_id, org_id, name, salt, hash, scopes, created_at, expires_at, now64(3), now64(6) FROM keys FINAL
WHERE key_id = {id:String} AND revoked_at IS NULL`, clickhouse.Named("id", id))
	if err != nil {
		return fmt.Errorf("revoke the key: %w", err)
	}
	k.mu.Lock()
	delete(k.cache, id)
	k.mu.Unlock()
	return nil
}

// Verify gives the key that the text is, if it is valid now; else ErrKey.
func (k *Keys) Verify(ctx context.Context, text string, now time.Time) (Key, error) {
	id, secret, ok := splitKey(text)
	if !ok {
		return Key{}, ErrKey
	}
	key, err := k.Valid(ctx, id, now)
	if err != nil {
		return Key{}, err
	}
	if subtle.ConstantTimeCompare(hashKey([]byte(key.Salt), secret), []byte(key.Hash)) != 1 {
		return Key{}, ErrKey
	}
	return key, nil
}

// Valid gives the key of an id whose holder was verified before (a session, a signed link), if it still is valid; else ErrKey.
func (k *Keys) Valid(ctx context.Context, id string, now time.Time) (Key, error) {
	k.mu.Lock()
	cached, ok := k.cache[id]
	k.mu.Unlock()
	if !ok || time.Since(cached.read) >= keyCacheAge {
		read := time.Now() // before the query: the row is at least as new
		key, err := k.read(ctx, id)
		if err != nil {
			return Key{}, err
		}
		cached = cachedKey{key, read}
		k.keep(cached)
	}
	if cached.key.State(now) != "valid" {
		return Key{}, ErrKey
	}
	return cached.key, nil
}

// read gives the key's row, or ErrKey.
func (k *Keys) read(ctx context.Context, id string) (Key, error) {
	var rows []Key
	if err := k.conn.Select(ctx, &rows, keyColumns+" WHERE key_id = {id:String}", clickhouse.Named("id", id)); err != nil {
		return Key{}, fmt.Errorf("read the key: %w", err)
	}
	if len(rows) == 0 {
		return Key{}, ErrKey
	}
	return rows[0], nil
}

// keep caches a key, and drops the old ones when there are many.
func (k *Keys) keep(c cachedKey) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.cache) >= 1024 {
		for id, old := range k.cache {
			if time.Since(old.read) >= keyCacheAge {
				delete(k.cache, id)
			}
		}
	}
	k.cache[c.key.ID] = c
}

func hashKey(salt []byte, secret string) []byte {
	h := sha256.New()
	h.Write(salt)
	h.Write([]byte(secret))
	return h.Sum(nil)
}

const (
	keyIDLength     = 12
	keySecretLength = 43
	keyIDAlphabet   = "abcdefghijkmnpqrstuvwxyz23456789" // 32 characters that are not mistaken for each other
)

func newKeyID() string {
	id := make([]byte, keyIDLength)
	rand.Read(id)
	for i, b := range id {
		id[i] = keyIDAlphabet[b%32]
	}
	return string(id)
}

func splitKey(text string) (id, secret string, ok bool) {
	text, ok = strings.CutPrefix(text, "rc_")
	if !ok || len(text) != keyIDLength+1+keySecretLength || text[keyIDLength] != '_' {
		return "", "", false
	}
	return text[:keyIDLength], text[keyIDLength+1:], true
}
