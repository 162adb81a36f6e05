package manifests

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A binary is rollcall.
type binary string

func build(t *testing.T) binary {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rollcall")
	cmd := exec.Command("go", "build", "-o", path, "./cmd/rollcall")
	cmd.Dir = "../../.."
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return binary(path)
}

// understands holds the settings against what the binary knows: it refuses a variable that no
// command has, and a command's own are in its help.
func (b binary) understands(t *testing.T, command string, settings map[string]string) {
	t.Helper()
	cmd := exec.Command(string(b), command, "--help")
	for name, value := range settings {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	help, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s does not take its settings: %v\n%s", command, err, help)
	}
	if len(settings) == 0 || !strings.Contains(string(help), "ROLLCALL_CLICKHOUSE_URL") {
		t.Errorf("%s: %d settings, and this help: %s", command, len(settings), help)
	}
}

// metricExists looks into the page that is made from the source.
func metricExists(page []byte, name string) bool {
	return regexp.MustCompile("`" + regexp.QuoteMeta(name) + "`").Match(page)
}
