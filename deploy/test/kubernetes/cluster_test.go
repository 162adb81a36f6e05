//go:build kubernetes && linux

package kubernetes

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"rollcall/deploy/test/processtest"
)

// podMonitors is where the definition of the kind PodMonitor comes from.
const podMonitors = "github.com/prometheus-operator/prometheus-operator@v0.85.0"

// binaries returns the folder of etcd, kube-apiserver and kubectl. The first call for a version
// builds them, for some minutes.
func binaries(t *testing.T) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	list := goCommand(t, "list", "-m", "-f", "{{.Version}}", "k8s.io/kubernetes", "go.etcd.io/etcd/server/v3")
	versions := strings.Fields(list)
	if len(versions) != 2 {
		t.Fatalf("servers/go.mod has the versions %q", list)
	}
	dir := filepath.Join(cache, "rollcall", "kubernetes-"+versions[0]+"-etcd-"+versions[1])
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	began := time.Now()
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	unfinished, err := os.MkdirTemp(filepath.Dir(dir), "building-*")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(unfinished)
	goCommand(t, "build", "-trimpath", "-ldflags=-s -w", "-o", unfinished+"/", "tool")
	if err := os.Rename(filepath.Join(unfinished, "server"), filepath.Join(unfinished, "etcd")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(unfinished, dir); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s was built in %s", filepath.Base(dir), time.Since(began).Round(time.Second))
	return dir
}

// goCommand runs go in the module of the servers, and returns what it prints.
func goCommand(t *testing.T, args ...string) string {
	t.Helper()
	command := exec.Command("go", args...)
	command.Dir = "servers"
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	var failure bytes.Buffer
	command.Stderr = &failure
	out, err := command.Output()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, failure.String())
	}
	return string(out)
}

// podMonitorDefinition is the file that defines PodMonitor, as the operator's release has it.
func podMonitorDefinition(t *testing.T) string {
	t.Helper()
	var module struct{ Dir string }
	if err := json.Unmarshal([]byte(goCommand(t, "mod", "download", "-json", podMonitors)), &module); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(module.Dir, "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml")
}

// A cluster is an API server on an empty etcd, and a copy of deploy/kubernetes that a test may
// change.
type cluster struct {
	*testing.T
	bin, dir string
}

// startCluster returns once the server is ready. Everything ends with the test.
func startCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{T: t, bin: binaries(t), dir: t.TempDir()}
	if err := os.CopyFS(filepath.Join(c.dir, "deploy/kubernetes"), os.DirFS("../../kubernetes")); err != nil {
		t.Fatal(err)
	}
	c.write("secret", strings.Repeat("s", 64))
	c.write("clickhouse-password", "pw")
	c.write("tokens.csv", `token,admin,admin,"system:masters"`)
	c.write("key.pem", privateKey(t))

	etcd := "http://" + processtest.FreeAddr(t)
	peers := "http://" + processtest.FreeAddr(t)
	c.start("etcd", "--data-dir", "etcd", "--unsafe-no-fsync", "--log-level", "error", "--listen-client-urls", etcd,
		"--advertise-client-urls", etcd, "--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers,
		"--initial-cluster", "default="+peers)
	addr := processtest.FreeAddr(t)
	_, port, _ := strings.Cut(addr, ":")
	c.start("kube-apiserver", "--etcd-servers", etcd, "--bind-address", "127.0.0.1", "--secure-port", port, "--cert-dir",
		"certificates", "--token-auth-file", "tokens.csv", "--authorization-mode", "RBAC", "--service-cluster-ip-range",
		"10.0.0.0/24", "--service-account-issuer", "https://kubernetes.default.svc", "--service-account-key-file", "key.pem",
		"--service-account-signing-key-file", "key.pem", "--endpoint-reconciler-type", "none")
	c.write("config", fmt.Sprintf(`{"apiVersion": "v1", "kind": "Config", "current-context": "c",
"clusters": [{"name": "c", "cluster": {"server": "https://%s", "certificate-authority": "certificates/apiserver.crt"}}],
"users": [{"name": "c", "user": {"token": "token"}}],
"contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}]}`, addr))
	for deadline := time.Now().Add(3 * time.Minute); ; time.Sleep(200 * time.Millisecond) { // between two looks
		out, err := c.try("", "kubectl get --raw /readyz")
		if err == nil && out == "ok" {
			return c
		}
		if time.Now().After(deadline) {
			t.Fatalf("the API server is not ready: %s, %v\n%s", out, err, c.read("kube-apiserver.log"))
		}
	}
}

func privateKey(t *testing.T) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
	return string(pem.EncodeToMemory(block))
}

func (c *cluster) write(name, text string) {
	c.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o600); err != nil {
		c.Fatal(err)
	}
}

func (c *cluster) read(name string) string {
	c.Helper()
	text, err := os.ReadFile(filepath.Join(c.dir, name))
	if err != nil {
		c.Fatal(err)
	}
	return string(text)
}

// start starts a server in the cluster's folder, with a log there.
func (c *cluster) start(name string, args ...string) {
	c.Helper()
	log, err := os.Create(filepath.Join(c.dir, name+".log"))
	if err != nil {
		c.Fatal(err)
	}
	defer log.Close()
	command := exec.Command(filepath.Join(c.bin, name), args...)
	command.Dir = c.dir
	command.Stdout = log
	command.Stderr = log
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := command.Start(); err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { command.Process.Kill(); command.Wait() })
}

// try runs a line of the shell in the cluster's folder, where kubectl knows the server. It returns
// all that the line prints.
func (c *cluster) try(input, line string) (string, error) {
	command := exec.Command("sh", "-c", line)
	command.Dir = c.dir
	command.Env = append(os.Environ(), "PATH="+c.bin+":"+os.Getenv("PATH"), "KUBECONFIG="+filepath.Join(c.dir, "config"),
		"HOME="+c.dir)
	command.Stdin = strings.NewReader(input)
	out, err := command.CombinedOutput()
	return string(out), err
}

// run runs a line that must succeed, without a warning.
func (c *cluster) run(line string) string {
	c.Helper()
	out, err := c.try("", line)
	if err != nil || strings.Contains(out, "Warning") {
		c.Fatalf("%s: %v\n%s", line, err, out)
	}
	return out
}

// refused runs a line that must fail with this reason.
func (c *cluster) refused(reason, input, line string) {
	c.Helper()
	if out, err := c.try(input, line); err == nil || !strings.Contains(out, reason) {
		c.Errorf("%s: %v, want it to be refused: %s\n%s", line, err, reason, out)
	}
}
