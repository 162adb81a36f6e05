package export

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/go-chi/chi/v5"

	"rollcall/export/access"
	"rollcall/export/query"
	"rollcall/schema/tables"
)

// The drop-in surface answers as existing clients of a usage-export API expect: POST
// /export/{type}[/csv|/json], also under /api/public (SPEC.md §3).

// askedType returns the request's type as the client spelled it, such as agents or api_keys.
func askedType(r *http.Request) string { return chi.URLParam(r, "type") }

// dataType returns the name of the type in replies: as the client spelled it, with _ for -.
func dataType(r *http.Request) string { return strings.ReplaceAll(askedType(r), "-", "_") }

// onDropIn says whether the surface has the type. Its clients know no others.
func onDropIn(t query.Type) bool {
	switch t {
	case query.Users, query.Assistants, query.Workflows, query.Projects, query.Models, query.APIKeys:
		return true
	}
	return false
}

// dropInJob reads what a request to the drop-in surface asks for: a file, or the rows as JSON. The
// surface takes no query parameters.
func (e *Export) dropInJob(r *http.Request, x *exchange, format query.Format) (job, error) {
	t, err := query.ParseType(askedType(r))
	if err != nil {
		return job{}, notAnExport(err)
	}
	if !onDropIn(t) {
		return job{}, &failure{
			status: http.StatusNotFound,
			detail: fmt.Sprintf("This surface has no export %s; GET /v1/exports/%[1]s answers with it.", t),
		}
	}
	x.what = string(t)
	x.format = format
	if r.URL.RawQuery != "" {
		return job{}, badParam("", "This address takes no query parameters; say what you want in the body.")
	}
	if coding := r.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return job{}, &failure{
			status: http.StatusUnsupportedMediaType,
			detail: fmt.Sprintf("The body is encoded as %q; send it as plain JSON, without Content-Encoding.", clip(coding)),
		}
	}
	b, err := parseDropIn(r.Body)
	if err != nil {
		return job{}, err
	}
	period, err := query.WallClockPeriod(b.From.clock(), b.To.clock(), x.started)
	if err != nil {
		return job{}, err
	}
	j := job{
		request: query.Request{Org: x.who.Org, Type: t, Period: period, AsOf: x.started, Format: format, Delimiter: ','},
	}
	if format == query.JSON { // the envelope makes an array of the engine's lines
		j.request.Format = query.NDJSON
		j.frame = func(w io.Writer) frame { return &envelope{out: w, dataType: dataType(r)} }
	}
	if b.GroupBy != nil {
		if *b.GroupBy == "" {
			return job{}, badParam("group_by", "group_by is empty; give it a value or leave it out.")
		}
		j.request.GroupBy = *b.GroupBy
	}
	x.take(j)
	return j, nil
}

// dropInLink answers with a link to the CSV, and with the number of rows that the CSV has at this
// moment.
func (e *Export) dropInLink(w http.ResponseWriter, r *http.Request, x *exchange) error {
	j, err := e.dropInJob(r, x, query.CSV)
	if err != nil {
		return err
	}
	if err := e.open(r, x); err != nil {
		return err
	}
	count, err := e.count(r.Context(), j)
	if err != nil {
		return err
	}
	if err := e.refuseEmpty(r.Context(), j.request); err != nil {
		return err
	}
	x.rows = &count
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, "application/json", http.StatusOK, dropInReply{true, dropInFile{
		FilePath:    j.filePath(askedType(r)),
		DownloadURL: e.publicURL(r) + e.signLink(dropInPrefix(r), newLink(j, access.NewGrant(x.who, x.started))),
		DataType:    dataType(r),
		RecordCount: count,
		DateRange:   dateRange{inZone(j.request.Period.First), inZone(j.request.Period.Last)},
	}})
	return nil
}

// dropInReply is the answer to a request for a file.
type dropInReply struct {
	Success bool       `json:"success"`
	Data    dropInFile `json:"data"`
}

