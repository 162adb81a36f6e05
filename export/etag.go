package export

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"

	"rollcall/export/query"
	"rollcall/schema"
	"rollcall/schema/tables"
)

// etag returns the tag of an export. It is weak, because all encodings of an export share it. It is
// a digest of everything that the export is made of: the effective request, the workspace's
// settings, the state of its entities, and the versions of the days read.
func (j job) etag(columns []query.Column, w tables.Workspace, plan tables.Plan) string {
	names := make([]string, len(columns)) // in the tag, because a later version of this program may have more columns
	for i, c := range columns {
		names[i] = c.Name
	}
	text, err := json.Marshal(struct {
		Org, GroupBy, Start, End                string
		Type                                    query.Type
		Format                                  query.Format
		From, To                                schema.Millis
		AttributesNow, WithoutInactive, BOM     bool
		DecimalComma                            bool           `json:",omitempty"` // other files keep their tags
		Buckets                                 []query.Bucket `json:",omitempty"`
		Filters                                 []query.Filter `json:",omitempty"`
		UsageFrom                               schema.Day     `json:",omitempty"`
		Delimiter                               byte
		Settings                                schema.Settings
		PseudonymKey                            [32]byte
		EntityEvents, PastEntities, EntityState uint64
		Versions                                string
		Columns                                 []string
	}{
		j.request.Org, j.request.GroupBy, j.request.Period.Start, j.request.Period.End, j.request.Type, j.request.Format,
		j.request.Period.From, j.request.Period.To,
		j.request.AttributesNow, j.request.WithoutInactive, j.bom, j.request.DecimalComma, j.request.Period.Buckets,
		j.request.Filters, j.usageFrom(), j.request.Delimiter,
		w.Settings, j.request.PseudonymKey,
		w.Entities.Events, w.Past, w.Entities.Digest, plan.Versions, names,
	})
	if err != nil {
		panic(err) // texts, numbers and bools
	}
	sum := sha256.Sum256(text)
	return `W/"` + base64.RawURLEncoding.EncodeToString(sum[:18]) + `"`
}

// usageFrom is the first day whose usage adoption reads. It moves with the earliest exportable
// date, and windows that begin before that lose their figures, whether or not there was usage.
func (j job) usageFrom() schema.Day {
	if j.request.Type != query.Adoption {
		return 0
	}
	return j.request.Span().From
}

// noneMatch returns whether If-None-Match names the tag. The comparison is weak.
func noneMatch(r *http.Request, tag string) bool {
	for _, part := range strings.Split(strings.Join(r.Header.Values("If-None-Match"), ","), ",") {
		part = strings.TrimSpace(part)
		if part == "*" || strings.TrimPrefix(part, "W/") == strings.TrimPrefix(tag, "W/") {
			return true
		}
	}
	return false
}
