package export

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"rollcall/export/query"
	"rollcall/export/steps"
	"rollcall/schema/tables"
)

// A job is one export to be answered: the request, and the form of the bytes around the rows.
type job struct {
	request query.Request // plan fills in Settings and PseudonymKey
	bom     bool
	// makes what stands around the rows in an answer to POST, which has no tag; nil: the rows are
	// the whole file
	frame func(io.Writer) frame
	made  func() // xlsx only: says that the workbook is made, or will not be
}

var contentTypes = map[query.Format]string{
	query.CSV:     "text/csv; charset=utf-8; header=present",
	query.NDJSON:  "application/x-ndjson",
	query.JSON:    "application/json",
	query.Parquet: "application/vnd.apache.parquet",
	query.XLSX:    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}

// answer sends the job's rows. It makes a plan and runs the guarded statement, and does both again
// if the plan no longer held.
//
// Nothing is sent before two conditions hold: the engine's first bytes are there (it sends them
// only when the guards have passed), and the audit's start is written, which is done at the same
// time.
func (e *Export) answer(w http.ResponseWriter, r *http.Request, x *exchange, j job) error {
	x.take(j)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel() // ends the query, however this function ends
	if j.request.Format == query.XLSX && r.Method != http.MethodHead {
		// waits before the plan, which would become stale
		end, err := e.books.turn(ctx)
		if err != nil {
			return err
		}
		j.made = sync.OnceFunc(end)
		defer j.made()
	}
	start := x.auditRow()
	audited := steps.All()
	audited.Go(func() error { return e.audit.start(r.Context(), start) })
	defer audited.Wait() // also if something else fails
	var p planned
	var began *begun // nil: the answer has no rows
	err := e.byJobsPlan(ctx, &j, j.frame == nil, func(made planned) (err error) {
		p = made
		if r.Method == http.MethodHead || p.held(r) {
			return nil
		}
		began, err = e.begin(ctx, j.request, p.plan)
		return err
	})
	if err != nil {
		return err
	}
	err = audited.Wait()
	if err == nil {
		err = ctx.Err() // an answer that begins now would be cut
	}
	if err != nil {
		if began != nil {
			began.close()
		}
		return err
	}
	if began != nil {
		x.firstByte = e.cfg.Now()
	}
	if began != nil && j.request.Format == query.XLSX {
		if began, err = e.workbook(ctx, j, began, cancel); err != nil {
			return err
		}
		w.Header().Set("Content-Length", strconv.FormatInt(began.size, 10))
	}
	j.header(w.Header(), p.tag, p.through)
	if !p.held(r) { // a copy that the client holds keeps its encoding
		j.encode(w.Header(), r)
	}
	if began == nil {
		w.WriteHeader(statusWithoutRows(p.held(r)))
		return nil
	}
	return e.stream(w, r, x, j, began, cancel)
}

func statusWithoutRows(notModified bool) int {
	if notModified {
		return http.StatusNotModified
	}
	return http.StatusOK
}

// A planned export is the plan, which says from where each slice is read, and the tag of the state
// that the plan saw. tag is "" if the answer needs to be exact only.
type planned struct {
	plan    tables.Plan
	tag     string
	through time.Time // the watermark, as it was before the plan; zero if it is not known
}

// held returns whether the client already holds a copy of this answer.
func (p planned) held(r *http.Request) bool { return p.tag != "" && noneMatch(r, p.tag) }

// plan reads the watermark and the workspace's state, makes the plan of the span, and fills in the
// settings of the job's request. With anyVersion, the answer has no tag.
func (e *Export) plan(ctx context.Context, j *job, span tables.Span, anyVersion bool) (_ planned, err error) {
	ctx, endTrace := e.traceStep(ctx, "plan")
	defer endTrace(&err)
	var space tables.Workspace
	var made planned
	// The watermark is read before the plan. An event that comes between the two is in neither or
	// only in the rows, so the watermark never promises an event that the rows do not have.
	made.plan, err = tables.ReadPlan(ctx, e.conn, span, e.cfg.Now(),
		tables.AskCompleteThrough(&made.through), tables.AskWorkspace(&space, j.request.Org, j.request.AsOf))
	if err != nil {
		return planned{}, err
	}
	j.request.Settings = space.Settings
	j.request.PseudonymKey = e.pseudonymKey(j.request.Org)
	j.request.SpillBytes = e.cfg.SpillBytes
	j.request.AnyVersion = anyVersion
	j.request.Entities = nil
	columns, err := query.Columns(j.request)
	if err != nil {
		return planned{}, err
	}
	if !anyVersion {
		j.request.Entities = &space.Entities
		made.tag = j.etag(columns, space, made.plan)
	}
	return made, nil
}

