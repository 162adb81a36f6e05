package tables

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// ErrSecret says that a process was given another secret than the processes before it. With another
// secret, pseudonyms would change and erased persons' events would come back.
var ErrSecret = errors.New(
	"the secret is not the one that this database has been used with; give every process the first one")

// Secret returns the service's secret. A given secret must match the fingerprint that its first use
// left in the database. If none is given, one is made at the first use and kept in the database. It
// is then stored beside the data that it protects, which is good enough for one machine, but not
// for more.
func Secret(ctx context.Context, conn driver.Conn, given []byte) ([]byte, error) {
	kept, err := keptSecret(ctx, conn)
	if err != nil {
		return nil, err
	}
	if kept == nil {
		if err := keepSecret(ctx, conn, given); err != nil {
			return nil, fmt.Errorf("keep the secret: %w", err)
		}
		if kept, err = keptSecret(ctx, conn); err != nil || kept == nil {
			return nil, errors.Join(err, errors.New("the secret that was just kept is not there"))
		}
	}
	secret := given
	if len(given) == 0 {
		if secret = []byte(kept.Secret); len(secret) == 0 {
			return nil, fmt.Errorf("%w (it was given by flag, file or environment then)", ErrSecret)
		}
	}
	if !hmac.Equal([]byte(fingerprint(secret)), []byte(kept.Fingerprint)) {
		return nil, ErrSecret
	}
	return secret, nil
}

type secretRow struct {
	Fingerprint string `ch:"fingerprint"`
	Secret      string `ch:"secret"`
}

// keptSecret returns the first secret that was kept, or nil.
func keptSecret(ctx context.Context, conn driver.Conn) (*secretRow, error) {
	var rows []secretRow
	if err := conn.Select(ctx, &rows,
		"SELECT fingerprint, secret FROM service_secret ORDER BY created_at, fingerprint LIMIT 1"); err != nil {
		return nil, fmt.Errorf("read the service's secret: %w", err)
	}
	if len(rows) == 0 {
		return nil, nil
	}
	return &rows[0], nil
}

// keepSecret records the given secret's fingerprint, or makes a secret. Two processes may do so at
// the same time: each waits for the other's row, and then both take the first row.
func keepSecret(ctx context.Context, conn driver.Conn, given []byte) error {
	secret := given
	kept := ""
	if len(given) == 0 {
		random := make([]byte, 32)
		rand.Read(random)
		kept = hex.EncodeToString(random)
		secret = []byte(kept)
	}
	err := conn.Exec(ctx,
		"INSERT INTO service_secret (fingerprint, secret, created_at) SELECT {fingerprint:String}, {secret:String}, now64(6)",
		clickhouse.Named("fingerprint", fingerprint(secret)), clickhouse.Named("secret", kept))
	if err != nil {
		return err
	}
	select {
	case <-time.After(time.Second):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func fingerprint(secret []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("rollcall secret fingerprint"))
	return hex.EncodeToString(mac.Sum(nil))
}
