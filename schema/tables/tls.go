package tables

import (
	"crypto/tls"
	"net/http"
	"sync"
)

// renewedTLS is a transport whose TLS may change while the process runs, as when an authority is
// replaced. A request after the change has a connection that was made after it. Requests that run
// at that time are finished on theirs.
type renewedTLS struct {
	current func() *tls.Config

	mu     sync.Mutex
	config *tls.Config // of to
	to     *http.Transport
}

// now is the transport of this moment. http.Transport itself takes one configuration for good, and
// its hook for TLS is not asked where a proxy is between.
func (r *renewedTLS) now() *http.Transport {
	config := r.current()
	r.mu.Lock()
	defer r.mu.Unlock()
	if config != r.config {
		before := r.to
		defer before.CloseIdleConnections()
		r.to = before.Clone()
		r.to.TLSClientConfig = config
		r.config = config
	}
	return r.to
}

func (r *renewedTLS) RoundTrip(request *http.Request) (*http.Response, error) {
	return r.now().RoundTrip(request)
}

func (r *renewedTLS) CloseIdleConnections() { r.now().CloseIdleConnections() }
