// Package processtest gives tests what they need to run a command in a process of its own: the
// command's binary, and addresses for it to listen on.
package processtest

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"

	"rollcall/deploy/test/ports"
)

// Build compiles a package of this repository, such as rollcall/cmd/rollcall, into a directory that
// is removed with the test. The binary has the package's name.
func Build(t testing.TB, pkg string) (binary string) {
	t.Helper()
	binary = filepath.Join(t.TempDir(), filepath.Base(pkg))
	if out, err := exec.Command("go", "build", "-o", binary, pkg).CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", pkg, err, out)
	}
	return binary
}

// FreeAddr returns an address on 127.0.0.1 on which nobody listens and that no other test is given
// while this one runs.
func FreeAddr(t testing.TB) string {
	t.Helper()
	port, release, err := ports.Claim()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return fmt.Sprintf("127.0.0.1:%d", port)
}
