package export

import (
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// fileName is what a browser saves the export as:
// acme-users-usage-2026-10-01-2026-10-31-by-model.csv. It says the workspace, the type, the period,
// and what else makes it another file.
func (j job) fileName() string {
	q := j.request
	name := fmt.Sprintf("%s-%s-usage-%s-%s", inFileName(q.Org), q.Type, q.Period.Start, q.Period.End)
	if q.GroupBy != "" {
		name += "-by-" + q.GroupBy
	}
	return name + "." + string(q.Format)
}

// maxNamePart bounds an id's part of a file name, in bytes: most file systems take names of up to
// 255.
const maxNamePart = 128

// inFileName makes an id a part of a file name that every system takes as it is: what a file name
// must not have there becomes _. That is what Windows reserves, what is not seen (control
// characters, direction marks, odd blanks), and a leading dot or blank. A long id is cut.
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

// attachment is the Content-Disposition of a file (RFC 6266). A name that not every client reads
// right from a quoted text is given twice: with _ for what is not ASCII, and whole,
// percent-encoded, which clients prefer.
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
