//go:build compose

package compose

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall/deploy/test/processtest"
)

// patience is how long something may take on a slow machine before the test fails.
const patience = 3 * time.Minute

// published are the services whose ports the test publishes under addresses of its own.
var published = []string{"kafka", "clickhouse", "export", "prometheus", "alertmanager", "grafana"}

// A project is deploy/compose.yaml under a name of its own.
type project struct {
	t    *testing.T
	name string
	root string            // holds a copy of what compose.yaml needs of the folder deploy
	addr map[string]string // published service → host:port
	keys map[string]string // workspace → key

	services []string // of compose.yaml, without grafana where its image is not there
}

// with returns the project for a subtest: failures are those of the subtest.
func (p *project) with(t *testing.T) *project {
	sub := *p
	sub.t = t
	return &sub
}

// newProject prepares a project, and starts nothing.
func newProject(t *testing.T) *project {
	p := &project{t: t, name: fmt.Sprint("rollcall-test-", os.Getpid()), root: t.TempDir(), addr: map[string]string{},
		keys: map[string]string{}}
	for _, service := range published {
		p.addr[service] = processtest.FreeAddr(t)
	}
	for _, name := range []string{"compose.yaml", "prometheus", "alertmanager", "grafana"} {
		p.copy(filepath.Join("../..", name), filepath.Join("deploy", name))
	}
	p.copy("testdata/override.yaml", "override.yaml")
	p.makeSecrets()
	p.hasten()
	p.read()
	remove, err := processtest.AtEnd(`
		docker ps --all --quiet --filter "label=$0" | xargs --no-run-if-empty docker rm --force --volumes
		docker volume ls --quiet --filter "label=$0" | xargs --no-run-if-empty docker volume rm
		docker network ls --quiet --filter "label=$0" | xargs --no-run-if-empty docker network rm
	`, p.label())
	p.must(err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("seed %d; the last lines of every container:\n%s", *seed, p.lastLines())
		}
		if err := remove(); err != nil {
			t.Errorf("the project was not removed: %v", err)
		}
	})
	return p
}

func (p *project) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// copy copies a file or a folder to a path below the root.
func (p *project) copy(from, to string) {
	p.t.Helper()
	to = filepath.Join(p.root, to)
	p.must(os.MkdirAll(filepath.Dir(to), 0o755))
	out, err := exec.Command("cp", "-r", from, to).CombinedOutput()
	if err != nil {
		p.t.Fatalf("copy %s: %v\n%s", from, err, out)
	}
}

// edit rewrites a file below the root.
func (p *project) edit(path string, change func(string) string) {
	p.t.Helper()
	path = filepath.Join(p.root, path)
	text, err := os.ReadFile(path)
	p.must(err)
	p.must(os.WriteFile(path, []byte(change(string(text))), 0o644))
}

// said is what the first group of the pattern matches in the comments of compose.yaml.
func (p *project) said(pattern string) string {
	p.t.Helper()
	text, err := os.ReadFile(filepath.Join(p.root, "deploy/compose.yaml"))
	p.must(err)
	found := regexp.MustCompile(`(?m)^#.*?` + pattern).FindSubmatch(text)
	if found == nil {
		p.t.Fatalf("the comments of compose.yaml have nothing like %s", pattern)
	}
	return string(found[1])
}

// makeSecrets runs the command that compose.yaml gives for this.
func (p *project) makeSecrets() {
	p.t.Helper()
	command := p.said(`(install -d .*)$`)
	shell := exec.Command("sh", "-ec", command)
	shell.Dir = p.root
	if out, err := shell.CombinedOutput(); err != nil {
		p.t.Fatalf("%s: %v\n%s", command, err, out)
	}
}

// secret is what the named file of deploy/secrets holds.
func (p *project) secret(name string) string {
	p.t.Helper()
	text, err := os.ReadFile(filepath.Join(p.root, "deploy/secrets", name))
	p.must(err)
	return strings.TrimSpace(string(text))
}

func (p *project) label() string { return "com.docker.compose.project=" + p.name }

