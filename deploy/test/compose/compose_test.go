//go:build compose

package compose

import (
	"encoding/json"
	"flag"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall/deploy/test/processtest"
)

var seed = flag.Uint64("seed", 1, "the seed of the random events")

// Each step stands on the one before.
func TestCompose(t *testing.T) {
	p := newProject(t)
	var s *stream
	for _, step := range []struct {
		name string
		take func(*project)
	}{
		{"everything comes up, in order", (*project).comesUp},
		{"the product's containers can do nothing else", (*project).isLocked},
		{"the image's labels say what its binary says", (*project).isLabelled},
		{"the configuration of alerts is whole", (*project).isConfigured},
		{"exports are exact whatever happens to a container", func(p *project) {
			s = p.stream()
			for _, service := range []string{"kafka", "clickhouse", "ingest", "rollup", "export"} {
				p.suffers(s, service)
			}
		}},
		{"scaled services are scraped", (*project).isScraped},
		{"an alert reaches its receiver", (*project).alerts},
		{"exports are exact at the end", func(p *project) { p.endsExact(s) }},
		{"nothing is left", (*project).goesDown},
	} {
		began := time.Now()
		if !t.Run(step.name, func(t *testing.T) { step.take(p.with(t)) }) {
			return
		}
		t.Logf("%5.1f s  %s", time.Since(began).Seconds(), step.name)
	}
}

// comesUp starts everything with one command. Services that run become healthy, the others end with
// 0, and nobody starts before what it needs is there.
func (p *project) comesUp() {
	events := p.watch()
	p.up()
	p.becomesHealthy()
	for _, order := range []struct{ first, then string }{
		{"kafka healthy", "topics start"},
		{"clickhouse healthy", "migrate start"},
		{"topics end 0", "ingest start"},
		{"migrate end 0", "ingest start"},
		{"migrate end 0", "rollup start"},
		{"migrate end 0", "export start"},
	} {
		first, then := slices.Index(events(), order.first), slices.Index(events(), order.then)
		if first < 0 || then < first {
			p.t.Errorf("%q should come before %q; the engine says: %q", order.first, order.then, events())
		}
	}
}

func (p *project) becomesHealthy() {
	p.t.Helper()
	for _, service := range p.services {
		if !slices.Contains(once, service) {
			p.eventually(func() error { return p.healthy(service) })
		}
	}
}

func (p *project) healthy(service string) error {
	if c := p.inspect(service); !c.State.Running || c.State.Health.Status != "healthy" {
		return fmt.Errorf("%s is not healthy: %+v", service, c.State)
	}
	return nil
}

// watch notes what happens to the project's containers: "kafka start", "kafka healthy",
// "topics end 0".
func (p *project) watch() (events func() []string) {
	p.t.Helper()
	cmd := exec.Command("docker", "events", "--format", "{{json .}}", "--filter", "label="+p.label(),
		"--filter", "event=start", "--filter", "event=die", "--filter", "event=health_status")
	out, err := cmd.StdoutPipe()
	p.must(err)
	p.must(cmd.Start())
	var noted list
	done := make(chan struct{})
	go func() {
		defer close(done)
		for d := json.NewDecoder(out); ; {
			var e struct {
				Action string
				Actor  struct{ Attributes map[string]string }
			}
			if d.Decode(&e) != nil {
				return
			}
			what := e.Action
			switch {
			case what == "die":
				what = "end " + e.Actor.Attributes["exitCode"]
			case strings.HasPrefix(what, "health_status: "):
				what = strings.TrimPrefix(what, "health_status: ")
			}
			noted.add(e.Actor.Attributes["com.docker.compose.service"] + " " + what)
		}
	}()
	p.t.Cleanup(func() {
		cmd.Process.Kill()
		<-done
		cmd.Wait()
	})
	return noted.all
}

// isLocked looks at how the product's containers run, and tries in one of each service what that
// should prevent. The same attempts succeed in a container that is not locked.
func (p *project) isLocked() {
	for _, service := range []string{"ingest", "rollup", "export"} {
		c := p.inspect(service)
		if c.Config.User == "" || c.Config.User == "0" || c.Config.User == "root" {
			p.t.Errorf("%s runs as %q", service, c.Config.User)
		}
		if h := c.HostConfig; !h.ReadonlyRootfs || h.Privileged || !slices.Equal(h.CapDrop, []string{"ALL"}) ||
			!slices.Contains(h.SecurityOpt, "no-new-privileges:true") {
			p.t.Errorf("%s is not locked: %+v", service, h)
		}
	}
	p.t.Setenv("CGO_ENABLED", "0")
	p.t.Setenv("GOOS", "linux")
	probe := processtest.Build(p.t, "rollcall/deploy/test/compose/probe") + ":/probe:ro"
	for _, service := range []string{"migrate", "ingest", "rollup", "export"} {
		want := "nothing"
		if service == "export" { // which makes workbooks there
			want = "write /tmp/probe-file"
		}
		out, problems, err := p.tryCompose("run", "--rm", "--no-deps", "-v", probe, "--entrypoint", "/probe", service)
		if strings.TrimSpace(out) != want {
			p.t.Errorf("in the container of %s one can (%v): %s%s; it should be %s", service, err, out, problems, want)
		}
	}
	out, _, _ := p.try("docker", "run", "--rm", "--label", p.label(), "--user", "0", "-v", probe, "--entrypoint", "/probe",
		"rollcall")
	for _, want := range []string{"write /probe-file", "be root", "use capabilities", "gain privileges"} {
		if !strings.Contains(out, want) {
			p.t.Errorf("the probe does not see that an open container can %s: %s", want, out)
		}
	}
}

// isLabelled reads the labels of the product's image. make images tells the build what the labels
// with the version and the revision are to say.
func (p *project) isLabelled() {
	var labels map[string]string
	printed := p.docker("image", "inspect", "--format", "{{json .Config.Labels}}", "rollcall")
	p.must(json.Unmarshal([]byte(printed), &labels))
	for _, name := range []string{"title", "description", "licenses", "version", "revision"} {
		if labels["org.opencontainers.image."+name] == "" {
			p.t.Errorf("the image has no label %s: %v", name, labels)
		}
	}
	says := strings.Split(p.docker("run", "--rm", "--label", p.label(), "rollcall", "version"), "\n")
	for _, line := range []string{
		"rollcall " + labels["org.opencontainers.image.version"], "commit " + labels["org.opencontainers.image.revision"],
	} {
		if !slices.Contains(says, line) {
			p.t.Errorf("the labels say %q, the binary says %q", line, says)
		}
	}
}

// goesDown removes everything, volumes included.
func (p *project) goesDown() {
	p.compose("down", "-v", "--timeout", "5")
	for _, list := range [][]string{{"ps", "--all"}, {"volume", "ls"}, {"network", "ls"}} {
		if left := p.docker(append(list, "--quiet", "--filter", "label="+p.label())...); left != "" {
			p.t.Errorf("docker %s: %s", strings.Join(list, " "), left)
		}
	}
	if files, err := filepath.Glob(filepath.Join(p.root, "deploy/secrets/*")); err != nil || len(files) != 2 {
		p.t.Errorf("the secrets: %q, %v", files, err)
	}
}
