package manifests

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// glibc lists the libraries of glibc in distroless/base that matter here.
var glibc = []string{"libc.so.6", "libdl.so.2", "libpthread.so.0"}

// The binary that the Dockerfile builds can start on the image that it names: a program that is
// linked to glibc needs a base with glibc. The image runs as nobody.
func TestDockerfileFitsItsBinary(t *testing.T) {
	text, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	run := regexp.MustCompile(`(?m)^RUN CGO_ENABLED=0 go build (.*) -ldflags='([^']*)' -o /rollcall (\S+)$`)
	command := run.FindStringSubmatch(string(text))
	stages := regexp.MustCompile(`(?m)^FROM (\S+)`).FindAllStringSubmatch(string(text), -1)
	if command == nil || len(stages) != 2 {
		t.Fatalf("the Dockerfile does not build as this test knows:\n%s", text)
	}
	path := filepath.Join(t.TempDir(), "rollcall")
	base := stages[1][1]
	build := exec.Command("go", "build", command[1], "-ldflags="+command[2], "-o", path, command[3])
	build.Dir = "../../.."
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	binary, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer binary.Close()
	libraries, err := binary.ImportedLibraries()
	if err != nil {
		t.Fatal(err)
	}
	for _, library := range libraries {
		if !strings.Contains(base, "distroless/base-") || !slices.Contains(glibc, library) {
			t.Errorf("the binary needs %s, which %s does not have", library, base)
		}
	}
	if !strings.HasSuffix(base, ":nonroot") || !strings.Contains(string(text), `ENTRYPOINT ["/rollcall"]`) {
		t.Errorf("the image %s does not run the binary as nobody", base)
	}
	module, err := os.ReadFile("../../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if wants := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(string(module)); stages[0][1] != "golang:"+
		wants[1] {
		t.Errorf("it builds with %s, go.mod wants %s", stages[0][1], wants[1])
	}
}
