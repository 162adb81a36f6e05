package tables

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
)

// forms is a transport that takes the parameters of a statement out of the request's URL, where the
// driver puts them, and sends them in its body. A request line has a few thousand bytes in many
// proxies, and ends up in their logs. The list of a year's slices alone is 16 kB.
//
// ClickHouse takes parameters from a body of multipart/form-data, with the statement as the field
// query (DynamicQueryHandler::getQuery in its src/Server/HTTPHandler.cpp). About such forms:
//
//   - Settings stay in the URL, because ClickHouse does not read them from a form. Until its pull
//     request 85570 of August 2025 it ignored even those of the URL whose names end with _format,
//     if a form came with them. A server that old refuses every statement, since it does not know
//     all of this package's settings.
//   - A value has at most 128 KiB (http_max_field_value_size, a setting of the server), or the
//     server refuses the statement. In a URL the same limit holds for the encoded value. So the
//     callers bound the lists that they send.
//   - ClickHouse reads no rows after a form. A request that carries rows is left as it is.
type forms struct{ to transport }

// transport is what the driver needs of a transport.
type transport interface {
	http.RoundTripper
	CloseIdleConnections()
}

const paramPrefix = "param_"

// partSize is about what a part of a form has besides its value.
const partSize = 150

func (f forms) RoundTrip(r *http.Request) (*http.Response, error) {
	rest, params := cutParams(r)
	// The driver says what the body is unless it is a statement's text.
	if params == "" || r.Body == nil || r.Header.Get("Content-Type") != "" || r.Header.Get("Content-Encoding") != "" {
		return f.to.RoundTrip(r)
	}
	form, err := formRequest(r, rest, params)
	if err != nil {
		return nil, err
	}
	response, err := f.to.RoundTrip(form)
	if response != nil {
		response.Request = r // cutParams looks there for the parameters after a redirect
	}
	return response, err
}

func (f forms) CloseIdleConnections() { f.to.CloseIdleConnections() }

// cutParams cuts the parameters from the rest of the request's URL. Both have the form of a URL's
// query. If a server or proxy answered with a redirect, its new URL was made from a request line
// without parameters. Then they are those of the request before.
func cutParams(r *http.Request) (rest, params string) {
	query := r.URL.RawQuery
	if !strings.HasPrefix(query, paramPrefix) && !strings.Contains(query, "&"+paramPrefix) {
		if r.Response != nil && r.Response.Request != nil {
			_, params = cutParams(r.Response.Request)
		}
		return query, params
	}
	var others, found []string
	for field := range strings.SplitSeq(query, "&") {
		if strings.HasPrefix(field, paramPrefix) {
			found = append(found, field)
		} else {
			others = append(others, field)
		}
	}
	return strings.Join(others, "&"), strings.Join(found, "&")
}

// formRequest is the request with its statement and parameters in a form. It reads and closes the
// request's body.
func formRequest(r *http.Request, rest, params string) (*http.Request, error) {
	defer r.Body.Close()
	var body bytes.Buffer
	body.Grow(int(max(r.ContentLength, 0)) + len(params) + partSize*(2+strings.Count(params, "&")))
	w := multipart.NewWriter(&body)
	statement, err := w.CreateFormField("query")
	if err == nil {
		_, err = io.Copy(statement, r.Body)
	}
	if err != nil {
		return nil, fmt.Errorf("read the statement: %w", err)
	}
	for field := range strings.SplitSeq(params, "&") {
		name, encoded, _ := strings.Cut(field, "=")
		value, err := url.QueryUnescape(encoded)
		if err == nil {
			err = w.WriteField(name, value)
		}
		if err != nil {
			return nil, fmt.Errorf("read the parameter %s: %w", name, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	form := r.Clone(r.Context())
	form.URL.RawQuery = rest
	form.Header.Set("Content-Type", w.FormDataContentType())
	form.ContentLength = int64(body.Len())
	form.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body.Bytes())), nil }
	form.Body, err = form.GetBody()
	return form, err
}
