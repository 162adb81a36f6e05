package access

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"rollcall/export/steps"
)

const (
	// a key in memory is used for so long before it is read again; a revoked key may go on working
	// for as long
	keyCacheAge     = time.Second
	unknownKeysEach = 250 * time.Millisecond // the least time between two look-ups of ids that are not in memory
	maxUnknownKeys  = 8192                   // ids that wait for one look-up; further ones are refused for now
	keysPerRead     = 1024                   // ids in one statement: ClickHouse takes at most 128 KiB in one parameter
	maxKnownKeys    = 16384                  // keys in memory
	keyReadTimeout  = 10 * time.Second
)

// keyReads reads the table keys for all requests of a process. Requests do not cost the database a
// query each, whatever keys clients send:
//
//   - A key that exists stays in memory. It is read again when it is older than keyCacheAge. Keys
//     that are due at the same time are read together.
//   - An id that is not in memory waits for the next look-up of such ids. One look-up takes all ids
//     that wait, and the next begins at least unknownKeysEach later. So a flood of made-up keys
//     costs a few queries a second. A new key works at once, or within unknownKeysEach during a
//     flood. Nothing is remembered of a key that does not exist.
type keyReads struct {
	conn         driver.Conn
	due, unknown *keyBatcher

	mu    sync.Mutex
	cache map[string]cachedKey
}

type cachedKey struct {
	key  Key
	read time.Time
}

func newKeyReads(conn driver.Conn) *keyReads {
	r := &keyReads{conn: conn, cache: map[string]cachedKey{}}
	r.due = newKeyBatcher(r.lookUp, 0, maxKnownKeys)
	r.unknown = newKeyBatcher(r.lookUp, unknownKeysEach, maxUnknownKeys)
	return r
}

// keysWhere selects keys, one row per key. A key is revoked if any of its rows says so, whichever
// row a merge would keep.
func keysWhere(condition string) string {
	return `SELECT key_id, any(keys.org_id) AS org_id, any(keys.name) AS name, any(keys.scopes) AS scopes, any(keys.created_at) AS created_at,
	any(keys.expires_at) AS expires_at, min(keys.revoked_at) AS revoked_at, any(keys.salt) AS salt, any(keys.hash) AS hash
FROM keys WHERE ` + condition + ` GROUP BY key_id`
}

func (r *keyReads) lookUp(ctx context.Context, ids []string) (map[string]Key, error) {
	found := map[string]Key{}
	for some := range slices.Chunk(ids, keysPerRead) {
		var rows []Key
		statement := keysWhere("key_id IN {ids:Array(String)}")
		if err := r.conn.Select(ctx, &rows, statement, clickhouse.Named("ids", some)); err != nil {
			return nil, fmt.Errorf("read the keys: %w", err)
		}
		for _, k := range rows {
			found[k.ID] = k
		}
	}
	return found, nil
}

// one reads a key from the table now. It returns ErrKey if there is no such key.
func (r *keyReads) one(ctx context.Context, id string) (Key, error) {
	found, err := r.lookUp(ctx, []string{id})
	if err != nil {
		return Key{}, err
	}
	key, ok := found[id]
	if !ok {
		return Key{}, ErrKey
	}
	return key, nil
}

// recent returns a key as it was less than keyCacheAge ago, or ErrKey.
func (r *keyReads) recent(ctx context.Context, id string) (Key, error) {
	r.mu.Lock()
	cached, known := r.cache[id]
	r.mu.Unlock()
	if known && time.Since(cached.read) < keyCacheAge {
		return cached.key, nil
	}
	batcher := r.unknown
	if known {
		batcher = r.due
	}
	key, read, err := batcher.get(ctx, id)
	if err != nil {
		return Key{}, err
	}
	r.keep(cachedKey{key, read})
	return key, nil
}

// keep caches a key. If there are too many, it drops the keys that were last read more than a
// minute ago, and if that is not enough, any others.
func (r *keyReads) keep(c cachedKey) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.cache[c.key.ID]; !known && len(r.cache) >= maxKnownKeys {
		maps.DeleteFunc(r.cache, func(_ string, old cachedKey) bool { return time.Since(old.read) > time.Minute })
		for id := range r.cache {
			if len(r.cache) < maxKnownKeys*3/4 { // a quarter at a time: not every new key must scan them all
				break
			}
			delete(r.cache, id)
		}
	}
	r.cache[c.key.ID] = c
}

func (r *keyReads) forget(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.cache, id)
}

// A keyBatcher looks up keys for many requests at once. It runs one look-up at a time, each at
// least every after the one before, of at most limit ids.
type keyBatcher struct {
	lookUp func(ctx context.Context, ids []string) (map[string]Key, error)
	every  time.Duration
	limit  int
	turn   chan time.Time // holds the time of the last look-up; the batch that has taken it runs

	mu      sync.Mutex
	waiting *keyBatch // takes ids until its turn comes; nil if no id waits
}

// A keyBatch is one look-up. Its results may be read once done is closed.
type keyBatch struct {
	ids  map[string]struct{}
	done chan struct{}

	keys map[string]Key
	read time.Time
	err  error
}

func newKeyBatcher(
	lookUp func(context.Context, []string) (map[string]Key, error), every time.Duration, limit int,
) *keyBatcher {
	b := &keyBatcher{lookUp: lookUp, every: every, limit: limit, turn: make(chan time.Time, 1)}
	b.turn <- time.Time{}
	return b
}

// get returns the key and a time at or before the moment when it was read, or ErrKey.
func (b *keyBatcher) get(ctx context.Context, id string) (key Key, read time.Time, err error) {
	batch, err := b.join(id)
	if err != nil {
		return Key{}, time.Time{}, err
	}
	select {
	case <-batch.done:
	case <-ctx.Done():
		return Key{}, time.Time{}, ctx.Err()
	}
	if batch.err != nil {
		return Key{}, time.Time{}, batch.err
	}
	key, ok := batch.keys[id]
	if !ok {
		return Key{}, time.Time{}, ErrKey
	}
	return key, batch.read, nil
}

// join adds the id to the next look-up.
func (b *keyBatcher) join(id string) (*keyBatch, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	batch := b.waiting
	if batch == nil {
		batch = &keyBatch{ids: map[string]struct{}{}, done: make(chan struct{})}
		b.waiting = batch
		go b.run(batch)
	}
	if len(batch.ids) >= b.limit {
		return nil, &Refusal{
			Status: http.StatusTooManyRequests, RetryAfter: time.Second,
			Detail: "The service gets more unknown API keys than it looks up at a time; try again in a second.",
		}
	}
	batch.ids[id] = struct{}{}
	return batch, nil
}

// run looks the batch up when its turn comes. It serves many requests, so the end of a request's
// context does not end it.
func (b *keyBatcher) run(batch *keyBatch) {
	last := <-b.turn
	time.Sleep(time.Until(last.Add(b.every))) // bounds a flood's queries; requests join the batch meanwhile
	b.mu.Lock()
	b.waiting = nil
	b.mu.Unlock()
	batch.read = time.Now()
	defer func() { b.turn <- batch.read }()
	defer close(batch.done)
	defer steps.Recovered(&batch.err)
	ctx, cancel := context.WithTimeout(context.Background(), keyReadTimeout)
	defer cancel()
	batch.keys, batch.err = b.lookUp(ctx, slices.Collect(maps.Keys(batch.ids)))
}
