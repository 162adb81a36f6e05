package export

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"rollcall/export/access"
	"rollcall/export/query"
	"rollcall/schema"
)

// Download links carry their request in the query and need no key: access signs path and query.
//
// The path has only unreserved characters (RFC 3986), and nothing of the workspace. Proxies and
// clients decode, encode and normalise paths, but they do not change these characters, and they do
// not change queries.

const linkPrefix = "/export/files/"

// A link is the content of a download link.
type link struct {
	access.Grant
	Type    query.Type    `json:"type"`
	GroupBy string        `json:"group_by,omitempty"`
	From    schema.Millis `json:"from"`
	To      schema.Millis `json:"to"`
	Start   string        `json:"start"`
	End     string        `json:"end"`
}

func newLink(j job, g access.Grant) link {
	q := j.request
	return link{g, q.Type, q.GroupBy, q.Period.From, q.Period.To, q.Period.Start, q.Period.End}
}

// job returns the export that the link stands for, as of now.
func (l link) job(now time.Time) job {
	return job{request: query.Request{
		Org: l.Org, Type: l.Type, GroupBy: l.GroupBy, AsOf: now, Format: query.CSV, Delimiter: ',',
		Period: query.Period{
			From: l.From, To: l.To, First: l.From.Time(), Last: (l.To - 1).Time(), Start: l.Start, End: l.End,
		},
	}}
}

// signLink returns the link's path and query. The path has the prefix by which the client reached
// the surface, because another prefix may not lead to this service.
func (e *Export) signLink(prefix string, l link) string {
	text, err := json.Marshal(l)
	if err != nil {
		panic(err) // texts and numbers
	}
	return e.gate.SignLink(prefix+l.path(), text)
}

// path returns /export/files/users-usage-2026-10-01-2026-10-31.csv. A downloader that ignores the
// headers names the file after it.
func (l link) path() string {
	return linkPrefix + string(l.Type) + "-usage-" + l.Start + "-" + l.End + ".csv"
}

// isLink returns whether a path belongs to a link, or could be taken for one.
func isLink(path string) bool { return strings.Contains(decoded(path), linkPrefix) }

// followLink answers a request that follows a download link.
func (e *Export) followLink(w http.ResponseWriter, r *http.Request, x *exchange) error {
	text, err := e.gate.OpenLink(r.URL, x.started)
	if err != nil {
		return err
	}
	var l link
	if err := json.Unmarshal(text, &l); err != nil {
		return fmt.Errorf("read a link that was signed here: %w", err)
	}
	return e.answer(w, r, x, l.job(x.started))
}
