//go:build compose

package compose

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"rollcall/deploy/test/suite/traffic"
)

// outage is how long a container is cut off or paused. The stages notice within two seconds.
const outage = 4 * time.Second

var faults = []struct {
	name   string
	strike func(p *project, service string)
}{
	{"killed", (*project).kill},
	{"cut off", (*project).cut},
	{"paused", (*project).pause},
	{"recreated", (*project).recreate},
}

// suffers has each fault strike a service while events are produced. Then all that Kafka
// acknowledged must be in the exports. No other service may have died of it.
func (p *project) suffers(s *stream, service string) {
	p.t.Helper()
	stop := s.start()
	for _, f := range faults {
		began := time.Now()
		f.strike(p, service)
		acknowledged := s.records.Load()
		p.eventually(func() error { return p.works(service) })
		p.eventually(func() error { return s.goesOn(acknowledged) })
		p.t.Logf("%5.1f s  %s %s", time.Since(began).Seconds(), service, f.name)
	}
	began := time.Now()
	if err := stop(); err != nil {
		p.t.Fatalf("seed %d, %s: %v", *seed, service, err)
	}
	p.eventually(s.behind)
	settled := time.Now()
	p.compare(s, service, traffic.Full)
	p.t.Logf("%5.1f s  until all was committed, %.1f s for the exports of %d records", settled.Sub(began).Seconds(),
		time.Since(settled).Seconds(), s.records.Load())
	for _, other := range p.services {
		if c := p.inspect(other); c.RestartCount != 0 {
			p.t.Errorf("seed %d: after the faults of %s, %s was restarted %d times", *seed, service, other, c.RestartCount)
		}
	}
}

// works returns nil if a service does its work. Kafka does if the stream goes on.
func (p *project) works(service string) error {
	switch service {
	case "kafka":
		return nil
	case "clickhouse":
		response, err := http.Get("http://" + p.addr[service] + "/ping")
		if err != nil {
			return err
		}
		return response.Body.Close()
	}
	out, problems, err := p.try("docker", "exec", p.container(service), "/rollcall", "health")
	if err != nil {
		return fmt.Errorf("%w: %s%s", err, out, problems)
	}
	return nil
}

// kill lets the kernel kill the process, as when memory is used up. Docker then starts the
// container again; it would not after `docker kill`, which counts as an order to stop. A container
// that sees the host's processes does it, so the test itself needs no rights of root.
func (p *project) kill(service string) {
	p.t.Helper()
	before := p.inspect(service)
	p.docker("run", "--rm", "--label", p.label(), "--network", "none", "--pid", "host", "--user", "0",
		"--entrypoint", "bash", p.image("kafka"), "-c", "kill -KILL "+strconv.Itoa(before.State.Pid))
	p.eventually(func() error {
		if c := p.inspect(service); !c.State.Running || c.RestartCount == before.RestartCount {
			return fmt.Errorf("%s was killed, and is not started again: %+v", service, c)
		}
		return nil
	})
}

// cut takes the container off the network and puts it back. The name of the service is an alias
// that Compose gives.
func (p *project) cut(service string) {
	p.t.Helper()
	network := p.name + "_default"
	p.docker("network", "disconnect", network, p.container(service))
	<-time.After(outage)
	p.docker("network", "connect", "--alias", service, network, p.container(service))
}

func (p *project) pause(service string) {
	p.t.Helper()
	p.docker("pause", p.container(service))
	<-time.After(outage)
	p.docker("unpause", p.container(service))
}

// recreate removes the container and makes it anew, alone. Its named volumes stay.
func (p *project) recreate(service string) {
	p.t.Helper()
	p.compose("rm", "--force", "--stop", "--volumes", service)
	p.compose("up", "-d", "--no-deps", service)
}

func (p *project) image(service string) string {
	p.t.Helper()
	return strings.TrimSpace(p.docker("inspect", "--format", "{{.Config.Image}}", p.container(service)))
}
