package access

import (
	"net/http"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Config configures a Gate. Everything but PublicURL is required.
type Config struct {
	Secret              []byte // signs links and sessions; the same in every process
	PublicURL           string // where browsers reach the service; "": the address that they called
	RatePerMinute       int    // requests per key that this process admits within any minute
	MaxConcurrentPerOrg int    // requests of one workspace that this process answers at a time
	MaxConcurrent       int    // requests of all workspaces that this process answers at a time
	Now                 func() time.Time
}

// A Gate decides which requests may pass: it finds out who sent a request, and whether the sender
// is within the limits.
type Gate struct {
	keys     *Keys
	bearer   bearer
	sessions sessions
	links    linkSigner
	rate     *rateLimit
	running  *concurrency
	now      func() time.Time
}

// New only makes the Gate; it does not talk to the database.
func New(cfg Config, conn driver.Conn, keys *Keys) *Gate {
	return &Gate{
		keys:     keys,
		bearer:   bearer{keys, cfg.Now},
		sessions: newSessions(cfg, conn, keys),
		links:    newLinkSigner(cfg.Secret),
		rate:     newRateLimit(cfg.RatePerMinute),
		running:  newConcurrency(cfg.MaxConcurrentPerOrg, cfg.MaxConcurrent),
		now:      cfg.Now,
	}
}

// ByKey returns the principal of a request with a key. Its error is a *Refusal, or says that the
// principal could not be found out.
func (g *Gate) ByKey(r *http.Request) (Principal, error) { return authenticate(r, g.bearer) }

// ByKeyOrSession returns the principal of a request with a key, or of one with the page's session.
func (g *Gate) ByKeyOrSession(r *http.Request) (Principal, error) {
	return authenticate(r, g.bearer, g.sessions)
}

// Admit counts one request of the principal's key. Until end is called, the request also counts as
// running for its workspace. A request beyond a limit gets a *Refusal.
func (g *Gate) Admit(p Principal) (end func(), err error) {
	if err := g.rate.check(p.KeyID); err != nil {
		return nil, err
	}
	return g.running.begin(p.Org)
}
