package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// ServeHTTP answers as ClickHouse's HTTP interface does, within the limits that doc.go describes.
func (e *Engine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	line := len(r.Method) + len(r.RequestURI) + len(r.Proto) + len("  \r\n")
	if e.maxRequestLine > 0 && line > e.maxRequestLine {
		http.Error(w, fmt.Sprintf("The request line has %d bytes, at most %d are taken", line, e.maxRequestLine),
			http.StatusRequestURITooLong)
		return
	}
	if fromAnotherSite(r) {
		http.Error(w, "The embedded engine answers programs on this machine, not other sites' pages", http.StatusForbidden)
		return
	}
	switch r.URL.Path {
	case "/ping", "/replicas_status":
		fmt.Fprint(w, "Ok.\n")
		return
	case "/":
	default:
		http.Error(w, "There is no handle "+r.URL.Path+": send queries to /", http.StatusNotFound)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodPost {
		w.Header().Set("Allow", "GET, HEAD, POST")
		http.Error(w, "The method "+r.Method+" is not allowed: use GET or POST", http.StatusMethodNotAllowed)
		return
	}
	if r.URL.RawQuery == "" && r.Method == http.MethodGet {
		fmt.Fprint(w, "Ok.\n")
		return
	}
	answer := newAnswer(w)
	defer answer.release()
	if err := e.run(r, answer); err != nil {
		answer.fail(asException(err))
		return
	}
	if err := answer.finish(); err != nil {
		e.log.Debug("embedded engine: an answer was not delivered", "err", err)
	}
}

// fromAnotherSite tells whether a web page made a browser on this machine send the request. Pages
// of any site can reach loopback addresses, also under a host name of the site's own, and the
// engine has no password to stop them.
func fromAnotherSite(r *http.Request) bool {
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if ip := net.ParseIP(strings.Trim(host, "[]")); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return true
	}
	origin := r.Header.Get("Origin")
	return origin != "" && origin != "http://"+r.Host
}

func asException(err error) *exception {
	var known *exception
	if errors.As(err, &known) {
		return known
	}
	return newException(codeLogicalError, err.Error())
}

// run reads the request, opens a session for it and runs its statement.
func (e *Engine) run(r *http.Request, answer *answer) error {
	q, err := readRequest(r)
	if err != nil {
		return err
	}
	defer q.body.Close()
	answer.begin(q)
	stmt, err := q.statement(r.Method)
	if err != nil {
		return err
	}
	s, err := e.lib.open(e.args...)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.prepare(q); err != nil {
		return err
	}
	switch stmt.kind {
	case rowsOut:
		return e.selectRows(r.Context(), s, q, stmt, answer)
	case rowsIn:
		return e.insertRows(s, q, stmt, answer)
	}
	return e.execute(s, q, stmt, answer)
}

// prepare gives a fresh session the request's database and settings. It sets what the library
// changes for its own command line back to the server's defaults, and the time zone to UTC whatever
// the machine's is.
func (s *session) prepare(q *request) error {
	base := map[string]string{
		"log_comment": q.id, "implicit_select": "0", "allow_introspection_functions": "0", "session_timezone": "UTC",
	}
	for name, value := range q.settings {
		// log_comment is kept: it identifies a query that is to be cancelled.
		if name != "log_comment" {
			base[name] = value
		}
	}
	if err := s.set(base); err != nil {
		return err
	}
	if q.database == "" || q.database == "default" {
		return nil
	}
	return s.use(q.database)
}

// selectRows lets the engine write rows in their format into a pipe, and copies them from there to
// the answer. The pipe limits how far the engine can be ahead. If the client goes away, the query
// ends.
func (e *Engine) selectRows(ctx context.Context, s *session, q *request, stmt statement, answer *answer) error {
	out, in, err := os.Pipe()
	if err != nil {
		return err
	}
	format := firstOf(stmt.format, q.format)
	sql := fmt.Sprintf("%s\nINTO OUTFILE '/dev/fd/%d' TRUNCATE COMPRESSION 'none' %s", stmt.sql[:stmt.outAt], in.Fd(),
		stmt.sql[stmt.outAt:])
	finished := make(chan struct{})
	var queryErr error
	var used usage
	go func() {
		defer close(finished)
		defer in.Close()
		_, used, queryErr = s.query(sql, format, q.params)
	}()
	ctx, kill := context.WithCancel(ctx)
	defer kill()
	defer e.killOn(ctx, q.id, finished)()

	answer.format(format)
	err = answer.rows(out, q.revision, format)
	if err != nil {
		kill()
	}
	// The pipe is read to its end. If nobody read it, the query would wait for ever; if it were
	// closed too early, this process would get SIGPIPE.
	_, _ = io.Copy(io.Discard, out)
	<-finished
	out.Close()
	switch {
	case errors.As(err, new(*exception)): // it is why the query was killed
		return err
	case queryErr != nil:
		return queryErr
	case err == nil:
		answer.summary(used)
	}
	return err
}

// insertRows passes the rows on as they come. If it returns nil, they are stored. If the body
// breaks off, the rows that are not stored yet are dropped.
func (e *Engine) insertRows(s *session, q *request, stmt statement, answer *answer) error {
	stop := context.AfterFunc(e.closing, func() { http.NewResponseController(answer.w).SetReadDeadline(time.Now()) })
	defer stop()
	stream, err := s.insert(stmt.sql, stmt.format, q.params)
	if err != nil {
		return err
	}
	defer stream.close()
	if err := stream.readFrom(io.MultiReader(strings.NewReader(stmt.data), q.body)); err != nil {
		stream.cancel()
		return err
	}
	used, err := stream.finish()
	if err == nil {
		answer.summary(used)
	}
	return err
}

// execute runs a statement that returns no rows, or few. As on a server, the statement runs on if
// the client goes away; only Close ends it.
func (e *Engine) execute(s *session, q *request, stmt statement, answer *answer) error {
	finished := make(chan struct{})
	defer e.killOn(e.closing, q.id, finished)()
	defer close(finished)
	body, used, err := s.query(stmt.sql, q.format, q.params)
	if err != nil {
		return err
	}
	answer.summary(used)
	answer.format(q.format)
	_, err = answer.Write(body)
	return err
}
