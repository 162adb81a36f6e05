package export

import (
	"net/http"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"rollcall/export/query"
)

// routes returns all routes of the service (SPEC.md §3). openapi.yaml describes those that clients
// call.
func (e *Export) routes() http.Handler {
	r := chi.NewRouter()
	r.Use(identify, harden, e.limitBody, middleware.GetHead)
	r.NotFound(notFound)
	r.MethodNotAllowed(methodNotAllowed)

	r.Get("/v1/exports", e.data(e.gate.ByKeyOrSession, writeProblem, e.catalogue))
	r.Get("/v1/exports/{type}", e.data(e.gate.ByKeyOrSession, writeProblem, e.download))
	r.Head("/v1/exports/{type}", e.data(e.gate.ByKeyOrSession, writeProblem, e.download))

	r.Get("/v1/days", e.data(e.gate.ByKeyOrSession, writeProblem, e.days))

	for _, prefix := range []string{"", publicPrefix} {
		r.Post(prefix+"/export/{type}", e.data(e.gate.ByKey, writeDropInError, e.dropInLink))
		r.Post(prefix+"/export/{type}/csv", e.data(e.gate.ByKey, writeDropInError, e.dropInLink))
		r.Post(prefix+"/export/{type}/json", e.data(e.gate.ByKey, writeDropInError, e.dropInJSON))
		r.Get(prefix+"/export/files/*", e.data(e.gate.ByLink, writeDropInError, e.followLink))
		r.Head(prefix+"/export/files/*", e.data(e.gate.ByLink, writeDropInError, e.followLink))
	}

	r.Get("/openapi.yaml", serveOpenAPI)
	r.Get("/healthz", healthz)
	r.Get("/readyz", e.readyz)

	e.page(r)
	return r
}

// Waiting answers in place of the service until it can begin: it lives, but is not ready.
func Waiting() http.Handler {
	r := chi.NewRouter()
	r.Use(identify, harden, middleware.GetHead)
	r.Get("/healthz", healthz)
	r.Get("/readyz", func(w http.ResponseWriter, _ *http.Request) { notReady(w) })
	r.NotFound(func(w http.ResponseWriter, r *http.Request) {
		f := &failure{
			status: http.StatusServiceUnavailable, retryAfter: 5 * time.Second,
			detail: "The service waits for its database and cannot answer yet; try again in a few seconds.",
		}
		failureForm(r)(w, f, requestID(r).String())
	})
	return r
}

// publicPrefix is an optional prefix of the drop-in surface's addresses, which clients know from
// dedicated deployments.
const publicPrefix = "/api/public"

// dropInPrefix returns the prefix of the drop-in surface's address in this request: publicPrefix or
// "".
func dropInPrefix(r *http.Request) string {
	if strings.HasPrefix(r.URL.Path, publicPrefix+"/") {
		return publicPrefix
	}
	return ""
}

// download answers GET and HEAD /v1/exports/{type}.
func (e *Export) download(w http.ResponseWriter, r *http.Request, x *exchange) error {
	t, err := query.ParseType(chi.URLParam(r, "type"))
	if err != nil {
		return notAnExport(err)
	}
	x.what = string(t)
	params, err := parseExportParams(r.URL.RawQuery)
	if err != nil {
		return err
	}
	j, err := params.job(t, x.who.Org, x.started)
	if err != nil {
		return err
	}
	return e.answer(w, r, x, j)
}

// notAnExport makes a 404 of a type that does not exist, because the type is part of the address.
func notAnExport(err error) error {
	return &failure{status: http.StatusNotFound, detail: err.Error()}
}

func healthz(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, "ok") }

func (e *Export) readyz(w http.ResponseWriter, _ *http.Request) {
	if e.readiness.now() != nil {
		notReady(w)
		return
	}
	writeText(w, http.StatusOK, "ready")
}

func notReady(w http.ResponseWriter) {
	writeText(w, http.StatusServiceUnavailable, "not ready: the database does not answer, does not have this version's "+
		"tables, or takes no audit; the service's log says which")
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n"))
}

// failureForm returns the form of errors on the surface to which the path belongs.
func failureForm(r *http.Request) failureWriter {
	if path := strings.TrimPrefix(r.URL.Path, publicPrefix); path == "/export" || strings.HasPrefix(path, "/export/") {
		return writeDropInError
	}
	return writeProblem
}

func notFound(w http.ResponseWriter, r *http.Request) {
	f := &failure{
		status: http.StatusNotFound, detail: "There is nothing at this address; /openapi.yaml lists what there is.",
	}
	failureForm(r)(w, f, requestID(r).String())
}

func methodNotAllowed(w http.ResponseWriter, r *http.Request) {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
		if chi.RouteContext(r.Context()).Routes.Match(chi.NewRouteContext(), method, r.URL.Path) {
			allowed = append(allowed, method)
			if method == http.MethodGet { // every route of GET answers HEAD, too
				allowed = append(allowed, http.MethodHead)
			}
		}
	}
	if len(allowed) == 0 { // no address, or a method without a route, such as CONNECT
		notFound(w, r)
		return
	}
	f := &failure{status: http.StatusMethodNotAllowed, allow: strings.Join(allowed, ", ")}
	f.detail = "This address takes " + strings.Join(allowed, " or ") + "."
	failureForm(r)(w, f, requestID(r).String())
}