// compose runs Docker Compose on the project and returns what it prints.
func (p *project) compose(args ...string) string {
	p.t.Helper()
	out, problems, err := p.tryCompose(args...)
	if err != nil {
		p.t.Fatalf("docker compose %s: %v\n%s%s", strings.Join(args, " "), err, out, problems)
	}
	return out
}

func (p *project) tryCompose(args ...string) (out, problems string, err error) {
	files := []string{
		"-p", p.name, "-f", filepath.Join(p.root, "deploy/compose.yaml"), "-f", filepath.Join(p.root, "override.yaml"),
	}
	return p.try("../images/compose.sh", append(files, args...)...)
}

func (p *project) docker(args ...string) string {
	p.t.Helper()
	out, problems, err := p.try("docker", args...)
	if err != nil {
		p.t.Fatalf("docker %s: %v\n%s%s", strings.Join(args, " "), err, out, problems)
	}
	return out
}

func (p *project) try(command string, args ...string) (out, problems string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, command, args...)
	cmd.Env = p.environment()
	var stdout, stderr bytes.Buffer
	cmd.Stdout = &stdout
	cmd.Stderr = &stderr
	err = cmd.Run()
	return stdout.String(), stderr.String(), err
}

// environment is this process's, without settings that compose.yaml would take from it.
func (p *project) environment() []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "ROLLCALL_") || strings.HasPrefix(v, "OTEL_") || strings.HasPrefix(v, "COMPOSE_")
	})
	for service, addr := range p.addr {
		env = append(env, "TEST_"+strings.ToUpper(service)+"="+addr)
	}
	return env
}

// up starts whatever does not run, by the command that compose.yaml gives; but it does not wait for
// the end.
func (p *project) up(flags ...string) {
	p.t.Helper()
	args := strings.Fields(p.said("`docker compose -f deploy/compose.yaml (.+?)`"))
	p.compose(slices.Concat(args, []string{"-d"}, flags, p.services)...)
}

// once names the services that end when they have done their work.
var once = []string{"migrate", "topics"}

// read lists the services of compose.yaml that can be started here.
func (p *project) read() {
	p.t.Helper()
	var config struct {
		Services map[string]struct{ Image string }
	}
	p.must(json.Unmarshal([]byte(p.compose("config", "--format", "json")), &config))
	for name, s := range config.Services {
		if _, _, err := p.try("docker", "image", "inspect", s.Image); err != nil {
			if name != "grafana" {
				p.t.Fatalf("there is no image %s: run make images", s.Image)
			}
			p.t.Logf("grafana is not started: its image %s is not here, and has no stand-in", s.Image)
			continue
		}
		p.services = append(p.services, name)
	}
	slices.Sort(p.services)
}

// container is the name of a service's first container.
func (p *project) container(service string) string { return p.name + "-" + service + "-1" }

// A container as Docker describes it.
type container struct {
	RestartCount int
	State        struct {
		Running bool
		Pid     int
		Health  struct{ Status string }
	}
	Config     struct{ User string }
	HostConfig struct {
		ReadonlyRootfs       bool
		Privileged           bool
		CapDrop, SecurityOpt []string
	}
}

func (p *project) inspect(service string) (c container) {
	p.t.Helper()
	var all []container
	p.must(json.Unmarshal([]byte(p.docker("inspect", p.container(service))), &all))
	return all[0]
}

// eventually polls until notYet returns nil.
func (p *project) eventually(notYet func() error) {
	p.t.Helper()
	poll := time.NewTicker(200 * time.Millisecond)
	defer poll.Stop()
	for deadline := time.Now().Add(patience); ; <-poll.C {
		err := notYet()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("still after %s: %v", patience, err)
		}
	}
}

// lastLines is the end of each container's log.
func (p *project) lastLines() string {
	var all strings.Builder
	names, _, _ := p.try("docker", "ps", "--all", "--format", "{{.Names}}", "--filter", "label="+p.label())
	for _, name := range strings.Fields(names) {
		out, problems, _ := p.try("docker", "logs", "--tail", "30", name)
		fmt.Fprintf(&all, "--- %s\n%s%s", name, out, problems)
	}
	return all.String()
}