// pseudonymKey returns the key of a workspace's pseudonyms (SPEC.md §2.4).
func (e *Export) pseudonymKey(org string) (key [32]byte) {
	mac := hmac.New(sha256.New, e.cfg.Secret)
	mac.Write([]byte(org))
	return [32]byte(mac.Sum(nil))
}

// A begun statement has passed its guards. buf holds the first bytes of its rows.
type begun struct {
	rows io.ReadCloser
	buf  *[bufferSize]byte // from the pool buffers
	n    int               // how many
	end  bool              // no bytes follow

	size  int64   // of a workbook, in bytes
	count *uint64 // of the rows, where they cannot be counted in the bytes but are known
}

// begin runs the statement until its first bytes are there. The statement of a tagged answer fails
// if the state is no longer the one that the tag was made of.
func (e *Export) begin(ctx context.Context, request query.Request, plan tables.Plan) (_ *begun, err error) {
	ctx, endTrace := e.traceStep(ctx, "query to the first bytes")
	defer endTrace(&err)
	statement, err := query.Build(request, plan)
	if err != nil {
		return nil, err
	}
	return e.run(ctx, statement)
}

// With abandonable, a ClickHouse server ends the query when the connection ends. The server does so
// only for queries that cannot write.
var abandonable = clickhouse.Settings{"readonly": 2, "cancel_http_readonly_queries_on_client_close": 1}

func (e *Export) run(ctx context.Context, s query.Statement) (*begun, error) {
	settings := maps.Clone(abandonable)
	maps.Copy(settings, s.Settings)
	s.Settings = settings
	rows, err := e.conn.QueryFormat(s.Context(ctx), s.Format, s.SQL)
	if err != nil {
		return nil, fmt.Errorf("begin the export: %w", err)
	}
	b := &begun{rows: rows, buf: buffers.Get().(*[bufferSize]byte)}
	for b.n == 0 && !b.end {
		n, err := rows.Read(b.buf[:])
		b.n = n
		switch {
		case err == io.EOF:
			b.end = true
		case err != nil:
			b.close()
			return nil, fmt.Errorf("begin the export: %w", err)
		}
	}
	return b, nil
}

// workbook makes the workbook of the statement's rows, and returns it in their place.
func (e *Export) workbook(ctx context.Context, j job, b *begun, cancel context.CancelFunc) (_ *begun, err error) {
	ctx, endTrace := e.traceStep(ctx, "workbook")
	defer endTrace(&err)
	defer j.made()
	defer b.close()
	defer cancel() // runs before close, which would otherwise wait for more rows
	columns, err := query.Columns(j.request)
	if err != nil {
		return nil, err
	}
	rows := io.Reader(bytes.NewReader(b.buf[:b.n]))
	if !b.end {
		rows = io.MultiReader(rows, b.rows)
	}
	made, err := e.books.make(ctx, columns, string(j.request.Type), rows)
	if err != nil {
		return nil, err
	}
	return &begun{rows: made, buf: buffers.Get().(*[bufferSize]byte), size: made.size, count: &made.rows}, nil
}

func (b *begun) close() {
	b.rows.Close()
	buffers.Put(b.buf)
}

// encode sets Content-Encoding to an encoding that the client accepts. Parquet and
// xlsx stay as they are, because their contents are compressed already.
func (j job) encode(h http.Header, r *http.Request) {
	compressed := j.request.Format == query.Parquet || j.request.Format == query.XLSX
	if encoding := acceptedEncoding(r.Header); encoding != "" && !compressed {
		h.Set("Content-Encoding", encoding)
	}
}

// header sets the headers of the whole answer. They are the same for 200, 304 and HEAD.
func (j job) header(h http.Header, tag string, through time.Time) {
	h.Set("Content-Type", contentTypes[j.request.Format])
	// Only the client may keep a copy, and it must ask whether the tag still holds before it uses
	// the copy.
	h.Set("Cache-Control", "private, no-cache")
	h.Set("Vary", "Accept-Encoding, Authorization, Cookie")
	if j.frame != nil {
		h.Set("Content-Type", "application/json")
		h.Set("Cache-Control", "no-store")
	} else {
		h.Set("Content-Disposition", attachment(j.fileName()))
	}
	if tag != "" {
		h.Set("ETag", tag)
	}
	if !through.IsZero() {
		h.Set("Rollcall-Complete-Through", through.Format("2006-01-02T15:04:05.000Z07:00"))
	}
}
