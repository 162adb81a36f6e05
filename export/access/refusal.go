package access

import (
	"fmt"
	"net/http"
	"time"
)

// A Refusal says that a request may not pass, and what its sender can do about it.
type Refusal struct {
	Status     int    // of HTTP: 4xx
	Detail     string // one sentence, or two, for the person who asked
	RetryAfter time.Duration
}

func (r *Refusal) Error() string { return fmt.Sprintf("%d %s", r.Status, r.Detail) }

// InvalidKey is the text for a key that is missing, malformed, unknown, wrong, revoked or expired,
// on every surface.
const InvalidKey = "Invalid or missing API key"

func unauthorized() error {
	return &Refusal{
		Status: http.StatusUnauthorized, Detail: InvalidKey + ": send a valid one as `Authorization: Bearer rc_…`.",
	}
}
