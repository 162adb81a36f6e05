package access

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// counting is a connection that counts the queries of the table keys.
type counting struct {
	driver.Conn
	reads atomic.Int64
}

func (c *counting) Select(ctx context.Context, dest any, query string, args ...any) error {
	if strings.Contains(query, "FROM keys") {
		c.reads.Add(1)
	}
	return c.Conn.Select(ctx, dest, query, args...)
}

// madeUp returns a well-formed key that does not exist.
func madeUp(n int64) string {
	id := make([]byte, keyIDLength)
	for i := range id {
		id[i] = keyIDAlphabet[n&31]
		n >>= 5
	}
	return "rc_" + string(id) + "_" + strings.Repeat("A", keySecretLength)
}

// Thousands of made-up keys a second cost a few queries a second. Meanwhile known keys work as
// before, and so does a key that is new to the process.
func TestAFloodOfUnknownKeysCostsNoQueryEach(t *testing.T) {
	f := newFixture(t)
	conn := &counting{Conn: f.conn}
	keys := OpenKeys(conn)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	_, known := f.key("acme")
	if _, err := keys.Verify(ctx, known, time.Now()); err != nil {
		t.Fatal(err)
	}
	var asked, refused atomic.Int64
	var flood sync.WaitGroup
	began := time.Now()
	before := conn.reads.Load()
	for range 512 {
		flood.Go(func() {
			for ctx.Err() == nil {
				if _, err := keys.Verify(ctx, madeUp(asked.Add(1)), time.Now()); errors.Is(err, ErrKey) {
					refused.Add(1)
				} else if ctx.Err() == nil {
					t.Errorf("a made-up key: %v", err)
				}
			}
		})
	}
	f.until("2,000 made-up keys are refused", func() bool {
		if _, err := keys.Verify(ctx, known, time.Now()); err != nil {
			t.Errorf("the known key: %v", err)
		}
		return refused.Load() > 2000
	})
	_, fresh := f.key("acme")
	if _, err := keys.Verify(ctx, fresh, time.Now()); err != nil {
		t.Errorf("a new key during the flood: %v", err)
	}
	stop()
	flood.Wait()
	// At most one look-up of unknown ids per unknownKeysEach, and one of the known key per
	// keyCacheAge.
	took := time.Since(began)
	reads := conn.reads.Load() - before
	if most := 2 + int64(took/unknownKeysEach) + 1 + int64(took/keyCacheAge); reads > most {
		t.Errorf("%d made-up keys cost %d queries in %v, more than %d", refused.Load(), reads, took, most)
	}
	if len(keys.read.cache) != 2 {
		t.Errorf("%d keys are remembered, want the two that exist", len(keys.read.cache))
	}
}

// Ids beyond those that one look-up takes are refused for now, so the memory of waiting ids is
// bounded.
func TestUnknownKeysThatWaitAreBounded(t *testing.T) {
	hold := make(chan struct{})
	b := newKeyBatcher(func(_ context.Context, ids []string) (map[string]Key, error) {
		<-hold
		return map[string]Key{"known": {ID: "known"}}, nil
	}, 0, 3)
	first, err := b.join("known")
	if err != nil {
		t.Fatal(err)
	}
	for b.isWaiting() { // until the look-up of the first id has begun
		time.Sleep(time.Millisecond) // between two polls
	}
	for i := range 3 {
		if _, err := b.join(fmt.Sprint(i)); err != nil {
			t.Errorf("id %d: %v", i, err)
		}
	}
	_, err = b.join("too many")
	if refused := new(Refusal); !errors.As(err, &refused) || refused.Status != 429 || refused.RetryAfter == 0 {
		t.Errorf("one id too many: %v", err)
	}
	close(hold)
	<-first.done
	for b.isWaiting() { // until the second look-up has begun
		time.Sleep(time.Millisecond) // between two polls
	}
	if key, _, err := b.get(t.Context(), "known"); err != nil || key.ID != "known" {
		t.Errorf("afterwards: %+v, %v", key, err)
	}
}

func (b *keyBatcher) isWaiting() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.waiting != nil
}

// A look-up that fails or panics is an error for all requests that wait for it, and for no later
// one.
func TestALookUpFails(t *testing.T) {
	var calls atomic.Int64
	b := newKeyBatcher(func(context.Context, []string) (map[string]Key, error) {
		switch calls.Add(1) {
		case 1:
			return nil, errors.New("the database is away")
		case 2:
			panic("a defect")
		}
		return map[string]Key{"a": {}}, nil
	}, 0, 10)
	for _, want := range []string{"away", "defect"} {
		if _, _, err := b.get(t.Context(), "a"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if _, _, err := b.get(t.Context(), "a"); err != nil {
		t.Error(err)
	}
}

// More ids than fit into one statement are read by several.
func TestManyKeysAreReadInParts(t *testing.T) {
	f := newFixture(t)
	id, _ := f.key("acme")
	ids := []string{}
	for n := range int64(2*keysPerRead + 5) {
		ids = append(ids, madeUp(n)[3:3+keyIDLength])
	}
	conn := &counting{Conn: f.conn}
	found, err := newKeyReads(conn).lookUp(t.Context(), append(ids, id))
	if err != nil || len(found) != 1 || found[id].Org != "acme" || conn.reads.Load() != 3 {
		t.Errorf("%d keys in %d reads, %v", len(found), conn.reads.Load(), err)
	}
}

// When there are too many keys in memory, those in use stay.
func TestKnownKeysAreBounded(t *testing.T) {
	r := newKeyReads(nil)
	for n := range int64(maxKnownKeys) {
		r.cache[fmt.Sprint(n)] = cachedKey{read: time.Now().Add(-2 * time.Minute)}
	}
	r.cache["0"] = cachedKey{read: time.Now()}
	r.keep(cachedKey{Key{ID: "new"}, time.Now()})
	if _, used := r.cache["0"]; !used || len(r.cache) != 2 {
		t.Errorf("%d keys are kept, the one in use: %t", len(r.cache), used)
	}
	for n := range int64(2 * maxKnownKeys) {
		r.keep(cachedKey{Key{ID: fmt.Sprint(n)}, time.Now()})
	}
	if len(r.cache) > maxKnownKeys {
		t.Errorf("%d keys are kept", len(r.cache))
	}
}

// A text that does not have the form of a key is never looked up: the engine does not see it.
func TestWhatIsNoKeyIsNotLookedFor(t *testing.T) {
	keys := OpenKeys(nil)
	secret := strings.Repeat("A", keySecretLength)
	for _, id := range []string{
		"tab\tinside..", "nul\x00inside..", `\N\N\N\N\N\N`, "UPPERCASEIDS", "newline\n....",
		"\xff\xfe\xfd\xff\xfe\xfd\xff\xfe\xfd\xff\xfe\xfd", "aaaaaaaaaaa'",
	} {
		if _, err := keys.Verify(t.Context(), "rc_"+id+"_"+secret, time.Now()); !errors.Is(err, ErrKey) {
			t.Errorf("%q: %v", id, err)
		}
	}
	if _, err := keys.Verify(t.Context(), "rc_aaaaaaaaaaaa_"+secret[1:]+"\n", time.Now()); !errors.Is(err, ErrKey) {
		t.Errorf("a secret with a line break: %v", err)
	}
}
