package query

import "slices"

// A Type says what the rows of an export are.
type Type string

const (
	Users       Type = "users"
	Assistants  Type = "assistants"
	Workflows   Type = "workflows"
	Projects    Type = "projects"
	Models      Type = "models"
	APIKeys     Type = "api-keys"
	Departments Type = "departments"
	Groups      Type = "groups"
	Adoption    Type = "adoption"
	Focus       Type = "focus"
)

// Types lists them all, in the order in which they are shown.
func Types() []Type {
	return []Type{Users, Assistants, Workflows, Projects, Models, APIKeys, Departments, Groups, Adoption, Focus}
}

// Aliases are other names of the type, which clients of other services know.
func (t Type) Aliases() []string {
	switch t {
	case Assistants:
		return []string{"agents"}
	case APIKeys:
		return []string{"api_keys"}
	}
	return nil
}

// ParseType knows the types by their names and aliases.
func ParseType(s string) (Type, error) {
	for _, t := range Types() {
		if string(t) == s || slices.Contains(t.Aliases(), s) {
			return t, nil
		}
	}
	return "", bad("type",
		"There is no export %q; choose one of users, assistants (or agents), workflows, projects, models, api-keys, "+
			"departments, groups, adoption, focus.",
		clip(s))
}

// GroupBys lists what rows of the type can be split by. deployment requires a workspace with byok
// on.
func (t Type) GroupBys() []string {
	switch t {
	case Users, APIKeys:
		return []string{"model"}
	case Assistants:
		return []string{"model", "department", "group"}
	case Models:
		return []string{"source", "deployment", "department", "group"}
	}
	return nil
}

// Granularities lists those that the type takes; "" stands for rows of the whole period. The first
// is that of a request that names none.
func (t Type) Granularities() []Granularity {
	buckets := []Granularity{Daily, Weekly, Monthly}
	switch t {
	case Adoption: // all its rows are about buckets
		return buckets
	case Focus: // has a row for each UTC day as it is
		return []Granularity{""}
	}
	return slices.Insert(buckets, 0, "")
}

// A Format is how the rows are written.
type Format string

const (
	CSV     Format = "csv"
	NDJSON  Format = "ndjson"
	JSON    Format = "json" // one array
	Parquet Format = "parquet"
	XLSX    Format = "xlsx" // the rows as the service makes a workbook of them: lines of JSON arrays
)

// ParseFormat takes the empty string for csv.
func ParseFormat(s string) (Format, error) {
	switch f := Format(s); f {
	case "":
		return CSV, nil
	case CSV, NDJSON, JSON, Parquet, XLSX:
		return f, nil
	}
	return "", bad("format", "There is no format %q; choose one of csv, ndjson, json, parquet, xlsx.", clip(s))
}
