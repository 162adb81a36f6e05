package export

import (
	_ "embed"
	"net/http"
)

// openAPI describes the routes that clients call. Tests check that it agrees with the routes, the
// parameters and the columns.
//
//go:embed openapi.yaml
var openAPI []byte

func serveOpenAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml")
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write(openAPI)
}
