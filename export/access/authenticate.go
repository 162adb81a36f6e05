package access

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"
)

// A Kind is the kind of credential that a request carries. The values are those of the Enum8 in the
// audit table.
type Kind string

const (
	ByKey     Kind = "key"
	BySession Kind = "session" // the page's cookie
	ByLink    Kind = "link"    // a signed download link
)

// A Principal is the caller: one workspace, by one of its keys. A session or a link stands for the
// key that it was made with, and shares the limits of that key.
type Principal struct {
	Org, KeyID, KeyName string
	Kind                Kind
	Scopes              []string
}

func principal(k Key, kind Kind) Principal {
	return Principal{Org: k.Org, KeyID: k.ID, KeyName: k.Name, Kind: kind, Scopes: k.Scopes}
}

// An authenticator reads one kind of credential. It returns errNoCredential if the request carries
// none of this kind: the next authenticator is asked then. It returns ErrKey if the request carries
// one that is not valid.
type authenticator interface {
	authenticate(r *http.Request) (Principal, error)
}

var errNoCredential = errors.New("no credential")

// authenticate asks the authenticators in turn. The first one that finds its kind of credential
// decides.
func authenticate(r *http.Request, auth ...authenticator) (Principal, error) {
	for _, a := range auth {
		p, err := a.authenticate(r)
		switch {
		case errors.Is(err, errNoCredential):
			continue
		case errors.Is(err, ErrKey):
			return Principal{}, unauthorized()
		case err != nil:
			return Principal{}, err
		}
		return p, checkScope(p)
	}
	return Principal{}, unauthorized()
}

func checkScope(p Principal) error {
	if !slices.Contains(p.Scopes, ScopeExport) {
		return &Refusal{
			Status: http.StatusForbidden,
			Detail: "This API key may not export usage; use one with the scope " + ScopeExport + ".",
		}
	}
	return nil
}

// bearer reads `Authorization: Bearer <key>`.
type bearer struct {
	keys *Keys
	now  func() time.Time
}

func (b bearer) authenticate(r *http.Request) (Principal, error) {
	headers := r.Header.Values("Authorization")
	if len(headers) == 0 {
		return Principal{}, errNoCredential
	}
	scheme, text, _ := strings.Cut(headers[0], " ")
	if len(headers) > 1 || !strings.EqualFold(scheme, "Bearer") {
		return Principal{}, ErrKey
	}
	key, err := b.keys.Verify(r.Context(), strings.TrimSpace(text), b.now())
	if err != nil {
		return Principal{}, err
	}
	return principal(key, ByKey), nil
}

// holder returns the principal of a link or a session, if the key with which it was made is still
// valid.
func (k *Keys) holder(ctx context.Context, id string, kind Kind, now time.Time) (Principal, error) {
	key, err := k.Valid(ctx, id, now)
	if err != nil {
		return Principal{}, err
	}
	return principal(key, kind), nil
}