type dropInFile struct {
	FilePath    string    `json:"filePath"`
	DownloadURL string    `json:"downloadUrl"`
	DataType    string    `json:"dataType"`
	RecordCount uint64    `json:"recordCount"`
	DateRange   dateRange `json:"dateRange"`
}

type dateRange struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// filePath returns the path under which clients keep the file. Equal requests have equal paths.
// Requests that differ, even by a millisecond or only in the spelling of the type, have different
// paths.
func (j job) filePath(asked string) string {
	q := j.request
	text, err := json.Marshal([]any{q.Org, asked, q.GroupBy, q.Period.From, q.Period.To, q.Period.Start, q.Period.End})
	if err != nil {
		panic(err) // texts and numbers
	}
	digest := sha256.Sum256(text)
	file := fmt.Sprintf("%s-usage-%s-%s-%x.csv", asked, q.Period.Start, q.Period.End, digest[:4])
	return asked + "-usage/" + inFileName(q.Org) + "/" + file
}

func inZone(t time.Time) string { return t.Format("2006-01-02T15:04:05.000Z07:00") }

// publicURL returns the configured URL, or the scheme and host that the client called.
func (e *Export) publicURL(r *http.Request) string {
	if e.cfg.PublicURL != "" {
		return e.cfg.PublicURL
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return (&url.URL{Scheme: scheme, Host: r.Host}).String()
}

// dropInJSON streams the rows in the surface's envelope.
func (e *Export) dropInJSON(w http.ResponseWriter, r *http.Request, x *exchange) error {
	j, err := e.dropInJob(r, x, query.JSON)
	if err != nil {
		return err
	}
	if err := e.refuseWrong(r.Context(), j.request); err != nil {
		return err
	}
	if err := e.refuseEmpty(r.Context(), j.request); err != nil {
		return err
	}
	return e.answer(w, r, x, j)
}

// refuseWrong refuses a request whose mistake shows without reading any data, such as a group_by
// that the workspace's settings do not allow. It is called first, so that this refusal comes before
// all others.
func (e *Export) refuseWrong(ctx context.Context, request query.Request) error {
	space, err := tables.ReadWorkspace(ctx, e.conn, request.Org, request.AsOf)
	if err != nil {
		return err
	}
	request.Settings = space.Settings
	_, err = query.Columns(request)
	return err
}

// refuseEmpty refuses with 404 exactly when the workspace has no usage event of any type in the
// period. It reads the log, which keeps every exportable day.
func (e *Export) refuseEmpty(ctx context.Context, request query.Request) error {
	from, to := request.Period.Days()
	var found uint64
	err := e.conn.QueryRow(ctx, `SELECT count() FROM (
	SELECT 1 FROM events FINAL
	WHERE org_id = {org:String} AND day BETWEEN {first:Date} AND {last:Date} AND bitAnd(version, 1) = 0
		AND time >= fromUnixTimestamp64Milli({from:Int64}) AND time < fromUnixTimestamp64Milli({to:Int64})
	LIMIT 1)`,
		clickhouse.Named("org", request.Org), clickhouse.Named("first", from.String()), clickhouse.Named("last", to.String()),
		clickhouse.Named("from", int64(request.Period.From)), clickhouse.Named("to", int64(request.Period.To))).Scan(&found)
	if err != nil {
		return fmt.Errorf("look for usage: %w", err)
	}
	if found == 0 {
		return &failure{
			status: http.StatusNotFound, title: "No data found", detail: "No usage data found for the selected period",
		}
	}
	return nil
}

// count returns the number of rows that the export has at this moment.
func (e *Export) count(ctx context.Context, j job) (rows uint64, err error) {
	err = e.byJobsPlan(ctx, &j, false, func(p planned) error {
		statement, err := query.Count(j.request, p.plan)
		if err != nil {
			return err
		}
		return e.conn.QueryRow(statement.Context(ctx), statement.SQL).Scan(&rows)
	})
	return rows, err
}
