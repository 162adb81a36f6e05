package export

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"rollcall/export/access"
	"rollcall/export/query"
	"rollcall/schema/tables"
)

// A failure is an answer that is not a success. detail tells the person who asked what is wrong and
// what to do. err is for the log only.
type failure struct {
	status     int
	title      string // its name on the drop-in surface; "": the name of the status
	detail     string
	param      string // the parameter at fault; "": none
	allow      string // with 405: the methods that are allowed
	retryAfter time.Duration
	err        error
}

func (f *failure) Error() string {
	if f.err != nil {
		return fmt.Sprintf("%d %s: %v", f.status, f.detail, f.err)
	}
	return fmt.Sprintf("%d %s", f.status, f.detail)
}

func (f *failure) Unwrap() error { return f.err }

// statusClientGone is the status of a request whose client left before there was an answer. It is
// never sent: only metrics and the audit use it.
const statusClientGone = 499

// retryLasting is when a client should try again that was refused until the operator has acted.
const retryLasting = time.Minute

// failureOf is the only table from errors to answers.
func failureOf(err error, requestID string) *failure {
	var f *failure
	var refused *access.Refusal
	var bad *query.BadRequest
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &refused):
		return &failure{status: refused.Status, detail: refused.Detail, retryAfter: refused.RetryAfter}
	case errors.As(err, &bad):
		return &failure{status: http.StatusBadRequest, detail: bad.Message, param: bad.Param}
	case errors.Is(err, query.ErrWorkflowsOff):
		return &failure{
			status: http.StatusForbidden,
			detail: "Workflows are switched off for this workspace; " +
				"its administrator can switch them on in the workspace's settings.",
		}
	case errors.Is(err, query.ErrBYOKOff):
		return &failure{
			status: http.StatusForbidden,
			detail: "The export focus takes a workspace that brings its own keys (byok), and this one does not; " +
				"its administrator can switch byok on in the workspace's settings.",
		}
	case errors.Is(err, context.Canceled):
		return &failure{status: statusClientGone, detail: "The client closed the connection.", err: err}
	}
	class, name := tables.Classify(err)
	switch {
	case name == "MEMORY_LIMIT_EXCEEDED":
		return &failure{
			status: http.StatusServiceUnavailable, retryAfter: 10 * time.Second, err: err,
			detail: "The service's database has not enough free memory for this export at the moment; " +
				"try again in a few seconds, and if that does not help, ask for a shorter period.",
		}
	case class == tables.Passing:
		return &failure{
			status: http.StatusServiceUnavailable, retryAfter: 5 * time.Second, err: err,
			detail: "The service's database does not answer at the moment; try again in a few seconds.",
		}
	case class == tables.Lasting:
		return &failure{
			status: http.StatusServiceUnavailable, retryAfter: retryLasting, err: err,
			detail: "The service's database refuses this until the service's operator has changed something there; tell them " +
				"the request id " + requestID + ", and try again once they have.",
		}
	}
	return &failure{
		status: http.StatusInternalServerError, err: err,
		detail: "The export failed inside the service; try again, and if it fails again, tell its operator the request id " +
			requestID + ".",
	}
}

// failureFor is failureOf for a request whose client may be gone: a failure inside the service
// counts as statusClientGone then, because the cancelled request caused it, whatever error the
// database reports.
func failureFor(r *http.Request, err error, requestID string) *failure {
	f := failureOf(err, requestID)
	if f.status >= 500 && r.Context().Err() != nil {
		return &failure{status: statusClientGone, detail: "The client closed the connection.", err: err}
	}
	return f
}

// header sets the headers of the failure that every surface shares.
func (f *failure) header(h http.Header) {
	for _, name := range []string{
		"ETag", "Content-Disposition", "Content-Encoding", "Content-Length", "Rollcall-Complete-Through",
	} {
		h.Del(name)
	}
	h.Set("Cache-Control", "no-store")
	if f.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(f.retryAfter.Seconds())))))
	}
	if f.status == http.StatusUpgradeRequired {
		h.Set("Upgrade", "HTTP/1.1")
		h.Set("Connection", "Upgrade, close")
	}
	if f.allow != "" {
		h.Set("Allow", f.allow)
	}
	if f.status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="rollcall"`)
	}
}

// A failureWriter writes a failure in the form of one surface.
type failureWriter func(w http.ResponseWriter, f *failure, requestID string)

// writeProblem writes a failure as RFC 9457 defines.
func writeProblem(w http.ResponseWriter, f *failure, requestID string) {
	f.header(w.Header())
	writeJSON(w, "application/problem+json", f.status, struct {
		Type      string `json:"type"`
		Title     string `json:"title"`
		Status    int    `json:"status"`
		Detail    string `json:"detail"`
		Parameter string `json:"parameter,omitempty"`
		RequestID string `json:"request_id"`
	}{"about:blank", http.StatusText(f.status), f.status, f.detail, f.param, requestID})
}

// writeDropInError writes a failure in the envelope that clients of the drop-in surface know.
func writeDropInError(w http.ResponseWriter, f *failure, _ string) {
	f.header(w.Header())
	message := f.detail
	if f.status == http.StatusUnauthorized {
		message = access.InvalidKey
	}
	writeJSON(w, "application/json", f.status, struct {
		Error   string `json:"error"`
		Message string `json:"message"`
	}{cmp.Or(f.title, http.StatusText(f.status)), message})
}

func writeJSON(w http.ResponseWriter, contentType string, status int, body any) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(body) // the client may be gone
}
