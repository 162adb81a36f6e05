package export

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// The page exchanges a key for a session: a signed cookie that names the key and its own end. Nothing of it is stored; it lasts sessionLife, and no longer than
// its key. No script can read it, and no other site can use it.

const (
	sessionLife   = 12 * time.Hour
	sessionCookie = "rollcall_session"
)

// sessionSigner holds the key of sessions: one of its own, made of the service's secret.
type sessionSigner struct{ key []byte }

func newSessionSigner(secret []byte) sessionSigner {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("rollcall session 1"))
	return sessionSigner{mac.Sum(nil)}
}

// sign gives the cookie's value: <key id>.<Unix seconds of its end>.<signature>.
func (s sessionSigner) sign(keyID string, expires time.Time) string {
	text := keyID + "." + strconv.FormatInt(expires.Unix(), 10)
	return text + "." + s.signature(text)
}

func (s sessionSigner) signature(text string) string {
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// open gives the id of the key that the value stands for, or ErrKey.
func (s sessionSigner) open(value string, now time.Time) (keyID string, err error) {
	cut := strings.LastIndexByte(value, '.')
	if cut < 0 || !hmac.Equal([]byte(value[cut+1:]), []byte(s.signature(value[:cut]))) {
		return "", ErrKey
	}
	keyID, end, _ := strings.Cut(value[:cut], ".")
	expires, err := strconv.ParseInt(end, 10, 64)
	if err != nil || now.Unix() >= expires {
		return "", ErrKey
	}
	return keyID, nil
}

// session authenticates the page's requests.
type session struct {
	signer     sessionSigner
	keys       *Keys
	now        func() time.Time
	sameOrigin *http.CrossOriginProtection
}

// newSession trusts the origin that browsers see, which a proxy may have replaced by its own.
func newSession(cfg Config, keys *Keys) session {
	s := session{newSessionSigner(cfg.Secret), keys, cfg.Now, http.NewCrossOriginProtection()}
	if u, err := url.Parse(cfg.PublicURL); err == nil && u.Host != "" {
		_ = s.sameOrigin.AddTrustedOrigin(u.Scheme + "://" + u.Host) // the configuration was checked
	}
	return s
}

// Authenticate reads the cookie of a request that the page itself made.
func (s session) Authenticate(r *http.Request) (Principal, error) {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return Principal{}, errNoCredential
	}
	if err := s.checkOrigin(r); err != nil {
		return Principal{}, err
	}
	now := s.now()
	keyID, err := s.signer.open(cookie.Value, now)
	if err != nil {
		return Principal{}, err
	}
	return s.keys.holder(r.Context(), keyID, BySession, now)
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
		id := requestID(r).String()
		f := failureOf(err, id)
		e.log.Info("sign-in refused", "request_id", id, "status", f.status, "error", f.err)
		writeProblem(w, f, id)
	}
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
	e.setCookie(w, r, e.session.signer.sign(key.ID, expires), int(expires.Sub(now).Seconds()))
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// signOut makes the browser forget the session; it needs none.
func (e *Export) signOut(w http.ResponseWriter, r *http.Request) {
	if err := e.session.checkOrigin(r); err != nil {
		id := requestID(r).String()
		writeProblem(w, failureOf(err, id), id)
		return
	}
	e.setCookie(w, r, "", -1)
	w.WriteHeader(http.StatusNoContent)
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
