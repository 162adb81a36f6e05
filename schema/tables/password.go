package tables

import "net/http"

// passwords is a transport that puts the password of this moment into a request, where the driver
// has put the one that it was opened with. So a password can be replaced while the process runs.
type passwords struct {
	to  transport
	now func() string
}

// keyHeader has the password in a request over TLS. Without TLS, the Authorization header has it.
const keyHeader = "X-ClickHouse-Key"

func (p passwords) RoundTrip(r *http.Request) (*http.Response, error) {
	asked := r.Clone(r.Context())
	if user, _, basic := asked.BasicAuth(); basic {
		asked.SetBasicAuth(user, p.now())
	} else {
		asked.Header.Set(keyHeader, p.now())
	}
	response, err := p.to.RoundTrip(asked)
	if response != nil {
		response.Request = r
	}
	return response, err
}

func (p passwords) CloseIdleConnections() { p.to.CloseIdleConnections() }
