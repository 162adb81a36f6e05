package embedded_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"rollcall/deploy/demo/embedded"
)

// install.sh runs with a fake npm. The test checks what the script leaves behind when npm works,
// fails, or is missing.
func TestInstall(t *testing.T) {
	if runtime.GOOS+"/"+runtime.GOARCH != "linux/amd64" {
		// On platforms without the engine install.sh refuses, so there is nothing else to test.
		t.Setenv("PATH", os.Getenv("PATH"))
		output, err := exec.Command("sh", "install.sh").CombinedOutput()
		if err == nil || !strings.Contains(string(output), "CHDB_LIB_PATH") {
			t.Fatalf("got %v: %s", err, output)
		}
		return
	}
	const fetches = `test -f package-lock.json && grep -q sha512- package-lock.json || exit 9
mkdir -p node_modules/@chdb/lib-linux-x64-gnu
echo engine > node_modules/@chdb/lib-linux-x64-gnu/libchdb.so
echo once >> "$XDG_CACHE_HOME/calls"`
	tests := []struct {
		name, npm string // npm is the text of the fake npm script; empty: there is none
		twice     bool
		fails     string
	}{
		{name: "fetches what the lock pins", npm: fetches},
		{name: "fetches once", npm: fetches, twice: true},
		{name: "npm fails", npm: fetches + "\nexit 1", fails: "npm could not fetch"},
		{name: "no npm", fails: "npm is needed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cache := t.TempDir()
			bin := t.TempDir()
			for _, tool := range []string{"uname", "sed", "mkdir", "mktemp", "rm", "cp", "mv", "dirname", "grep"} {
				path, err := exec.LookPath(tool)
				if err == nil {
					err = os.Symlink(path, filepath.Join(bin, tool))
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if test.npm != "" {
				if err := os.WriteFile(filepath.Join(bin, "npm"), []byte("#!/bin/sh\n"+test.npm+"\n"), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			run := func() (string, error) {
				command := exec.Command("/bin/sh", "install.sh")
				command.Env = []string{"PATH=" + bin, "XDG_CACHE_HOME=" + cache, "HOME=" + t.TempDir()}
				output, err := command.CombinedOutput()
				return string(output), err
			}
			output, err := run()
			if test.twice && err == nil {
				output, err = run()
			}
			t.Setenv("CHDB_LIB_PATH", "")
			t.Setenv("XDG_CACHE_HOME", cache)
			path, findErr := embedded.FindEngine()
			if test.fails != "" {
				if err == nil || !strings.Contains(output, test.fails) || findErr == nil {
					t.Errorf("got %v: %s; an engine is found: %q", err, output, path)
				}
			} else if err != nil || findErr != nil {
				t.Errorf("got %v: %s; %v", err, output, findErr)
			}
			if calls, _ := os.ReadFile(filepath.Join(cache, "calls")); test.twice && string(calls) != "once\n" {
				t.Errorf("npm was called: %q", calls)
			}
			if left, _ := filepath.Glob(filepath.Join(cache, "rollcall/engine/.install-*")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}
