package access

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// A request with a signed link needs no key. The link carries the request in its query, and a
// signature over path and query proves that it was made here. The link is valid for LinkLife, and
// only while the key that it was made with is valid. Nothing of it is stored.

// LinkLife is how long a link can be followed.
const LinkLife = 15 * time.Minute

// A Grant says which key a link was made with, and when the link ends. The request in a link is a
// JSON object that has these members beside its own.
type Grant struct {
	Org     string `json:"org"`
	KeyID   string `json:"key"`
	Expires int64  `json:"expires"` // Unix seconds
}

// NewGrant makes the grant for a link that the principal asks for now.
func NewGrant(p Principal, now time.Time) Grant {
	return Grant{Org: p.Org, KeyID: p.KeyID, Expires: now.Add(LinkLife).Unix()}
}

// linkSigner signs links. Its key is derived from the service's secret and used for links only.
type linkSigner struct{ key []byte }

func newLinkSigner(secret []byte) linkSigner {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("rollcall download link 1"))
	return linkSigner{mac.Sum(nil)}
}

const (
	requestParam   = "request="
	signatureParam = "&signature="
)

// sign returns path and query of a link to the path with the request in it, signed.
func (s linkSigner) sign(path string, request []byte) string {
	address := path + "?" + requestParam + base64.RawURLEncoding.EncodeToString(request)
	return address + signatureParam + s.signature(address)
}

func (s linkSigner) signature(address string) string {
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(address))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

var (
	errLinkChanged = &Refusal{
		Status: http.StatusForbidden,
		Detail: "This download link is not one that was made here, or was changed; ask for a new one and use it as it is.",
	}
	errLinkExpired = &Refusal{
		Status: http.StatusForbidden,
		Detail: "This download link has expired; links are valid for 15 minutes. Ask for a new one.",
	}
	errLinkDead = &Refusal{
		Status: http.StatusForbidden,
		Detail: "The API key that this download link was made with is no longer valid; ask for a new link with a valid key.",
	}
)

// open returns the request and its grant if every byte of path and query is as it was signed, and
// the grant has not expired. It compares signatures as text, because base64 can write one value in
// several ways.
func (s linkSigner) open(u *url.URL, now time.Time) (request []byte, g Grant, err error) {
	query, signature, ok := strings.Cut(u.RawQuery, signatureParam)
	address := u.EscapedPath() + "?" + query
	if !ok || !hmac.Equal([]byte(signature), []byte(s.signature(address))) {
		return nil, g, errLinkChanged
	}
	request, err = base64.RawURLEncoding.DecodeString(strings.TrimPrefix(query, requestParam))
	if err != nil {
		return nil, g, errLinkChanged
	}
	if err := json.Unmarshal(request, &g); err != nil {
		return nil, g, errLinkChanged
	}
	if now.Unix() >= g.Expires {
		return nil, g, errLinkExpired
	}
	return request, g, nil
}

// SignLink returns the address of a link with the request: its path and query.
func (g *Gate) SignLink(path string, request []byte) string { return g.links.sign(path, request) }

// OpenLink returns the request of a link that was signed here and has not expired, or a *Refusal.
func (g *Gate) OpenLink(u *url.URL, now time.Time) (request []byte, err error) {
	request, _, err = g.links.open(u, now)
	return request, err
}

// ByLink returns the principal of a request that follows a link: the workspace and the key with
// which the link was made.
func (g *Gate) ByLink(r *http.Request) (Principal, error) {
	now := g.now()
	_, granted, err := g.links.open(r.URL, now)
	if err != nil {
		return Principal{}, err
	}
	p, err := g.keys.holder(r.Context(), granted.KeyID, ByLink, now)
	if errors.Is(err, ErrKey) || err == nil && p.Org != granted.Org {
		return Principal{}, errLinkDead
	}
	return p, err
}
