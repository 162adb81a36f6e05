//go:build faults && linux

package faults

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"rollcall/deploy/test/suite/oracle"
	"rollcall/deploy/test/suite/traffic"
)

var dataTypes = []string{
	"users", "assistants", "workflows", "projects", "models", "api-keys", "departments", "groups", "adoption",
	"focus",
}

// question is a random export that any workspace may ask for. Half of them are of the whole year.
func (w *world) question() oracle.Query {
	q := oracle.Query{
		Org: traffic.Orgs()[w.rand.IntN(4)], Type: dataTypes[w.rand.IntN(len(dataTypes))], Secret: []byte(secret),
		ActiveOnly: w.rand.IntN(3) == 0, AttributesNow: w.rand.IntN(3) == 0,
	}
	if w.rand.IntN(3) == 0 && slices.Contains([]string{"users", "assistants", "api-keys"}, q.Type) {
		q.GroupBy = "model"
	}
	today := w.producer.now.UTC()
	from := today.AddDate(-1, 0, 2)
	if w.rand.IntN(2) == 0 {
		from = from.AddDate(0, 0, w.rand.IntN(300))
		today = from.AddDate(0, 0, w.rand.IntN(60))
	}
	q.From = from.Format(time.DateOnly)
	q.To = today.Format(time.DateOnly)
	q.Zone = []string{"", "Europe/Berlin", "Asia/Kolkata"}[w.rand.IntN(3)]
	if q.Type == "focus" { // of UTC days, with the names of each
		q.Zone = ""
		q.AttributesNow = false
	}
	return q
}

// compare asks for so many exports and compares each with the oracle's. If breaking is set, a
// request may fail visibly, but an answer that is given must be right.
func (w *world) compare(exports int, breaking bool) {
	w.t.Helper()
	deadline := time.Now().Add(patience)
	for wanted := w.exports.Load() + int64(exports); w.exports.Load() < wanted; {
		if time.Now().After(deadline) {
			w.fail("%d of %d exports were still to be answered, and none was for %s", wanted-w.exports.Load(), exports, patience)
		}
		q := w.question()
		q.Now = time.Now()
		want, err := w.oracle.Export(q)
		must(w.t, err)
		status, body, err := w.answer(q)
		switch {
		case (err != nil || status >= 500) && breaking:
			w.failed++
			<-time.After(100 * time.Millisecond)
			continue
		case err != nil:
			w.fail("%+v: %v", q, err)
		case (q.Type == "workflows" || q.Type == "focus") && (q.Org == traffic.Private || q.Org == traffic.Plain):
			if status != http.StatusForbidden {
				w.fail("%+v: status %d", q, status)
			}
			continue
		case status != http.StatusOK:
			w.fail("%+v: status %d: %s", q, status, body)
		}
		if err := want.DiffCSV(body, ','); err != nil {
			_, body, _ := w.answer(q)
			w.fail("%+v: %v\nasked again: %v", q, err, want.DiffCSV(body, ','))
		}
		w.exports.Add(1)
		deadline = time.Now().Add(patience)
	}
}

// answer gets one export, complete or not at all.
func (w *world) answer(q oracle.Query) (status int, body []byte, err error) {
	v := url.Values{"from": {q.From}, "to": {q.To}}
	if q.Zone != "" {
		v.Set("timezone", q.Zone)
	}
	if q.GroupBy != "" {
		v.Set("group_by", q.GroupBy)
	}
	if q.ActiveOnly {
		v.Set("include_inactive", "false")
	}
	if q.AttributesNow {
		v.Set("attributes", "now")
	}
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet,
		"http://"+w.export.command[3]+"/v1/exports/"+q.Type+"?"+v.Encode(), nil)
	must(w.t, err)
	req.Header.Set("Authorization", "Bearer "+w.key(q.Org))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	body, err = io.ReadAll(res.Body)
	return res.StatusCode, body, err
}

func (w *world) key(org string) string {
	w.t.Helper()
	if w.keys[org] == "" {
		w.keys[org] = w.run("keys", "create", "--org", org, "--clickhouse-url", w.engine.URL+"/"+database)
	}
	return w.keys[org]
}

// compareWhile asks for exports while rollup workers compete for the slices, while they and the
// export service are killed during their work, and while everything is rebuilt. The log does not
// change, so every answer must be the same. The export service is killed only after it has answered
// something, however slow the machine is.
func (w *world) compareWhile(exports int) {
	w.t.Helper()
	over := make(chan struct{})
	var breaking sync.WaitGroup
	breaking.Go(func() {
		answered := w.exports.Load()
		for n := 0; ; n++ {
			select {
			case <-over:
				return
			case <-time.After(400 * time.Millisecond):
			}
			m := []*member{w.rollups[0], w.rollups[1], w.rollups[0], w.rollups[1], w.export}[n%5]
			if m == w.export {
				if w.exports.Load() == answered {
					continue
				}
				answered = w.exports.Load()
			}
			m.kill()
			m.start(w.t)
		}
	})
	breaking.Go(func() { w.rebuild(over) })
	w.compare(exports, true)
	close(over)
	breaking.Wait()
	w.heal()
}

// rebuild recomputes everything, again and again.
func (w *world) rebuild(over <-chan struct{}) {
	for n := 0; ; n++ {
		select {
		case <-over:
			return
		default:
		}
		p := &process{
			name: "rebuild", log: fmt.Sprint(w.dir, "/rebuild.log"),
			command: []string{w.program, "rebuild", "--clickhouse-url", w.engine.URL + "/" + database},
		}
		p.start(w.t)
		select {
		case <-p.ended:
		case <-over:
			p.kill()
		}
	}
}

// verify makes Rollcall itself compare its rollups with its log.
func (w *world) verify() {
	w.t.Helper()
	w.run("verify", "--clickhouse-url", w.engine.URL+"/"+database)
}
