package export

import (
	"rollcall/export/query"
	"rollcall/schema"
)

// hiddenBy returns the name of the workspace's setting that hides persons on the page (SPEC.md
// §2.4), or "". With such a setting, exports still have a row per person, without names and
// addresses. The page lists no persons at all, neither by name nor by id or rank.
func hiddenBy(s schema.Settings) string {
	switch {
	case !s.UserLevelData:
		return "user_level_data"
	case s.Pseudonymize:
		return "pseudonymize"
	}
	return ""
}

// leftOut lists the columns that the type lacks because of the setting that hides persons, in the
// order of the file.
func leftOut(org string, t query.Type, settings schema.Settings, shown map[query.Column]bool) []string {
	names := []string{}
	open := settings
	open.UserLevelData = schema.DefaultSettings.UserLevelData
	open.Pseudonymize = schema.DefaultSettings.Pseudonymize
	columns, err := query.Columns(query.Request{Org: org, Type: t, Settings: open})
	if err != nil { // not for this workspace
		return names
	}
	for _, c := range columns {
		if !shown[c] {
			names = append(names, c.Name)
		}
	}
	return names
}
