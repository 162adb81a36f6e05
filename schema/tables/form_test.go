package tables

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
)

// A recorder is a transport that keeps the last request and its body, and answers with 200.
type recorder struct {
	request *http.Request
	body    string
	closed  int
}

func (r *recorder) RoundTrip(request *http.Request) (*http.Response, error) {
	r.request = request
	body, err := io.ReadAll(request.Body)
	r.body = string(body)
	request.Body.Close()
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: request}, err
}

func (r *recorder) CloseIdleConnections() { r.closed++ }

// fields reads a form: its fields in their order, as name=value.
func fields(t *testing.T, contentType, body string) (all []string) {
	t.Helper()
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "multipart/form-data" {
		t.Fatalf("the content type is %q", contentType)
	}
	for parts := multipart.NewReader(strings.NewReader(body), params["boundary"]); ; {
		part, err := parts.NextRawPart()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		value, _ := io.ReadAll(part)
		all = append(all, part.FormName()+"="+string(value))
	}
}

func post(t *testing.T, query, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, "http://ada@host:8123/?"+query, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestParametersBecomeAForm(t *testing.T) {
	value := "it's \\ \"\r\n--x--\r\n\t\x00\xff äöü %41+&=;"
	query := url.Values{"limit": {"0"}, "param_b": {value}, "param_a": {""}, "wait": {"a=b&c"}, "params": {"1"}}.Encode()
	r := post(t, query, "SELECT {a:String}, {b:String}")
	to := &recorder{}
	response, err := forms{to}.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	if got := to.request.URL.String(); got != "http://ada@host:8123/?limit=0&params=1&wait=a%3Db%26c" {
		t.Errorf("the URL is %s", got)
	}
	if got, want := strings.Join(fields(t, to.request.Header.Get("Content-Type"), to.body), "|"),
		"query=SELECT {a:String}, {b:String}|param_a=|param_b="+value; got != want {
		t.Errorf("the form is %q, want %q", got, want)
	}
	if to.request.ContentLength != int64(len(to.body)) {
		t.Errorf("the length is %d of %d", to.request.ContentLength, len(to.body))
	}
	// the transport sends a request again if its connection was closed before
	again, err := to.request.GetBody()
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(again); err != nil || string(body) != to.body {
		t.Errorf("sent again, the body is %q, %v", body, err)
	}
	// a transport must not change what it was given
	if r.URL.RawQuery != query || len(r.Header) != 0 || response.Request != r {
		t.Errorf("the request was changed: %s %v", r.URL, r.Header)
	}
}

// Without parameters, and with a body that is not a statement's text, a request stays as it is.
func TestOtherRequestsStay(t *testing.T) {
	for name, c := range map[string]struct{ query, header, value string }{
		"no parameters":   {query: "limit=0&query=param_a"},
		"rows":            {query: "param_a=1&query=INSERT", header: "Content-Type", value: "application/octet-stream"},
		"external tables": {query: "param_a=1", header: "Content-Type", value: "multipart/form-data; boundary=x"},
		"compressed":      {query: "param_a=1", header: "Content-Encoding", value: "gzip"},
	} {
		r := post(t, c.query, "body")
		if c.header != "" {
			r.Header.Set(c.header, c.value)
		}
		to := &recorder{}
		if _, err := (forms{to}).RoundTrip(r); err != nil || to.request != r || to.body != "body" {
			t.Errorf("%s: sent as %s %v with %q, %v", name, to.request.URL, to.request.Header, to.body, err)
		}
	}
}

// A redirect has the settings of the request line, and no parameters.
func TestParametersFollowARedirect(t *testing.T) {
	first := post(t, "limit=0&param_a=1", "SELECT {a:UInt8}")
	to := &recorder{}
	response, err := forms{to}.RoundTrip(first)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		next := post(t, "limit=0", "SELECT {a:UInt8}")
		next.Response = response
		if response, err = (forms{to}).RoundTrip(next); err != nil {
			t.Fatal(err)
		}
		got := strings.Join(fields(t, to.request.Header.Get("Content-Type"), to.body), "|")
		if got != "query=SELECT {a:UInt8}|param_a=1" || to.request.URL.RawQuery != "limit=0" {
			t.Errorf("sent on as %s with %q", to.request.URL, got)
		}
	}
}

func TestAStatementThatCannotBeRead(t *testing.T) {
	broken := errors.New("broken")
	r, err := http.NewRequest(http.MethodPost, "http://host/?param_a=1", iotest.ErrReader(broken))
	if err != nil {
		t.Fatal(err)
	}
	to := &recorder{}
	if _, err := (forms{to}).RoundTrip(r); !errors.Is(err, broken) || to.request != nil {
		t.Errorf("got %v", err)
	}
	if _, err := (forms{to}).RoundTrip(post(t, "param_a=%4", "SELECT 1")); err == nil || to.request != nil ||
		!strings.Contains(err.Error(), "param_a") {
		t.Errorf("a parameter that is not encoded: %v", err)
	}
}

func TestIdleConnectionsAreClosed(t *testing.T) {
	to := &recorder{}
	(&http.Client{Transport: forms{to}}).CloseIdleConnections()
	if to.closed != 1 {
		t.Error("the driver cannot close idle connections")
	}
}
