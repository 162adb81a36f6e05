package access

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"time"
	"unicode/utf8"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"rollcall/schema/tables"
)

// ScopeExport lets a key export its workspace's usage. A key gets this scope if no other is asked
// for.
const ScopeExport = "USAGE_EXPORT_API"

// ErrKey says that a key is malformed, unknown, wrong, revoked or expired. The client is not told
// which.
var ErrKey = errors.New("invalid API key")

// ErrKeyRefused says that a key with the given properties is not allowed; its text says why.
// Nothing was stored.
var ErrKeyRefused = errors.New("no key was made")

// A Key is what the table keys holds of a workspace's key. The key itself was shown once, when it
// was made; the table has a salted hash of it.
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

// Keys reads and writes the table keys. It is safe for concurrent use.
type Keys struct {
	conn driver.Conn
	read *keyReads
}

// OpenKeys takes a connection of tables.Open. It does not talk to the server yet.
func OpenKeys(conn driver.Conn) *Keys { return &Keys{conn: conn, read: newKeyReads(conn)} }

var scopeForm = regexp.MustCompile(`^[A-Z][A-Z0-9_]{0,63}$`)

// Create makes a key, rc_<id>_<secret>, for a workspace. The workspace need not have sent any event
// yet. With expires 0 the key never expires; without scopes it gets ScopeExport. A key that is not
// allowed is ErrKeyRefused. Once Create returns a key, the table shows it.
func (k *Keys) Create(
	ctx context.Context, org, name string, expires time.Duration, scopes ...string,
) (id, text string, err error) {
	if len(scopes) == 0 {
		scopes = []string{ScopeExport}
	}
	if err := checkKey(org, name, expires, scopes); err != nil {
		return "", "", err
	}
	random := make([]byte, 32)
	salt := make([]byte, 16)
	rand.Read(random)
	rand.Read(salt)
	secret := base64.RawURLEncoding.EncodeToString(random)
	now := time.Now().UTC()
	key := Key{
		ID: newKeyID(), Org: org, Name: name, Scopes: scopes, CreatedAt: now, Salt: string(salt),
		Hash: string(hashKey(salt, secret)),
	}
	if expires > 0 {
		at := now.Add(expires)
		key.ExpiresAt = &at
	}
	if err := k.insert(ctx, key); err != nil {
		return "", "", fmt.Errorf("store the key: %w", err)
	}
	switch kept, err := k.read.one(ctx, key.ID); {
	case errors.Is(err, ErrKey) || err == nil && kept.Hash != key.Hash:
		return "", "", errors.New("no key was made: the database took it, but does not show it; run the command again")
	case err != nil:
		return "", "", err
	}
	return key.ID, "rc_" + key.ID + "_" + secret, nil
}

// rankMade and rankRevoked are the ranks of a key's rows, in the column updated_at.
// ReplacingMergeTree keeps the row with the highest rank, so a revocation wins whatever the clocks
// say (migration 0010).
var rankMade = time.Unix(0, 0).UTC()

const rankRevoked = "toDateTime64('2299-12-31 00:00:00', 6, 'UTC')"

const insertKey = "INSERT INTO keys (key_id, org_id, name, salt, hash, scopes, created_at, expires_at, revoked_at, updated_at)"

func (k *Keys) insert(ctx context.Context, key Key) error {
	batch, err := k.conn.PrepareBatch(tables.WithoutQuorum(ctx), insertKey)
	if err != nil {
		return err
	}
	defer batch.Close()
	err = batch.Append(key.ID, key.Org, key.Name, key.Salt, key.Hash, key.Scopes, key.CreatedAt, key.ExpiresAt,
		key.RevokedAt, rankMade)
	if err != nil {
		return err
	}
	return batch.Send()
}

func checkKey(org, name string, expires time.Duration, scopes []string) error {
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

// List returns the keys of one workspace, or of all workspaces if org is "". They are sorted by
// workspace, and within a workspace the oldest comes first.
func (k *Keys) List(ctx context.Context, org string) ([]Key, error) {
	var all []Key
	err := k.conn.Select(ctx, &all, "SELECT * FROM ("+keysWhere("true")+
		") WHERE {org:String} = '' OR org_id = {org:String} ORDER BY org_id, created_at, key_id",
		clickhouse.Named("org", org))
	if err != nil {
		return nil, fmt.Errorf("list the keys: %w", err)
	}
	return all, nil
}

// Revoke makes a key invalid for good. Every process of the service refuses it within keyCacheAge.
// Revoking a key again changes nothing. Revoke returns nil once the table shows the key as revoked.
func (k *Keys) Revoke(ctx context.Context, id string) error {
	if _, err := k.read.one(ctx, id); errors.Is(err, ErrKey) {
		return fmt.Errorf("there is no key %q; `rollcall keys list` shows all ids", id)
	} else if err != nil {
		return err
	}
	err := k.conn.Exec(tables.WithoutQuorum(ctx), insertKey+`
SELECT key_id, org_id, name, salt, hash, scopes, created_at, expires_at, coalesce(revoked_at, now64(3)), `+rankRevoked+
		` FROM keys FINAL
WHERE key_id = {id:String} AND updated_at < `+rankRevoked, clickhouse.Named("id", id))
	if err != nil {
		return fmt.Errorf("revoke the key: %w", err)
	}
	k.read.forget(id)
	switch kept, err := k.read.one(ctx, id); {
	case err != nil:
		return fmt.Errorf("the key %s may still be valid: %w", id, err)
	case kept.RevokedAt == nil:
		return fmt.Errorf("the key %s is not revoked: the database took the revocation, but does not show it; "+
			"run the command again", id)
	}
	return nil
}

// Verify returns the key with this text if it is valid now, else ErrKey.
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

// Valid returns the key with this id if it is valid now, else ErrKey. It does not check the secret:
// it is for a session or a signed link, whose holder had the key verified before.
func (k *Keys) Valid(ctx context.Context, id string, now time.Time) (Key, error) {
	key, err := k.read.recent(ctx, id)
	if err != nil {
		return Key{}, err
	}
	if key.State(now) != "valid" {
		return Key{}, ErrKey
	}
	return key, nil
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
	keyIDAlphabet   = "abcdefghijkmnpqrstuvwxyz23456789" // 32 characters that people do not confuse
)

func newKeyID() string {
	id := make([]byte, keyIDLength)
	rand.Read(id)
	for i, b := range id {
		id[i] = keyIDAlphabet[b%32]
	}
	return string(id)
}

var keyForm = regexp.MustCompile(fmt.Sprintf(`^rc_([%s]{%d})_([A-Za-z0-9_-]{%d})$`, keyIDAlphabet, keyIDLength,
	keySecretLength))

// splitKey splits a key into its id and its secret. ok is false if the text does not have the form
// of a key; such a text is never looked up in the table.
func splitKey(text string) (id, secret string, ok bool) {
	parts := keyForm.FindStringSubmatch(text)
	if parts == nil {
		return "", "", false
	}
	return parts[1], parts[2], true
}
