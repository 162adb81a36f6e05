package export

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

	"rollcall/export/query"
	"rollcall/schema"
)

// Download links carry their request in the query and need no key: a signature over path and query vouches for it, for linkLife and while the key that made it
// is valid. Nothing of them is stored. The path has unreserved characters only (RFC 3986) and nothing of the workspace: proxies and clients decode, encode and
// normalise paths, but not these characters, and they leave queries alone.

const (
	linkLife   = 15 * time.Minute
	linkPrefix = "/export/files/"
)

// A link is what a download link says.
type link struct {
	Org     string        `json:"org"`
	Type    query.Type    `json:"type"`
	GroupBy string        `json:"group_by,omitempty"`
	From    schema.Millis `json:"from"`
	To      schema.Millis `json:"to"`
	Start   string        `json:"start"`
	End     string        `json:"end"`
	KeyID   string        `json:"key"`
	Expires int64         `json:"expires"` // Unix seconds
}

func newLink(j job, keyID string, expires time.Time) link {
	q := j.request
	return link{q.Org, q.Type, q.GroupBy, q.Period.From, q.Period.To, q.Period.Start, q.Period.End, keyID, expires.Unix()}
}

// job is the export that the link stands for, now.
func (l link) job(now time.Time) job {
	return job{request: query.Request{
		Org: l.Org, Type: l.Type, GroupBy: l.GroupBy, AsOf: now, Format: query.CSV, Delimiter: ',',
		Period: query.Period{From: l.From, To: l.To, First: l.From.Time(), Last: (l.To - 1).Time(), Start: l.Start, End: l.End},
	}}
}

// linkSigner holds the key of links: one of its own, made of the service's secret.
type linkSigner struct{ key []byte }

func newLinkSigner(secret []byte) linkSigner {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("rollcall download link 1"))
	return linkSigner{mac.Sum(nil)}
}

const signatureParam = "&signature="

// sign gives the link's path and query, under the prefix by which the surface was reached: another may not lead here.
func (s linkSigner) sign(prefix string, l link) string {
	text, err := json.Marshal(l)
	if err != nil {
		panic(err) // texts and numbers
	}
	address := prefix + l.path() + "?request=" + base64.RawURLEncoding.EncodeToString(text)
	return address + signatureParam + s.signature(address)
}

// path is what a downloader without an eye for headers calls the file: /export/files/users-usage-2026-10-01-2026-10-31.csv.
func (l link) path() string {
	return linkPrefix + string(l.Type) + "-usage-" + l.Start + "-" + l.End + ".csv"
}

// isLink tells whether a path is that of a link, or is taken for one.
func isLink(path string) bool { return strings.Contains(decoded(path), linkPrefix) }

func (s linkSigner) signature(address string) string {
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(address))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

var (
	errLinkChanged = &failure{status: http.StatusForbidden, detail: "This download link is not one that was made here, or was changed; ask for a new one and use it as it is."}
	errLinkExpired = &failure{status: http.StatusForbidden, detail: "This download link has expired; links are valid for 15 minutes. Ask for a new one."}
	errLinkDead    = &failure{status: http.StatusForbidden, detail: "The API key that this download link was made with is no longer valid; ask for a new link with a valid key."}
)

// open gives what the address says if every byte of path and query is as it was signed. Signatures are compared as text: base64 has several forms of one value.
func (s linkSigner) open(u *url.URL, now time.Time) (link, error) {
	request, signature, ok := strings.Cut(u.RawQuery, signatureParam)
	address := u.EscapedPath() + "?" + request
	if !ok || !hmac.Equal([]byte(signature), []byte(s.signature(address))) {
		return link{}, errLinkChanged
	}
	text, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(request, "request="))
	if err != nil {
		return link{}, errLinkChanged
	}
	var l link
	if err := json.Unmarshal(text, &l); err != nil {
		return link{}, errLinkChanged
	}
	if now.Unix() >= l.Expires {
		return link{}, errLinkExpired
	}
	return l, nil
}

// authenticateLink gives the holder of the key that the link was made with.
func (e *Export) authenticateLink(r *http.Request) (Principal, error) {
	now := e.cfg.Now()
	l, err := e.links.open(r.URL, now)
	if err != nil {
		return Principal{}, err
	}
	p, err := e.keys.holder(r.Context(), l.KeyID, ByLink, now)
	if errors.Is(err, ErrKey) || err == nil && p.Org != l.Org {
		return Principal{}, errLinkDead
	}
	return p, err
}

// followLink answers the download.
func (e *Export) followLink(w http.ResponseWriter, r *http.Request, x *exchange) error {
	l, err := e.links.open(r.URL, x.started)
	if err != nil {
		return err
	}
	return e.answer(w, r, x, l.job(x.started))
}
