package access

import (
	"net/http"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Config is what a Gate can be told; everything but PublicURL is required.
type Config struct {
	Secret              []byte // signs links and sessions; the same in every process
	PublicURL           string // where browsers reach the service; "" is the address that they called
	RatePerMinute       int    // requests per key within any minute of this process
	MaxConcurrentPerOrg int    // requests of one workspace that this process answers at a time
	Now                 func() time.Time
}

// A Gate decides who may ask: who a request is by, and whether they are within their limits.
type Gate struct {
	keys     *Keys
	bearer   bearer
	sessions sessions
	links    linkSigner
	rate     *rateLimit
	running  *concurrency
	now      func() time.Time
}

// New is inert.
func New(cfg Config, conn driver.Conn, keys *Keys) *Gate {
	return &Gate{
		keys:     keys,
		bearer:   bearer{keys, cfg.Now},
		sessions: newSessions(cfg, conn, keys),
		links:    newLinkSigner(cfg.Secret),
		rate:     newRateLimit(cfg.RatePerMinute),
		running:  newConcurrency(cfg.MaxConcurrentPerOrg),
		now:      cfg.Now,
	}
}

// ByKey tells who asks with a key. Its error is a *Refusal, or says that it could not be found out.
func (g *Gate) ByKey(r *http.Request) (Principal, error) { return authenticate(r, g.bearer) }

// ByKeyOrSession tells who asks with a key or as the page.
func (g *Gate) ByKeyOrSession(r *http.Request) (Principal, error) {
	return authenticate(r, g.bearer, g.sessions)
}

// Admit counts one request of the principal's key, and as one that runs for its workspace until end
// is called. A request beyond a limit is a *Refusal.
func (g *Gate) Admit(p Principal) (end func(), err error) {
	if err := g.rate.check(p.KeyID); err != nil {
		return nil, err
	}
	return g.running.begin(p.Org)
}
