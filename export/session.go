package export

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

// The page exchanges a key for a session: a signed cookie that names the key, a random id and its own end. It lasts sessionLife, and no longer than its key. No
// script can read it, and no other site can use it. Nothing of it is stored until somebody signs out: then the table ended_sessions has its id, and whoever holds
// a copy of the cookie is refused by every process from then on. So each request with a session asks that table, whatever else is in memory.

const (
	sessionLife   = 12 * time.Hour
	sessionCookie = "rollcall_session"
)

// A cookie is what a session's cookie says.
type cookie struct {
	keyID   string
	expires time.Time // whole seconds
	session string
}

// sessionSigner holds the key of sessions: one of its own, made of the service's secret. Cookies of binaries whose sessions could not be ended were signed with
// "rollcall session 1"; they are refused.
type sessionSigner struct{ key []byte }

func newSessionSigner(secret []byte) sessionSigner {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("rollcall session 2"))
	return sessionSigner{mac.Sum(nil)}
}

// sign gives the cookie's value: <key id>.<Unix seconds of its end>.<session id>.<signature>.
func (s sessionSigner) sign(c cookie) string {
	text := c.keyID + "." + strconv.FormatInt(c.expires.Unix(), 10) + "." + c.session
	return text + "." + s.signature(text)
}

func (s sessionSigner) signature(text string) string {
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// open gives what the value says if it was signed here and has not expired, or ErrKey.
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

// newSessionID gives 128 random bits.
func newSessionID() string {
	id := make([]byte, 16)
	rand.Read(id)
	return base64.RawURLEncoding.EncodeToString(id)
}

// session authenticates the page's requests.
type session struct {
	signer     sessionSigner
	keys       *Keys
	ended      *endedSessions
	now        func() time.Time
	sameOrigin *http.CrossOriginProtection
}

// newSession trusts the origin that browsers see, which a proxy may have replaced by its own.
func newSession(cfg Config, conn driver.Conn, keys *Keys) session {
	s := session{newSessionSigner(cfg.Secret), keys, newEndedSessions(conn), cfg.Now, http.NewCrossOriginProtection()}
	if u, err := url.Parse(cfg.PublicURL); err == nil && u.Host != "" {
		_ = s.sameOrigin.AddTrustedOrigin(u.Scheme + "://" + u.Host) // the configuration was checked
	}
	return s
}

// Authenticate reads the cookie of a request that the page itself made.
func (s session) Authenticate(r *http.Request) (Principal, error) {
	sent, err := r.Cookie(sessionCookie)
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

// checkOrigin refuses what another site's page sent, reading as well as writing: a cookie is not for it, whatever its browser thinks of SameSite.
func (s session) checkOrigin(r *http.Request) error {
	writing := *r
	writing.Method = http.MethodPost // GET would pass unseen
	if err := s.sameOrigin.Check(&writing); err != nil {
		return &failure{status: http.StatusForbidden, detail: "Sessions only work from Rollcall's own page; other programs send a key as `Authorization: Bearer rc_…`."}
	}
	return nil
}

// authenticatePage takes a key or the page's session.
func (e *Export) authenticatePage(r *http.Request) (Principal, error) {
	return authenticateBy(r, append(e.auth[:len(e.auth):len(e.auth)], e.session))
}

// signIn exchanges a key for a session.
func (e *Export) signIn(w http.ResponseWriter, r *http.Request) {
	if err := e.exchangeKey(w, r); err != nil {
		e.refuseSession(w, r, "sign-in", err)
	}
}

// refuseSession answers a sign-in or sign-out that failed.
func (e *Export) refuseSession(w http.ResponseWriter, r *http.Request, what string, err error) {
	id := requestID(r).String()
	f := failureFor(r, err, id)
	if f.status >= 500 {
		e.log.Error(what+" failed", "request_id", id, "status", f.status, "error", f.err)
	} else {
		e.log.Info(what+" refused", "request_id", id, "status", f.status)
	}
	writeProblem(w, f, id)
}

func (e *Export) exchangeKey(w http.ResponseWriter, r *http.Request) error {
	if err := e.session.checkOrigin(r); err != nil {
		return err
	}
	var body struct {
		Key string `json:"key"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		return &failure{status: http.StatusBadRequest, detail: `Send the key as JSON: {"key":"rc_…"}.`}
	}
	now := e.cfg.Now()
	key, err := e.keys.Verify(r.Context(), strings.TrimSpace(body.Key), now)
	if errors.Is(err, ErrKey) {
		return unauthorized()
	} else if err != nil {
		return err
	}
	if err := checkScope(principal(key, BySession)); err != nil {
		return err
	}
	if wait, ok := e.rate.admit(key.ID, time.Now()); !ok {
		return tooMany(e.cfg.RatePerMinute, wait)
	}
	expires := now.Add(sessionLife)
	if key.ExpiresAt != nil && key.ExpiresAt.Before(expires) {
		expires = *key.ExpiresAt
	}
	value := e.session.signer.sign(cookie{key.ID, expires, newSessionID()})
	e.setCookie(w, r, value, int(expires.Sub(now).Seconds()))
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// signOut ends the session in the database, then makes the browser forget it. Only then it says that it is done; where it fails, the browser keeps the cookie, so
// that it can be tried again. A request without a valid session has nothing to end.
func (e *Export) signOut(w http.ResponseWriter, r *http.Request) {
	if err := e.endSession(r); err != nil {
		e.refuseSession(w, r, "sign-out", err)
		return
	}
	e.setCookie(w, r, "", -1)
	w.WriteHeader(http.StatusNoContent)
}

func (e *Export) endSession(r *http.Request) error {
	if err := e.session.checkOrigin(r); err != nil {
		return err
	}
	for _, sent := range r.CookiesNamed(sessionCookie) {
		c, err := e.session.signer.open(sent.Value, e.cfg.Now())
		if err != nil {
			continue
		}
		if err := e.session.ended.add(r.Context(), c); err != nil {
			return err
		}
	}
	return nil
}

// setCookie: Secure wherever the browser speaks TLS, be it with a proxy in front.
func (e *Export) setCookie(w http.ResponseWriter, r *http.Request, value string, maxAge int) {
	path := "/"
	if u, err := url.Parse(e.cfg.PublicURL); err == nil && u.Path != "" {
		path = u.Path
	}
	http.SetCookie(w, &http.Cookie{
		Name: sessionCookie, Value: value, Path: path, MaxAge: maxAge, HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: strings.HasPrefix(e.publicURL(r), "https:") || r.Header.Get("X-Forwarded-Proto") == "https",
	})
	w.Header().Set("Cache-Control", "no-store")
}
