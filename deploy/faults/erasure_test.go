//go:build faults && linux

package faults

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"

	"rollcall/deploy/suite/oracle"
)

// forgotten erases a person while their events come, is killed half way, does it again, and has all topics replayed.
func forgotten(w *world) {
	person := w.anyone()
	args := []string{"forget", "--org", person.Org, "--user", person.User, "--secret", secret, "--clickhouse-url", w.engine.URL + "/" + database}
	killed := &process{name: "forget", log: filepath.Join(w.dir, "forget.log"), command: append([]string{w.program}, args...)}
	killed.start(w.t)
	w.pause(1000)
	killed.kill()
	w.kills["forget"]++
	w.run(args...)
	w.query("SELECT toUnixTimestamp64Milli(erased_at) AS Before FROM erasures FINAL ORDER BY updated_at DESC LIMIT 1", func(line []byte) { must(w.t, json.Unmarshal(line, &person)) })
	w.erasures = append(w.erasures, person)
	replay(w)
}

// anyone is a person of whom the log holds something, with a name that needs no escapes.
func (w *world) anyone() (person oracle.Erasure) {
	w.t.Helper()
	var all []oracle.Erasure
	w.query("SELECT DISTINCT org_id AS Org, user_id AS User FROM events FINAL WHERE match(user_id, '^[a-z0-9]+$') ORDER BY Org, User", func(line []byte) {
		var p oracle.Erasure
		must(w.t, json.Unmarshal(line, &p))
		all = append(all, p)
	})
	if len(all) == 0 {
		w.fail("there is nobody to forget")
	}
	return all[w.rand.IntN(len(all))]
}

// checkTraces looks for what should be gone of those who were erased. The oracle has looked at the log as exports see it; this is the disk.
func (w *world) checkTraces() {
	w.t.Helper()
	for _, e := range w.erasures {
		before := fmt.Sprintf("time < fromUnixTimestamp64Milli(%d, 'UTC')", e.Before)
		for table, theirs := range map[string]string{
			"events":   "user_id = '%s' AND " + before,
			"entities": "(owner_id = '%[1]s' OR kind = 'user' AND entity_id = '%[1]s') AND " + before,
			"rejects":  "user_id = '%s'",
		} {
			sql := fmt.Sprintf("SELECT count() AS Rows FROM %s WHERE org_id = '%s' AND "+theirs, table, e.Org, e.User)
			w.query(sql, func(line []byte) {
				var found struct{ Rows int }
				must(w.t, json.Unmarshal(line, &found))
				if found.Rows > 0 {
					w.fail("%+v was erased, and %s has %d rows of theirs", e, table, found.Rows)
				}
			})
		}
	}
}

// namesErased says whether a record names somebody who was erased: its reject may be gone.
func (w *world) namesErased(s stored) bool {
	for _, e := range w.erasures {
		if bytes.Contains(s.Value, []byte(e.User)) {
			return true
		}
		for _, h := range s.Headers {
			if bytes.Contains(h.Value, []byte(e.User)) {
				return true
			}
		}
	}
	return false
}
