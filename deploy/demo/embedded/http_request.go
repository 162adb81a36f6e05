package embedded

import (
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// request is what one HTTP request asks for. Its body is not yet read, unless it is a form.
type request struct {
	id       string // the query's id, which is sent back and used to cancel the query
	text     string // the query parameter, and what a form adds to it
	body     io.ReadCloser
	database string
	format   string // of the answer, if the statement names none
	params   map[string]string
	settings map[string]string
	// revision is client_protocol_version: blocks of the Native format are written for this
	// revision of the native protocol.
	revision   uint64
	waitForEnd bool
}

// statementHead is how many bytes of a body are searched for the place where an INSERT's rows
// begin. It is also the length of the longest statement in a body.
const statementHead = 8 << 20

// notSettings are the parameters that ClickHouse's HTTP interface handles itself and that mean
// nothing more here, where the engine has one user.
var notSettings = map[string]bool{
	"query": true, "query_id": true, "database": true, "default_format": true, "compress": true, "decompress": true,
	"client_protocol_version": true,
	"user":                    true, "password": true, "quota_key": true, "stacktrace": true, "buffer_size": true,
	"wait_end_of_query": true,
	"session_timeout":   true, "session_check": true, "http_write_exception_in_output_format": true,
}

func readRequest(r *http.Request) (*request, error) {
	if err := checkURL(r.URL.RawQuery); err != nil {
		return nil, err
	}
	values := r.URL.Query()
	switch {
	case values.Has("session_id"):
		return nil, newException(codeNotImplemented,
			"the embedded engine has no sessions: leave session_id out and send settings with each query")
	case values.Has("role"):
		return nil, newException(codeNotImplemented, "the embedded engine has one user and no roles: leave role out")
	case strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/") && !isForm(r):
		return nil, newException(codeNotImplemented,
			"the embedded engine takes no external tables: send the query alone, or insert the rows into a table")
	case isOn(values.Get("compress")), isOn(values.Get("decompress")):
		return nil, newException(codeNotImplemented,
			"the embedded engine compresses nothing: leave compress and decompress out")
	case !slices.Contains([]string{"", "identity"}, strings.ToLower(r.Header.Get("Content-Encoding"))):
		return nil, newException(codeNotImplemented,
			"the embedded engine takes plain bodies only: leave Content-Encoding out")
	}
	q := &request{
		id:         firstOf(values.Get("query_id"), r.Header.Get("X-ClickHouse-Query-Id"), uuid.NewString()),
		text:       values.Get("query"),
		body:       r.Body,
		database:   firstOf(values.Get("database"), r.Header.Get("X-ClickHouse-Database")),
		format:     firstOf(values.Get("default_format"), r.Header.Get("X-ClickHouse-Format"), "TabSeparated"),
		params:     map[string]string{},
		settings:   map[string]string{},
		waitForEnd: isOn(values.Get("wait_end_of_query")),
	}
	for name, list := range values {
		if param, isParam := strings.CutPrefix(name, "param_"); isParam {
			q.params[param] = list[0]
		} else if !notSettings[name] {
			q.settings[name] = list[len(list)-1]
		}
	}
	if r.Method != http.MethodPost { // as on a server: a link must not change anything
		q.settings["readonly"] = firstOf(q.settings["readonly"], "2")
	}
	if isForm(r) {
		q.body = http.NoBody
		if r.Method == http.MethodPost {
			if err := q.readForm(r); err != nil {
				return nil, err
			}
		}
	}
	var err error
	if version := values.Get("client_protocol_version"); version != "" {
		if q.revision, err = strconv.ParseUint(version, 10, 32); err != nil {
			return nil, newException(codeBadArguments,
				"client_protocol_version is "+strconv.Quote(version)+", which is not a number")
		}
	}
	return q, nil
}

// statement finds the statement in the query parameter and the body. The parameter may hold the
// whole statement, its beginning, or an INSERT whose rows are the body.
func (q *request) statement(method string) (statement, error) {
	text := q.text
	if text != "" {
		if stmt, err := parseStatement(text); err == nil && stmt.kind == rowsIn {
			return stmt, nil
		}
	}
	head, err := io.ReadAll(io.LimitReader(q.body, statementHead+1))
	if err != nil {
		return statement{}, newException(codeBadArguments, "the request's body could not be read: "+err.Error())
	}
	stmt, err := parseStatement(text + string(head))
	if err == nil && len(head) > statementHead && stmt.kind != rowsIn {
		return statement{}, newException(codeTooLarge, "the statement is longer than 8 MiB")
	}
	return stmt, err
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

func isOn(value string) bool { return value == "1" || value == "true" }
