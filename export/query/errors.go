package query

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// A BadRequest is a request that cannot be answered as it stands; Message is one sentence, or two,
// for the person who sent it: what is wrong, and what to do.
type BadRequest struct {
	Param   string // the parameter at fault: type, range, from, to, timezone, week_start, group_by, format, delimiter
	Message string
}

func (e *BadRequest) Error() string { return e.Message }

func bad(param, format string, args ...any) error {
	return &BadRequest{Param: param, Message: fmt.Sprintf(format, args...)}
}

// ErrWorkflowsOff refuses the export workflows to a workspace whose settings do not have them
// (403).
var ErrWorkflowsOff = errors.New("workflows are switched off for this workspace; its administrator can switch them on in the workspace's settings")

// clip shortens what a user sent for showing it back.
func clip(s string) string {
	const most = 64
	if len(s) <= most {
		return s
	}
	s = s[:most]
	for !utf8.ValidString(s) && len(s) > most-utf8.UTFMax {
		s = s[:len(s)-1]
	}
	return s + "…"
}
