package tables

import (
	"fmt"

	"rollcall/schema"
)

// These conditions select the rows about a person; their parameters are {org:String} and
// {user:String}. OwnedBy selects every row that names the person as its owner, except the person's
// own description. Describing selects that one, and an erasure replaces it as a whole with a
// tombstone.
const (
	UsageOf    = "org_id = {org:String} AND user_id = {user:String}"
	Describing = "org_id = {org:String} AND kind = 'user' AND entity_id = {user:String}"
	OwnedBy    = "org_id = {org:String} AND owner_id = {user:String} AND NOT (kind = 'user' AND entity_id = {user:String})"
)

// WithoutOwner is the statement that writes again what the person owns, without the owner. The new
// version is above that of the event and of the event's tombstone. and is a condition: it says
// which of these rows are from before the erasure.
func WithoutOwner(and string) string {
	return fmt.Sprintf(`INSERT INTO entities SELECT * REPLACE (version + %d AS version, '' AS owner_id) FROM
(SELECT * FROM entities FINAL WHERE %s AND bitAnd(version, 1) = 0 AND %s)`, schema.Redaction, OwnedBy, and)
}
