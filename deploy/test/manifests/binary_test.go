package manifests

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A binary is the path of the program rollcall.
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

// understands checks that the binary knows the settings: it refuses a variable that no command has,
// and the help of the command names the command's own.
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

// metricExists looks for a metric in the page that is made from the source.
func metricExists(page []byte, name string) bool {
	return regexp.MustCompile("`" + regexp.QuoteMeta(name) + "`").Match(page)
}
