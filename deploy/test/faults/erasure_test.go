//go:build faults && linux

package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"rollcall/deploy/test/suite/oracle"
	"rollcall/deploy/test/suite/traffic"
)

// forgotten erases a person while their events arrive, kills the erasure half way, repeats it, then
// replays a topic and all of that person's events.
func forgotten(w *world) {
	person := w.anyone()
	w.refused(person)
	args := []string{
		"forget", "--org", person.Org, "--user", person.User, "--secret", secret, "--clickhouse-url",
		w.engine.URL + "/" + database,
	}
	killed := &process{
		name: "forget", log: filepath.Join(w.dir, "forget.log"), command: append([]string{w.program}, args...),
	}
	killed.start(w.t)
	w.pause(1000)
	killed.kill()
	w.kills["forget"]++
	w.run(args...)
	w.query("SELECT toUnixTimestamp64Milli(erased_at) AS Before FROM erasures FINAL ORDER BY updated_at DESC LIMIT 1",
		func(line []byte) { must(w.t, json.Unmarshal(line, &person)) })
	w.erasures = append(w.erasures, person)
	replay(w)
	w.comesAgain(person)
}

// comesAgain sends all events of an erased person again. Each of them must be dropped and counted.
func (w *world) comesAgain(person oracle.Erasure) {
	w.t.Helper()
	var theirs []stored
	for _, s := range w.held(w.topics...) {
		e, reason := oracle.Read(s.record(), time.Now())
		if reason == "" && e.Org == person.Org && e.User == person.User && e.Time < person.Before {
			theirs = append(theirs, s)
		}
	}
	// An earlier fault may have deleted the records of every person that the log knows.
	if len(theirs) == 0 {
		w.missed++
		return
	}
	w.heal() // before counting, since a counter starts at 0 with its process
	counted := w.countedErased()
	must(w.t, w.producer.resend(w.t.Context(), theirs, w.topics[0]))
	eventually(w.t, fmt.Sprintf("%d events of %+v, who was erased, are counted as erased; %v were before", len(theirs),
		person, counted), func() bool {
		return w.countedErased() >= counted+float64(len(theirs))
	})
}

var erasedCount = regexp.MustCompile(`(?m)^rollcall_ingest_events_total\{outcome="erased",.*\} (.+)$`)

// countedErased is the number of records that the ingests counted as dropped because the person was
// erased.
func (w *world) countedErased() (sum float64) {
	w.t.Helper()
	for _, m := range w.ingests {
		for _, line := range erasedCount.FindAllStringSubmatch(m.get("/metrics"), -1) {
			n, err := strconv.ParseFloat(line[1], 64)
			must(w.t, err)
			sum += n
		}
	}
	return sum
}

// refused sends records that are not valid events, of the person and of somebody whose id begins
// with the person's id, and waits until they are in rejects. Only the person's may be erased from
// there.
func (w *world) refused(person oracle.Erasure) {
	w.t.Helper()
	const record = `{"specversion":"1.0","id":"refused-%d","source":"/faults","type":%q,"time":%q,"data":{"org_id":%q,"user_id":%q,"channel":"CHAT"}}`
	number := len(w.erasures)
	producing(func(p *producer, ctx context.Context) error {
		var records []traffic.Record
		for _, user := range []string{person.User, person.User + "0"} {
			for _, kind := range []string{"usage.message.v1", "usage.message.v9"} {
				// The second kind is unknown, so ingest knows neither org nor user of its record.
				records = append(records, traffic.Record{
					Topic: p.topics[0], Value: fmt.Appendf(nil, record, number, kind, p.now.UTC().Format(time.RFC3339), person.Org,
						user),
				})
			}
		}
		return p.plain(ctx, records)
	})(w)
	w.heal()
	eventually(w.t, "four records are rejected", func() (all bool) {
		w.query(fmt.Sprintf(`SELECT count() >= 4 AS Enough FROM rejects FINAL WHERE position(value, '"id":"refused-%d"') > 0`,
			number), func(line []byte) {
			all = bytes.Contains(line, []byte("1"))
		})
		return all
	})
}

// anyone returns a person of whom the log holds events and whose id needs no escaping.
func (w *world) anyone() (person oracle.Erasure) {
	w.t.Helper()
	var all []oracle.Erasure
	w.query(`SELECT DISTINCT org_id AS Org, user_id AS User FROM events FINAL
WHERE match(user_id, '^[a-z0-9]+$') ORDER BY Org, User`, func(line []byte) {
		var p oracle.Erasure
		must(w.t, json.Unmarshal(line, &p))
		all = append(all, p)
	})
	if len(all) == 0 {
		w.fail("there is nobody to forget")
	}
	return all[w.rand.IntN(len(all))]
}

// checkTraces looks on the disk for data of erased persons. The oracle has only checked the log as
// exports see it.
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

// namesErased tells whether a record names an erased person, so that its reject may be gone. It
// does if the person's id is a whole text of its value, its key, or a word of a header, and if the
// record is of the person's workspace or cannot be read.
func (w *world) namesErased(s stored) bool {
	read, _ := oracle.Read(s.record(), time.Now())
	return slices.ContainsFunc(w.erasures, func(e oracle.Erasure) bool {
		if read.Org != "" && read.Org != e.Org {
			return false
		}
		word := regexp.MustCompile(`\b` + e.User + `\b`) // such an id needs no quoting; see anyone
		return bytes.Contains(s.Value, []byte(`"`+e.User+`"`)) || string(s.Key) == e.User ||
			slices.ContainsFunc(s.Headers, func(h kgo.RecordHeader) bool { return word.Match(h.Value) })
	})
}
