package export

import (
	"encoding/hex"
	"strings"
	"testing"
)

// The engine's message about a failed statement can quote the statement with its values. The log
// keeps the meaning of the message, but not the key of the pseudonyms.
func TestTheLogOfAFailureHasNoKeys(t *testing.T) {
	f := newFixture(t)
	f.settings("acme", "Acme", yesterday(), true, false, false, true)
	f.event("acme", yesterday(), nil)
	_, key := f.key("acme")
	f.want(f.get("/v1/exports/users?"+lastDays(), key), 200)
	for _, breakage := range []string{"ALTER TABLE events DROP COLUMN channel", "DROP TABLE events SYNC"} {
		if err := f.conn.Exec(t.Context(), breakage); err != nil {
			t.Fatal(err)
		}
		f.want(f.get("/v1/exports/users?"+lastDays(), key), 503)
	}
	pseudonyms := f.service.pseudonymKey("acme")
	log := f.log.String()
	for _, secret := range []string{
		hex.EncodeToString(pseudonyms[:]), strings.ToUpper(hex.EncodeToString(pseudonyms[:])), key[16:],
		"a secret for tests only",
	} {
		if strings.Contains(log, secret) {
			t.Errorf("the log shows %s:\n%s", secret, log)
		}
	}
	if !strings.Contains(log, "channel") || !strings.Contains(log, "export failed") {
		t.Errorf("the log does not say why the exports failed:\n%s", log)
	}
}
