//go:build compose

package compose

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"rollcall/deploy/test/suite/eventlog"
	"rollcall/deploy/test/suite/oracle"
	"rollcall/deploy/test/suite/traffic"
)

var dataTypes = []string{"users", "assistants", "workflows", "projects", "models", "api-keys"}

// groupings are more ways to ask for some of the types.
var groupings = map[string]string{"users": "model", "assistants": "model", "models": "source", "api-keys": "model"}

func (p *project) database() eventlog.Database {
	return eventlog.Database{
		URL: "http://" + p.addr["clickhouse"], Name: "rollcall", User: "rollcall", Password: p.secret("clickhouse_password"),
		Client: &http.Client{Timeout: patience},
	}
}

// compare holds the event log, and every type of export of the year of some workspaces, to the
// oracle's.
func (p *project) compare(s *stream, service string, orgs ...string) {
	p.t.Helper()
	events, err := p.database().Events(p.t.Context())
	p.must(err)
	if err := eventlog.Settle(s.oracle, events); err != nil {
		p.t.Fatalf("seed %d, %s: %v", *seed, service, err)
	}
	today := s.now.UTC()
	for _, org := range orgs {
		for _, dataType := range dataTypes {
			for _, group := range []string{"", groupings[dataType]}[:1+min(1, len(groupings[dataType]))] {
				q := oracle.Query{
					Org: org, Type: dataType, GroupBy: group, Secret: []byte(p.secret("secret")), Now: time.Now(),
					From: today.AddDate(-1, 0, 2).Format(time.DateOnly), To: today.Format(time.DateOnly),
				}
				if err := p.exact(s, q); err != nil {
					p.t.Fatalf("seed %d, %s: %s of %s by %q: %v", *seed, service, dataType, org, group, err)
				}
			}
		}
	}
}

// exact asks for an export, again while it is answered 5xx or not at all, and compares it.
func (p *project) exact(s *stream, q oracle.Query) error {
	want, err := s.oracle.Export(q)
	if err != nil {
		return err
	}
	var status int
	var body []byte
	p.eventually(func() error {
		if status, body, err = p.export(q); err == nil && status >= http.StatusInternalServerError {
			err = fmt.Errorf("status %d: %s", status, body)
		}
		return err
	})
	if q.Type == "workflows" && (q.Org == traffic.Private || q.Org == traffic.Plain) {
		if status != http.StatusForbidden {
			return fmt.Errorf("status %d for a workspace without workflows: %s", status, body)
		}
		return nil
	}
	if status != http.StatusOK {
		return fmt.Errorf("status %d: %s", status, body)
	}
	return want.DiffCSV(body, ',')
}

func (p *project) export(q oracle.Query) (status int, body []byte, err error) {
	v := url.Values{"from": {q.From}, "to": {q.To}}
	if q.GroupBy != "" {
		v.Set("group_by", q.GroupBy)
	}
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet,
		"http://"+p.addr["export"]+"/v1/exports/"+q.Type+"?"+v.Encode(), nil)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+p.key(q.Org))
	res, err := (&http.Client{Timeout: patience}).Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	body, err = io.ReadAll(res.Body)
	return res.StatusCode, body, err
}

// key is the workspace's, made in the container of export.
func (p *project) key(org string) string {
	p.t.Helper()
	if p.keys[org] == "" {
		p.keys[org] = strings.TrimSpace(p.compose("exec", "-T", "export", "/rollcall", "keys", "create", "--org", org))
	}
	return p.keys[org]
}

// endsExact compares once more, after everything that happened, and lets Rollcall compare its
// rollups with its log.
func (p *project) endsExact(s *stream) {
	p.eventually(s.behind)
	p.compare(s, "at the end", traffic.Orgs()...)
	var slices struct{ N int }
	p.must(p.database().Query(p.t.Context(), "SELECT toInt64(uniqExact(org_id, day)) AS N FROM slices FINAL WHERE dead = 0",
		func(line []byte) error { return json.Unmarshal(line, &slices) }))
	p.compose("exec", "-T", "rollup", "/rollcall", "verify")
	p.t.Logf("%d slices are rolled up", slices.N)
	if slices.N < 100 {
		p.t.Errorf("only %d slices are rolled up: rollup did not do its work", slices.N)
	}
}
