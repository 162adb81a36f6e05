package query

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// A BadRequest is the error of a request that cannot be answered. Message is one sentence, or two,
// for the person who sent it: what is wrong, and what to do.
type BadRequest struct {
	Param   string // the parameter at fault: type, range, from, to, timezone, week_start, group_by, format, delimiter
	Message string
}

func (e *BadRequest) Error() string { return e.Message }

func bad(param, format string, args ...any) error {
	return &BadRequest{Param: param, Message: fmt.Sprintf(format, args...)}
}

// ErrWorkflowsOff refuses the export workflows (403) if the workspace's settings have it switched
// off.
var ErrWorkflowsOff = errors.New("workflows are switched off for this workspace; " +
	"its administrator can switch them on in the workspace's settings")

// ErrBYOKOff refuses the export focus (403) if the workspace's settings have byok switched off.
var ErrBYOKOff = errors.New("byok is switched off for this workspace, so it has no export focus; " +
	"its administrator can switch byok on in the workspace's settings")

// clip shortens a text of the user for an error message.
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
