package export

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"rollcall/export/query"
)

// dropInBody is the body of the drop-in surface's requests.
type dropInBody struct {
	From    *dropInTime `json:"from"`
	To      *dropInTime `json:"to"`
	GroupBy *string     `json:"group_by"`
}

type dropInTime struct {
	Date     string `json:"date"`
	Timezone string `json:"timezone"`
}

func (t dropInTime) clock() query.WallClock {
	return query.WallClock{Date: t.Date, Timezone: t.Timezone}
}

// bodyForm is the part that all messages about an unreadable body share.
const bodyForm = `The body must be JSON like {"from":{"date":"2026-10-01","timezone":"UTC"},"to":{"date":"2026-10-31","timezone":"UTC"}}, ` +
	`with "group_by" if wanted`

// parseDropIn reads the body. It refuses unknown and repeated members: otherwise a misspelled
// member would silently mean another export.
func parseDropIn(body io.Reader) (dropInBody, error) {
	var b dropInBody
	text, err := io.ReadAll(body)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return b, &failure{
			status: http.StatusRequestEntityTooLarge,
			detail: "The body is larger than 64 KiB; it only holds from, to and group_by.",
		}
	case err != nil:
		return b, &failure{status: http.StatusBadRequest, detail: "The body did not arrive whole; send it again.", err: err}
	}
	if err := json.Unmarshal(text, &b, json.RejectUnknownMembers(true)); err != nil {
		return b, misread(err)
	}
	switch {
	case b.From == nil:
		return b, badParam("from", bodyForm+"; from is missing.")
	case b.To == nil:
		return b, badParam("to", bodyForm+"; to is missing.")
	}
	return b, nil
}

// misread turns an error of the JSON parser into a refusal, which names the member at fault if
// there is one.
func misread(err error) error {
	var wrong *json.SemanticError
	var broken *jsontext.SyntacticError
	switch {
	case errors.As(err, &wrong) && errors.Is(err, json.ErrUnknownName):
		name := member(wrong.JSONPointer)
		return badParam(name,
			fmt.Sprintf("There is no member %q; the members are from, to, each with date and timezone, and group_by.", name))
	case errors.As(err, &wrong) && wrong.JSONPointer != "":
		name := member(wrong.JSONPointer)
		form := "a text in quotes"
		if name == "from" || name == "to" {
			form = `an object like {"date":"2026-10-01","timezone":"UTC"}`
		}
		return badParam(name, fmt.Sprintf("%s must be %s.", name, form))
	case errors.As(err, &broken) && errors.Is(err, jsontext.ErrDuplicateName):
		name := member(broken.JSONPointer)
		return badParam(name, fmt.Sprintf("%s is given more than once; give it once.", name))
	}
	return badParam("", bodyForm+".")
}

// member returns the path of a member as people write it: from.date.
func member(p jsontext.Pointer) string {
	var names []string
	for name := range p.Tokens() {
		names = append(names, name)
	}
	return clip(strings.Join(names, "."))
}
