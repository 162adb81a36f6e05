package export

import (
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"rollcall/export/query"
)

// fileName returns the name under which a browser saves the export:
// acme-users-usage-2026-10-01-2026-10-31-by-model-daily.csv. It has the workspace, the type, the
// period, and what makes it another file: the grouping, the granularity, and that it is filtered.
func (j job) fileName() string {
	q := j.request
	name := fmt.Sprintf("%s-%s-usage-%s-%s", inFileName(q.Org), q.Type, q.Period.Start, q.Period.End)
	if q.GroupBy != "" {
		name += "-by-" + q.GroupBy
	}
	if g := q.Period.Granularity; g != q.Type.Granularities()[0] {
		name += ofGranularity[g]
	}
	if q.Filters != nil {
		name += "-filtered"
	}
	return name + "." + string(q.Format)
}

var ofGranularity = map[query.Granularity]string{
	query.Daily: "-daily", query.Weekly: "-weekly", query.Monthly: "-monthly",
}

// maxNamePart bounds the part that an id takes in a file name, in bytes. Most file systems take
// names of up to 255 bytes.
const maxNamePart = 128

// inFileName turns an id into a part of a file name that every system accepts. It replaces with _
// the characters that Windows reserves, those that cannot be seen (control characters, direction
// marks, odd blanks), and a leading dot or blank. It cuts a long id.
func inFileName(id string) string {
	name := strings.Map(func(r rune) rune {
		if strings.ContainsRune(`<>:"/\|?*`, r) || r == utf8.RuneError || !unicode.IsPrint(r) {
			return '_'
		}
		return r
	}, id)
	if strings.HasPrefix(name, ".") || strings.HasPrefix(name, " ") {
		name = "_" + name[1:]
	}
	for len(name) > maxNamePart {
		_, last := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-last]
	}
	return name
}

// attachment returns the Content-Disposition of a file (RFC 6266). Not every client reads every
// name right from a quoted text, so such a name is given twice: with _ for characters that are not
// ASCII, and whole in percent-encoding, which clients prefer.
func attachment(name string) string {
	plain := strings.Map(func(r rune) rune {
		if r > unicode.MaxASCII || r == '%' {
			return '_'
		}
		return r
	}, name)
	header := `attachment; filename="` + plain + `"`
	if plain != name {
		header += "; filename*=UTF-8''" + strings.ReplaceAll(url.QueryEscape(name), "+", "%20")
	}
	return header
}
