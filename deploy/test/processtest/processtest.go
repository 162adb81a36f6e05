// Package processtest gives tests what they need to run a command in a process of its own: the
// command's binary, and addresses for it to listen on.
package processtest

import (
	"net"
	"os/exec"
	"path/filepath"
	"testing"
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

// FreeAddr returns an address on 127.0.0.1 on which nobody listens. Another process can still take
// it first; then the command fails and says so.
func FreeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
