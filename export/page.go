package export

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/go-chi/chi/v5"

	"rollcall/export/query"
	"rollcall/export/web"
)

// page adds the routes of the analytics page. Only the page calls them; they are no promise to
// other clients.
func (e *Export) page(r chi.Router) {
	r.Get("/", web.Page().ServeHTTP)
	r.Get("/app/*", web.Assets().ServeHTTP)
	r.Post("/app/session", e.signIn)
	r.Delete("/app/session", e.signOut)
	r.Get("/app/summary", e.data(e.gate.ByKeyOrSession, writeProblem, e.summary))
	r.Get("/app/preview/{type}", e.data(e.gate.ByKeyOrSession, writeProblem, e.preview))
	r.Get("/app/history", e.data(e.gate.ByKeyOrSession, writeProblem, e.history))
}

const previewRows = 10

// preview answers with the first rows of an export. Each cell is as the CSV shows it.
func (e *Export) preview(w http.ResponseWriter, r *http.Request, x *exchange) error {
	x.what = "preview"
	x.format = query.JSON
	t, err := query.ParseType(chi.URLParam(r, "type"))
	if err != nil {
		return notAnExport(err)
	}
	params, err := parseExportParams(r.URL.RawQuery)
	if err != nil {
		return err
	}
	j, err := params.job(t, x.who.Org, x.started)
	if err != nil {
		return err
	}
	j.request.Format = query.CSV
	j.request.Delimiter = ','
	j.request.Limit = previewRows
	x.period = j.request.Period
	if err := e.open(r, x); err != nil {
		return err
	}
	records, err := e.firstRows(r.Context(), &j)
	if err != nil {
		return err
	}
	hidden := ""
	if t == query.Users || t == query.Focus { // each row is a person, or has one
		hidden = hiddenBy(j.request.Settings)
	}
	if hidden != "" {
		records = records[:1]
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, "application/json", http.StatusOK, struct {
		Columns []string   `json:"columns"`
		Rows    [][]string `json:"rows"`
		Hidden  string     `json:"persons_hidden_by"` // the setting that keeps the rows back, or ""
	}{records[0], records[1:], hidden})
	return nil
}

// firstRows returns the header and the rows of a job with a limit, and fills in the job's settings.
func (e *Export) firstRows(ctx context.Context, j *job) ([][]string, error) {
	var began *begun
	err := e.byJobsPlan(ctx, j, false, func(p planned) (err error) {
		began, err = e.begin(ctx, j.request, p.plan)
		return err
	})
	if err != nil {
		return nil, err
	}
	defer began.close()
	records, err := csv.NewReader(io.MultiReader(bytes.NewReader(began.buf[:began.n]), began.rows)).ReadAll()
	if err != nil || len(records) == 0 {
		return nil, fmt.Errorf("read the first rows: %w", err)
	}
	return records, nil
}

const historyRows = 20

// A pastExport is one line of the workspace's history.
type pastExport struct {
	Started time.Time `json:"started_at" ch:"started_at"`
	Type    string    `json:"type" ch:"data_type"`
	Format  string    `json:"format" ch:"format"`
	From    *string   `json:"from" ch:"period_from"` // null: the request was refused before its period was read
	To      *string   `json:"to" ch:"period_to"`
	By      string    `json:"by" ch:"by"`
	Via     string    `json:"via" ch:"via"` // key, session, link
	Bytes   uint64    `json:"bytes" ch:"bytes"`
	Rows    *uint64   `json:"rows" ch:"rows"`
	Outcome string    `json:"outcome" ch:"outcome"`
}

// history answers with the workspace's last exports, newest first.
func (e *Export) history(w http.ResponseWriter, r *http.Request, x *exchange) error {
	x.what = "history"
	x.format = query.JSON
	if err := e.open(r, x); err != nil {
		return err
	}
	past := []pastExport{}
	err := e.conn.Select(r.Context(), &past,
		fmt.Sprintf(`SELECT started_at, data_type, format, bytes, rows, outcome, toString(credential) AS via,
	if(key_name = '', key_id, key_name) AS by,
	if(period_start = toDate32(0), NULL, toString(period_start)) AS period_from, if(period_end = toDate32(0), NULL, toString(period_end)) AS period_to
FROM export_audit FINAL
WHERE org_id = {org:String} AND data_type IN (%s)
ORDER BY started_at DESC, request_id DESC LIMIT %d`, exportTypes(), historyRows), clickhouse.Named("org", x.who.Org))
	if err != nil {
		return fmt.Errorf("read the history: %w", err)
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, "application/json", http.StatusOK, past)
	return nil
}

// exportTypes lists the names of all types as texts of SQL. The audit names other requests, too.
func exportTypes() string {
	var all []string
	for _, t := range query.Types() {
		all = append(all, "'"+string(t)+"'")
	}
	return strings.Join(all, ", ")
}
