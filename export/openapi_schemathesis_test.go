//go:build schemathesis

package export

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Schemathesis, a client that knows only openapi.yaml, asks for exports that it makes up from
// their schemas. The service refuses none of its requests, and the document describes every answer.
func TestSchemathesisIsRefusedNothing(t *testing.T) {
	f := newFixture(t)
	f.settings("acme", "Acme", yesterday(), true, true, true, false)
	f.event("acme", yesterday(), map[string]any{"channel": "assistant", "assistant_id": "a"})
	_, key := f.key("acme")
	hooks, err := filepath.Abs("testdata/schemathesis")
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command("python3", "-c", "from schemathesis.cli import schemathesis; schemathesis()",
		"run", f.server.URL+"/openapi.yaml", "--header", "Authorization: Bearer "+key, "--exclude-method", "HEAD",
		"--mode", "positive", "--phases", "fuzzing", "--max-examples", "4",
		"--no-shrink", "--suppress-health-check", "all", "--seed", "1", "--no-color", "--generation-database", "none",
		"--continue-on-failure", "--checks", "positive_data_acceptance,status_code_conformance,"+
			"content_type_conformance,response_schema_conformance,response_headers_conformance,not_a_server_error")
	command.Dir = t.TempDir() // it leaves files where it runs
	command.Env = append(os.Environ(), "PYTHONPATH="+schemathesis(t)+":"+hooks, "SCHEMATHESIS_HOOKS=hooks",
		"PYTHONDONTWRITEBYTECODE=1", "PYTHONIOENCODING=utf-8")
	if said, err := command.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, said)
	} else {
		t.Logf("%s", said)
	}
}

// schemathesis returns the folder of its libraries. They are fetched once, into a cache outside the
// repository.
func schemathesis(t *testing.T) string {
	t.Helper()
	pinned, err := os.ReadFile("testdata/schemathesis/requirements.txt")
	if err != nil {
		t.Fatal(err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(pinned)
	to := filepath.Join(cache, "rollcall", "schemathesis-"+hex.EncodeToString(sum[:6]))
	if _, err := os.Stat(to); err == nil {
		return to
	}
	work := to + ".part"
	defer os.RemoveAll(work)
	said, err := exec.Command("python3", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
		"--only-binary", ":all:", "--target", work, "-r", "testdata/schemathesis/requirements.txt").CombinedOutput()
	if err == nil {
		err = os.Rename(work, to)
	}
	if err != nil {
		t.Fatalf("install schemathesis: %v\n%s", err, said)
	}
	return to
}
