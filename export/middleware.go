package export

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/google/uuid"
)

type requestIDKey struct{}

// identify gives the request an id, which the answer shows as Rollcall-Request-Id and the log and
// the audit tell. It is never the client's.
func identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := uuid.Must(uuid.NewV7())
		w.Header().Set("Rollcall-Request-Id", id.String())
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestIDKey{}, id)))
	})
}

func requestID(r *http.Request) uuid.UUID {
	id, _ := r.Context().Value(requestIDKey{}).(uuid.UUID)
	return id
}

// harden: what was sent as data is never taken for a page.
func harden(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "no-referrer")
		next.ServeHTTP(w, r)
	})
}

const maxBodyBytes = 64 << 10

// limitBody bounds what a request's body may hold and how long it may take. Once the request was
// read whole, nothing of it is timed any more: a deadline that passed while the database works
// would look as if the client had gone.
func (e *Export) limitBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		if r.ContentLength == 0 {
			_ = control.SetReadDeadline(time.Time{})
		} else {
			_ = control.SetReadDeadline(time.Now().Add(e.bodyTimeout))
			r.Body = &timedBody{http.MaxBytesReader(w, r.Body, maxBodyBytes), control}
		}
		next.ServeHTTP(w, r)
	})
}

// A timedBody lifts the deadline at its end.
type timedBody struct {
	io.ReadCloser
	control *http.ResponseController
}

func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		_ = b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}
