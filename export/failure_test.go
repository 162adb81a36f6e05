package export

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"rollcall/export/access"
)

// Retry-After is in whole seconds, never shorter than the wait, and never 0.
func TestRetryAfter(t *testing.T) {
	for wait, want := range map[time.Duration]string{
		0: "", time.Millisecond: "1", time.Second: "1", time.Second + 1: "2", time.Minute: "60",
	} {
		h := http.Header{}
		(&failure{retryAfter: wait}).header(h)
		if got := h.Get("Retry-After"); got != want {
			t.Errorf("a wait of %v is told as %q, want %q", wait, got, want)
		}
	}
}

// A failure inside the service after the client has gone does not count as the service's failure. A
// refusal stays a refusal.
func TestFailuresOfAClientThatIsGone(t *testing.T) {
	gone, leave := context.WithCancel(t.Context())
	leave()
	for _, c := range []struct {
		ctx  context.Context
		err  error
		want int
	}{
		{t.Context(), errors.New("a defect"), 500},
		{gone, errors.New("a defect"), statusClientGone},
		{gone, &failure{status: 503}, statusClientGone},
		{gone, &access.Refusal{Status: 401}, 401},
		{gone, &failure{status: 499}, statusClientGone},
	} {
		r := httptest.NewRequestWithContext(c.ctx, http.MethodGet, "/", nil)
		if got := failureFor(r, c.err, "id").status; got != c.want {
			t.Errorf("%v, client gone %t: %d, want %d", c.err, c.ctx.Err() != nil, got, c.want)
		}
	}
}

// A failure that may pass in a moment, or once the operator has acted, is a 503, which says when to
// try again. A defect is a 500.
func TestWhatPassesIs503(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want int
	}{
		{"nobody answers", &net.OpError{Op: "dial", Err: errors.New("connection refused")}, 503},
		{"no connection is free", clickhouse.ErrAcquireConnTimeout, 503},
		{"an answer that ends before its rows", io.ErrUnexpectedEOF, 503},
		{"a proxy whose ClickHouse is away", &clickhouse.HTTPError{StatusCode: 502, Err: errors.New("a page")}, 503},
		{"a server that starts", &clickhouse.Exception{Code: 236, Name: "ABORTED"}, 503},
		{"a column that is not there", &clickhouse.Exception{Code: 47, Name: "UNKNOWN_IDENTIFIER"}, 503},
		{"a profile that only reads", &clickhouse.Exception{Code: 164, Name: "READONLY"}, 503},
		{"a missing right", &clickhouse.Exception{Code: 497, Name: "ACCESS_DENIED"}, 503},
		{"a password that is not right any more", &clickhouse.Exception{Code: 516, Name: "AUTHENTICATION_FAILED"}, 503},
		{"a page of something else", &clickhouse.HTTPError{StatusCode: 404, Err: errors.New("a page")}, 503},
		{"a statement that is none", &clickhouse.Exception{Code: 62, Name: "SYNTAX_ERROR"}, 500},
		{"a bug", errors.New("a bug"), 500},
	} {
		f := failureOf(fmt.Errorf("read: %w", c.err), "id")
		if f.status != c.want || (f.retryAfter > 0) != (c.want == 503) {
			t.Errorf("%s: %d, Retry-After %s, want %d", c.name, f.status, f.retryAfter, c.want)
		}
	}
}

// The outcome depends on the failure and on the status that was sent before it.
func TestOutcomes(t *testing.T) {
	for _, c := range []struct {
		sent   int
		failed *failure
		want   string
	}{
		{200, nil, outcomeComplete},
		{304, nil, outcomeNotModified},
		{304, &failure{status: 500}, outcomeAborted},
		{200, &failure{status: 500}, outcomeAborted},
		{200, &failure{status: statusClientGone}, outcomeAborted},
		{statusClientGone, &failure{status: statusClientGone}, outcomeAborted},
		{400, &failure{status: 400}, outcomeRefused},
		{498, &failure{status: 498}, outcomeRefused},
		{500, &failure{status: 500}, outcomeFailed},
		{503, &failure{status: 503}, outcomeFailed},
	} {
		if got := (&exchange{status: c.sent}).outcome(c.failed); got != c.want {
			t.Errorf("%d sent, then %v: %s, want %s", c.sent, c.failed, got, c.want)
		}
	}
}
