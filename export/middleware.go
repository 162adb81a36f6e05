package export

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/google/uuid"
)

type requestIDKey struct{}

// identify gives each request an id. The answer shows it as Rollcall-Request-Id, and the log and
// the audit have it. The service never uses an id that the client sent.
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

// harden sets headers so that a browser never takes data for a page.
func harden(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "no-referrer")
		next.ServeHTTP(w, r)
	})
}

const maxBodyBytes = 64 << 10

// limitBody bounds the size of a request's body and the time for receiving it. Once the whole
// request was read, no deadline is left: one that passed while the database works would look as if
// the client had gone.
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

// A timedBody removes the read deadline when the body has been read to its end.
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
