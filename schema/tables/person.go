package tables

import (
	"fmt"

	"rollcall/schema"
)

// Conditions that say which rows speak of a person; their parameters are {org:String} and
// {user:String}. Every row that names the person as its owner is OwnedBy them, but for their own
// description: that is Describing them, and is buried as a whole.
const (
	UsageOf    = "org_id = {org:String} AND user_id = {user:String}"
	Describing = "org_id = {org:String} AND kind = 'user' AND entity_id = {user:String}"
	OwnedBy    = "org_id = {org:String} AND owner_id = {user:String} AND NOT (kind = 'user' AND entity_id = {user:String})"
)

// WithoutOwner is the statement that writes what the person owns again, without its owner. The
// version of what it writes is above that of the event and of its tombstone. and is the condition
// that says which of these rows are from before the erasure.
func WithoutOwner(and string) string {
	return fmt.Sprintf(`INSERT INTO entities SELECT * REPLACE (version + %d AS version, '' AS owner_id) FROM
(SELECT * FROM entities FINAL WHERE %s AND bitAnd(version, 1) = 0 AND %s)`, schema.Redaction, OwnedBy, and)
}
