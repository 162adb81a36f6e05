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

// Download links carry their request in the query and need no key: access signs path and query. The
// path has unreserved characters only (RFC 3986) and nothing of the workspace: proxies and clients
// decode, encode and normalise paths, but not these characters, and they leave queries alone.

const linkPrefix = "/export/files/"

// A link is what a download link says.
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

// job is the export that the link stands for, now.
func (l link) job(now time.Time) job {
	return job{request: query.Request{
		Org: l.Org, Type: l.Type, GroupBy: l.GroupBy, AsOf: now, Format: query.CSV, Delimiter: ',',
		Period: query.Period{
			From: l.From, To: l.To, First: l.From.Time(), Last: (l.To - 1).Time(), Start: l.Start, End: l.End,
		},
	}}
}

// signLink gives the link's path and query, under the prefix by which the surface was reached:
// another may not lead here.
func (e *Export) signLink(prefix string, l link) string {
	text, err := json.Marshal(l)
	if err != nil {
		panic(err) // texts and numbers
	}
	return e.gate.SignLink(prefix+l.path(), text)
}

// path is what a downloader without an eye for headers calls the file:
// /export/files/users-usage-2026-10-01-2026-10-31.csv.
func (l link) path() string {
	return linkPrefix + string(l.Type) + "-usage-" + l.Start + "-" + l.End + ".csv"
}

// isLink tells whether a path is that of a link, or is taken for one.
func isLink(path string) bool { return strings.Contains(decoded(path), linkPrefix) }

// followLink answers the download.
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
