package export

import (
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/trace"

	"rollcall/export/access"
	"rollcall/export/query"
	"rollcall/export/steps"
	"rollcall/schema/tables"
)

// An exchange is one request for data and its outcome: what the log line, the metrics and the audit
// row say.
type exchange struct {
	id      uuid.UUID
	started time.Time
	who     access.Principal
	what    string // the export's type, catalogue, summary, preview or history; "": not known yet
	format  query.Format
	period  query.Period
	request string // for the audit: see requestText

	status    int // 0: no header sent yet
	firstByte time.Time
	bytes     uint64 // of the body, before compression
	rows      *uint64
	span      trace.Span
}

// A dataHandler answers a request for data whose principal is known and within the limits. If it
// returns an error before the header is sent, the error becomes the answer. After that, the error
// aborts the connection.
type dataHandler func(w http.ResponseWriter, r *http.Request, x *exchange) error

// data wraps the handler of a route that returns data. It adds the check of the credential and the
// limits, errors in the form of the surface, the log line, the metrics and the audit.
func (e *Export) data(
	auth func(*http.Request) (access.Principal, error), fail failureWriter, handle dataHandler,
) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		x := &exchange{id: requestID(r), started: e.cfg.Now(), request: requestText(r)}
		r = e.trace(r, x)
		limited, limit, end := e.limitFirstByte(r)
		defer end()
		out := &countingWriter{ResponseWriter: w, x: x, begun: limit.begun}
		err := e.admit(out, limited, x, auth, handle)
		if err == nil {
			e.end(r, x, nil)
			return
		}
		if x.status == 0 {
			err = limit.failure(err)
		}
		f := failureFor(r, err, x.id.String())
		if x.status == 0 && f.status != statusClientGone {
			fail(out, f, x.id.String())
			e.end(r, x, f)
			return
		}
		if x.status == 0 {
			x.status = f.status
		}
		e.end(r, x, f)
		panic(http.ErrAbortHandler) // the client must not take a part of the answer, or nothing, for the whole
	}
}

// admit calls handle if the request's credential is valid and its limits are kept. While handle
// runs, the request counts as one of its workspace's.
func (e *Export) admit(
	w http.ResponseWriter, r *http.Request, x *exchange, auth func(*http.Request) (access.Principal, error),
	handle dataHandler,
) (err error) {
	defer steps.Recovered(&err)
	if !r.ProtoAtLeast(1, 1) {
		return &failure{
			status: http.StatusUpgradeRequired,
			detail: "HTTP/1.0 cannot tell a download that was cut from a whole one; " +
				"use HTTP/1.1 or later (behind nginx: proxy_http_version 1.1).",
		}
	}
	if x.who, err = auth(r); err != nil {
		return err
	}
	end, err := e.gate.Admit(x.who)
	if err != nil {
		return err
	}
	defer end()
	return handle(w, r, x)
}

// open writes the audit row of the request's start. It must be called before the first byte of data
// is sent.
func (e *Export) open(r *http.Request, x *exchange) error {
	return e.audit.start(r.Context(), x.auditRow())
}

// end writes the log line, the metrics and the audit row of a request that has ended. failed is nil
// if the answer is whole.
func (e *Export) end(r *http.Request, x *exchange, failed *failure) {
	outcome := x.outcome(failed)
	x.endTrace(outcome)
	kind, format := x.labels()
	e.metrics.requests.WithLabelValues(kind, format, strconv.Itoa(x.status)).Inc()
	e.metrics.seconds.WithLabelValues(kind, format).Observe(e.cfg.Now().Sub(x.started).Seconds())
	e.metrics.bytes.WithLabelValues(kind, format).Add(float64(x.bytes))
	if !x.firstByte.IsZero() {
		e.metrics.firstByte.WithLabelValues(kind, format).Observe(x.firstByte.Sub(x.started).Seconds())
	}
	if outcome == outcomeAborted {
		e.metrics.aborts.WithLabelValues(kind, format, causeOf(failed)).Inc()
	}
	// The line has no key, path or query: a path or query may hold a signature, or names.
	log := e.log.With("request_id", x.id, "org", x.who.Org, "key_id", x.who.KeyID, "method", r.Method, "type", kind,
		"format", format, "status", x.status, "outcome", outcome, "bytes", x.bytes)
	if id := x.span.SpanContext().TraceID(); id.IsValid() {
		log = log.With("trace_id", id)
	}
	switch {
	case outcome == outcomeFailed || outcome == outcomeAborted && failed.status != statusClientGone:
		if do := tables.Remedy(failed.err); do != "" {
			log = log.With("do", do)
		}
		log.Error("export failed", "error", failed.err)
	case failed != nil:
		log.Info("export refused")
	default:
		log.Info("export answered")
	}
	if x.who.KeyID == "" { // the audit has no row without a caller
		return
	}
	row := x.auditRow()
	row.finished = e.cfg.Now()
	row.outcome = outcome
	e.audit.end(row)
}

func (x *exchange) outcome(failed *failure) string {
	switch {
	case failed == nil && x.status == http.StatusNotModified:
		return outcomeNotModified
	case failed == nil:
		return outcomeComplete
	case failed.status == statusClientGone || x.status < 400:
		return outcomeAborted
	case x.status < 500:
		return outcomeRefused
	}
	return outcomeFailed
}

// labels returns the labels of the metrics. Both come from closed sets.
func (x *exchange) labels() (kind, format string) {
	kind = x.what
	format = string(x.format)
	if kind == "" {
		kind = "none"
	}
	if format == "" {
		format = "none"
	}
	return kind, format
}

func (x *exchange) auditRow() auditRow {
	return auditRow{
		requestID: x.id, who: x.who, dataType: x.what, format: string(x.format), start: x.period.Start, end: x.period.End,
		request: x.request, started: x.started, status: x.status, bytes: x.bytes, rows: x.rows,
	}
}

// take records what the request asks for. Rows in a frame count as JSON, whichever format the
// engine writes.
func (x *exchange) take(j job) {
	x.what = string(j.request.Type)
	x.format = j.request.Format
	x.period = j.request.Period
	if j.frame != nil {
		x.format = query.JSON
	}
}

// countingWriter records the status that was sent.
type countingWriter struct {
	http.ResponseWriter
	x     *exchange
	begun func() // is called when the answer begins
}

func (w *countingWriter) WriteHeader(status int) {
	w.begun()
	w.x.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *countingWriter) Write(p []byte) (int, error) {
	if w.x.status == 0 {
		w.begun()
		w.x.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (w *countingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
