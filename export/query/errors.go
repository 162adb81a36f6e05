package query

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// A BadRequest is a request that cannot be answered as it stands; Message is one sentence, or two, for the person who sent it: what is wrong, and what to do.
type BadRequest struct {
	Param   string // the parameter at fault: type, range, from, to, timezone, week_start, group_by, format, delimiter
	Message string
}

func (e *BadRequest) Error() string { return e.Message }

func bad(param, format string, args ...any) error {
	return &BadRequest{Param: param, Message: fmt.Sprintf(format, args...)}
}

// ErrWorkflowsOff refuses the export workflows to a workspace whose settings do not have them (403).
var ErrWorkflowsOff = errors.New("workflows are switched off for this workspace; its administrator can switch them on in the workspace's settings")

// staleMarker is what the guards of a statement throw.
const staleMarker = "rollcall: stale plan"

// Stale tells whether a statement failed because its plan no longer held when it ran: plan again and run it anew. The engine says so before the first byte.
// The marker's words are our own, thrown by our guard: the one place where an error is told by its text, since the engine sends nothing else.
func Stale(err error) bool { return err != nil && strings.Contains(err.Error(), staleMarker) }

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
