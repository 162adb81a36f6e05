package access

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"rollcall/deploy/demo/embedded/enginetest"
	"rollcall/schema/tables"
)

func TestKeys(t *testing.T) {
	ctx := context.Background()
	conn, err := tables.Open(enginetest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	keys := OpenKeys(conn)
	id, text, err := keys.Create(ctx, "acme", "nightly", 90*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	key, err := keys.Verify(ctx, text, now)
	if err != nil || key.ID != id || key.Org != "acme" || key.Name != "nightly" || len(key.Scopes) != 1 ||
		key.Scopes[0] != ScopeExport {
		t.Fatalf("Verify = %+v, %v", key, err)
	}
	if strings.Contains(key.Hash+key.Salt, text[16:]) {
		t.Error("the key's secret is stored")
	}
	other, otherText, _ := keys.Create(ctx, "acme", "", 0)
	invalid := map[string]string{
		"empty":                  "",
		"no prefix":              text[3:],
		"another secret":         text[:len(text)-1] + flip(text[len(text)-1]),
		"another key's secret":   text[:16] + otherText[16:],
		"cut":                    text[:len(text)-1],
		"longer":                 text + "A",
		"unknown id":             "rc_" + strings.Repeat("z", 12) + text[15:],
		"id with a quote":        "rc_" + strings.Repeat("'", 12) + text[15:],
		"the id's letters upper": strings.ToUpper(text[:15]) + text[15:],
	}
	for name, text := range invalid {
		if _, err := keys.Verify(ctx, text, now); !errors.Is(err, ErrKey) {
			t.Errorf("%s: %v, want ErrKey", name, err)
		}
	}
	if _, err := keys.Verify(ctx, text, now.Add(91*24*time.Hour)); !errors.Is(err, ErrKey) {
		t.Errorf("expired: %v, want ErrKey", err)
	}
	if err := keys.Revoke(ctx, id); err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Verify(ctx, text, now); !errors.Is(err, ErrKey) {
		t.Errorf("revoked: %v, want ErrKey", err)
	}
	list, err := keys.List(ctx, "acme")
	states := map[string]string{}
	for _, k := range list {
		states[k.ID] = k.State(now)
	}
	if err != nil || len(states) != 2 || states[id] != "revoked" || states[other] != "valid" {
		t.Errorf("List = %+v, %v", list, err)
	}
	if list, _ := keys.List(ctx, "other"); len(list) != 0 {
		t.Errorf("another workspace's list has %d keys", len(list))
	}
	if err := keys.Revoke(ctx, "nosuchkey"); err == nil || !strings.Contains(err.Error(), "keys list") {
		t.Errorf("revoking an unknown key: %v", err)
	}
}

// The same secret with another salt has another hash, so equal secrets would not show as equal
// hashes.
func TestSaltsAreTheKeysOwn(t *testing.T) {
	a := hashKey([]byte("salt-a"), "secret")
	b := hashKey([]byte("salt-b"), "secret")
	if string(a) == string(b) {
		t.Error("the salt does not enter the hash")
	}
	f := newFixture(t)
	f.key("acme")
	f.key("acme")
	var salts uint64
	if err := f.conn.QueryRow(t.Context(), "SELECT uniqExact(salt) FROM keys").Scan(&salts); err != nil || salts != 2 {
		t.Errorf("%d salts of 2 keys, %v", salts, err)
	}
}

// A key that one process revoked stops working in another within 2 s.
func TestRevokedElsewhere(t *testing.T) {
	ctx := context.Background()
	conn, err := tables.Open(enginetest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	here := OpenKeys(conn)
	there := OpenKeys(conn)
	id, text, err := there.Create(ctx, "acme", "", 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := here.Verify(ctx, text, time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := there.Revoke(ctx, id); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(2 * time.Second)
	for {
		_, err := here.Verify(ctx, text, time.Now())
		if errors.Is(err, ErrKey) {
			return
		}
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("2 s after it was revoked: %v", err)
		}
	}
}

func TestCreateRefuses(t *testing.T) {
	keys := OpenKeys(nil)
	for name, create := range map[string]func() (string, string, error){
		"no workspace": func() (string, string, error) { return keys.Create(t.Context(), "", "", 0) },
		"a long org": func() (string, string, error) {
			return keys.Create(t.Context(), strings.Repeat("o", 257), "", 0)
		},
		"an odd name":   func() (string, string, error) { return keys.Create(t.Context(), "a", "a\xff", 0) },
		"invalid UTF-8": func() (string, string, error) { return keys.Create(t.Context(), "a\xff", "", 0) },
		"a long name": func() (string, string, error) {
			return keys.Create(t.Context(), "a", strings.Repeat("n", 257), 0)
		},
		"already expired": func() (string, string, error) { return keys.Create(t.Context(), "a", "", -time.Second) },
		"an odd scope":    func() (string, string, error) { return keys.Create(t.Context(), "a", "", 0, "usage export") },
	} {
		if _, _, err := create(); err == nil {
			t.Errorf("%s: a key was made", name)
		}
	}
}

// Ids, names and scopes of the greatest and the least length are accepted.
func TestKeysThatCanBe(t *testing.T) {
	long := strings.Repeat("n", 256)
	for _, err := range []error{
		checkKey("a", "", 0, nil), checkKey(long, long, 1, []string{"S", strings.Repeat("S", 64)}),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	if err := checkKey("a", "", 0, []string{strings.Repeat("S", 65)}); err == nil {
		t.Error("a scope of 65 characters was taken")
	}
}

// A key, a session and a link are valid before the moment of their end, and invalid at it.
func TestTheMomentOfTheEnd(t *testing.T) {
	ends := time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)
	secret := []byte("a secret for tests only")
	sessions := newSessionSigner(secret)
	value := sessions.sign(cookie{"key", ends, "session"})
	links := newLinkSigner(secret)
	text, err := json.Marshal(Grant{KeyID: "key", Expires: ends.Unix()})
	if err != nil {
		t.Fatal(err)
	}
	address, err := url.Parse(links.sign("/file", text))
	if err != nil {
		t.Fatal(err)
	}
	for now, want := range map[time.Time]bool{ends.Add(-time.Millisecond): true, ends: false} {
		if state := (Key{ExpiresAt: &ends}).State(now); (state == "valid") != want {
			t.Errorf("at %v the key is %s", now, state)
		}
		if _, err := sessions.open(value, now); (err == nil) != want {
			t.Errorf("at %v the session gives %v", now, err)
		}
		if _, _, err := links.open(address, now); (err == nil) != want {
			t.Errorf("at %v the link gives %v", now, err)
		}
	}
}

func flip(b byte) string {
	if b == 'A' {
		return "B"
	}
	return "A"
}
