package access

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// The page exchanges a key for a session: a signed cookie that names the key, a random id and the
// session's end. A session lasts SessionLife, but no longer than its key. No script can read the
// cookie, and no other site can use it.
//
// Nothing of a session is stored until somebody signs out. Then its id is in the table
// ended_sessions, and from that moment every process refuses all copies of the cookie. For this,
// each request with a session asks that table; only ended sessions are cached.

const (
	SessionLife   = 12 * time.Hour
	SessionCookie = "rollcall_session"
)

// A cookie holds the values that a session's cookie says.
type cookie struct {
	keyID   string
	expires time.Time // whole seconds
	session string
}

// sessionSigner signs sessions. Its key is derived from the service's secret and used for sessions
// only. Older binaries had sessions that could not be ended. They signed them with "rollcall
// session 1", so these cookies are refused.
type sessionSigner struct{ key []byte }

func newSessionSigner(secret []byte) sessionSigner {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("rollcall session 2"))
	return sessionSigner{mac.Sum(nil)}
}

// sign returns the cookie's value: <key id>.<Unix seconds of its end>.<session id>.<signature>.
func (s sessionSigner) sign(c cookie) string {
	text := c.keyID + "." + strconv.FormatInt(c.expires.Unix(), 10) + "." + c.session
	return text + "." + s.signature(text)
}

func (s sessionSigner) signature(text string) string {
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// open returns what the value says if it was signed here and has not expired, else ErrKey.
func (s sessionSigner) open(value string, now time.Time) (cookie, error) {
	cut := strings.LastIndexByte(value, '.')
	if cut < 0 || !hmac.Equal([]byte(value[cut+1:]), []byte(s.signature(value[:cut]))) {
		return cookie{}, ErrKey
	}
	parts := strings.Split(value[:cut], ".")
	if len(parts) != 3 {
		return cookie{}, ErrKey
	}
	seconds, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil || now.Unix() >= seconds {
		return cookie{}, ErrKey
	}
	return cookie{parts[0], time.Unix(seconds, 0).UTC(), parts[2]}, nil
}

// newSessionID returns 128 random bits as text.
func newSessionID() string {
	id := make([]byte, 16)
	rand.Read(id)
	return base64.RawURLEncoding.EncodeToString(id)
}

// sessions begin, authenticate and end the page's sessions.
type sessions struct {
	signer     sessionSigner
	keys       *Keys
	ended      *endedSessions
	publicURL  *url.URL // nil: the address that the browser called
	now        func() time.Time
	sameOrigin *http.CrossOriginProtection
}

// newSessions makes sessions that accept requests from the origin of cfg.PublicURL: it is what
// browsers see, and a proxy may send its own host to this process instead.
func newSessions(cfg Config, conn driver.Conn, keys *Keys) sessions {
	s := sessions{
		signer: newSessionSigner(cfg.Secret), keys: keys, ended: newEndedSessions(conn), now: cfg.Now,
		sameOrigin: http.NewCrossOriginProtection(),
	}
	if u, err := url.Parse(cfg.PublicURL); err == nil && u.Host != "" {
		s.publicURL = u
		_ = s.sameOrigin.AddTrustedOrigin(u.Scheme + "://" + u.Host) // the configuration was checked
	}
	return s
}

// authenticate reads the cookie of a request. It refuses a request that another site's page sent.
func (s sessions) authenticate(r *http.Request) (Principal, error) {
	sent, err := r.Cookie(SessionCookie)
	if err != nil {
		return Principal{}, errNoCredential
	}
	if err := s.checkOrigin(r); err != nil {
		return Principal{}, err
	}
	now := s.now()
	c, err := s.signer.open(sent.Value, now)
	if err != nil {
		return Principal{}, err
	}
	switch ended, err := s.ended.has(r.Context(), c.session); {
	case err != nil:
		return Principal{}, err
	case ended:
		return Principal{}, ErrKey
	}
	return s.keys.holder(r.Context(), c.keyID, BySession, now)
}

// checkOrigin refuses a request that another site's page sent, whether it reads or writes. Such a
// page must not use the cookie, even if the browser ignores SameSite.
func (s sessions) checkOrigin(r *http.Request) error {
	writing := *r
	writing.Method = http.MethodPost // Check lets every GET pass
	if err := s.sameOrigin.Check(&writing); err != nil {
		return &Refusal{
			Status: http.StatusForbidden,
			Detail: "Sessions only work from Rollcall's own page; other programs send a key as `Authorization: Bearer rc_…`.",
		}
	}
	return nil
}

// SignIn exchanges the key in the request's body for a session, and returns its cookie. It counts
// as a request of the key.
func (g *Gate) SignIn(r *http.Request) (*http.Cookie, error) {
	if err := g.sessions.checkOrigin(r); err != nil {
		return nil, err
	}
	var body struct {
		Key string `json:"key"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		return nil, &Refusal{Status: http.StatusBadRequest, Detail: `Send the key as JSON: {"key":"rc_…"}.`}
	}
	now := g.now()
	key, err := g.keys.Verify(r.Context(), strings.TrimSpace(body.Key), now)
	if errors.Is(err, ErrKey) {
		return nil, unauthorized()
	} else if err != nil {
		return nil, err
	}
	if err := checkScope(principal(key, BySession)); err != nil {
		return nil, err
	}
	if err := g.rate.check(key.ID); err != nil {
		return nil, err
	}
	expires := now.Add(SessionLife)
	if key.ExpiresAt != nil && key.ExpiresAt.Before(expires) {
		expires = *key.ExpiresAt
	}
	value := g.sessions.signer.sign(cookie{key.ID, expires, newSessionID()})
	return g.sessions.cookie(r, value, int(expires.Sub(now).Seconds())), nil
}

// SignOut ends the request's session in the database, and returns the cookie that makes the browser
// forget it. If the session could not be ended, SignOut returns no cookie, so that the browser can
// try again. A request without a valid session has nothing to end and gets the cookie.
func (g *Gate) SignOut(r *http.Request) (*http.Cookie, error) {
	if err := g.sessions.checkOrigin(r); err != nil {
		return nil, err
	}
	for _, sent := range r.CookiesNamed(SessionCookie) {
		c, err := g.sessions.signer.open(sent.Value, g.now())
		if err != nil {
			continue
		}
		if err := g.sessions.ended.add(r.Context(), c); err != nil {
			return nil, err
		}
	}
	return g.sessions.cookie(r, "", -1), nil
}

// cookie makes the session's cookie. It is Secure wherever the browser speaks TLS, also if a proxy
// stands in front.
func (s sessions) cookie(r *http.Request, value string, maxAge int) *http.Cookie {
	path := "/"
	secure := r.TLS != nil
	if s.publicURL != nil {
		secure = s.publicURL.Scheme == "https"
		if s.publicURL.Path != "" {
			path = s.publicURL.Path
		}
	}
	return &http.Cookie{
		Name: SessionCookie, Value: value, Path: path, MaxAge: maxAge, HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: secure || r.Header.Get("X-Forwarded-Proto") == "https",
	}
}
