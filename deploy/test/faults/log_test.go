//go:build faults && linux

package faults

import (
	"encoding/json"

	"rollcall/deploy/test/suite/eventlog"
)

// query asks the engine directly and passes each row on as JSON.
func (w *world) query(sql string, row func([]byte)) {
	w.t.Helper()
	must(w.t, w.database().Query(w.t.Context(), sql, func(line []byte) error {
		row(line)
		return nil
	}))
}

// database is the engine's, without a proxy between.
func (w *world) database() eventlog.Database {
	return eventlog.Database{URL: w.engine.URL, Name: database, Client: engineClient}
}

// rejects returns the reasons of all rejected records, by place. A place can have several if its
// topic was created anew.
func (w *world) rejects() map[place]map[string]bool {
	w.t.Helper()
	found := map[place]map[string]bool{}
	w.query("SELECT topic AS Topic, partition AS Partition, offset AS Offset, reason AS Reason FROM rejects FINAL",
		func(line []byte) {
			var row struct {
				Topic     string
				Partition int32
				Offset    int64
				Reason    string
			}
			must(w.t, json.Unmarshal(line, &row))
			at := place{row.Topic, row.Partition, row.Offset}
			if found[at] == nil {
				found[at] = map[string]bool{}
			}
			found[at][row.Reason] = true
		})
	return found
}
