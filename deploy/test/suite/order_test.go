package suite

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"time"

	"rollcall/deploy/test/suite/oracle"
	"rollcall/deploy/test/suite/traffic"
	"rollcall/ingest"
)

// Of conflicting copies the same one wins, whatever the order of arrival, the batches and the
// partitions. So every file is the same, byte for byte.
func TestTheOrderOfArrivalChangesNothing(t *testing.T) {
	now := time.Now()
	records := traffic.Make(traffic.Config{Seed: *seed, Now: now, Events: *events / 4, Topics: topics})
	var log map[oracle.Identity]oracle.Event
	var files map[string][]byte
	t.Run("in one order", func(t *testing.T) { // one bed after the other, because there may be only one broker
		b := newBed(t)
		b.now = now
		b.send(records)
		b.ingest(nil)
		if len(b.oracle.Conflicts()) < 20 {
			t.Errorf("only %d conflicts", len(b.oracle.Conflicts()))
		}
		log = b.log()
		files = b.allFiles()
	})
	t.Run("in the reverse", func(t *testing.T) {
		b := newBed(t)
		b.now = now
		slices.Reverse(records)
		b.send(records)
		b.ingest(func(c *ingest.Config) { c.BatchRows = 50 })
		other := b.log()
		for id, e := range log {
			if other[id] != e {
				t.Errorf("seed %d: %+v won, in the reverse order %+v", *seed, e, other[id])
			}
		}
		if len(log) == 0 || len(other) != len(log) {
			t.Errorf("%d events, in the reverse order %d", len(log), len(other))
		}
		_, err := b.roll().Once(t.Context())
		b.must(err)
		b.sameFiles(files)
	})
}

// Sending the same records again, to other partitions, changes no byte of any file, whether slices
// are read from the log or from rollups.
func TestAReplayChangesNothing(t *testing.T) {
	b := newBed(t)
	records := traffic.Make(traffic.Config{Seed: *seed, Now: b.now, Events: *events / 4, Topics: topics})
	b.send(records)
	b.ingest(nil)
	before := b.allFiles()
	_, err := b.roll().Once(t.Context())
	b.must(err)
	b.sameFiles(before)
	rand.New(rand.NewPCG(*seed, 2)).Shuffle(len(records),
		func(i, j int) { records[i], records[j] = records[j], records[i] })
	b.send(records)
	b.ingest(nil)
	b.sameFiles(before)
	_, err = b.roll().Once(t.Context())
	b.must(err)
	b.sameFiles(before)

	b.send(traffic.Make(traffic.Config{Seed: *seed + 1, Now: b.now, Events: 20, Topics: topics}))
	b.ingest(nil)
	after := b.allFiles() // compared with the earlier files by their tags
	same := func(name string) bool { return bytes.Equal(after[name], before[name]) }
	if changed := slices.DeleteFunc(slices.Collect(maps.Keys(after)), same); len(changed) == 0 {
		t.Error("20 new events changed no file: the tags were not put to the test")
	}
}

// allFiles returns one file of each data type and workspace, and of each grouping of one workspace,
// over most of the year.
func (b *bed) allFiles() map[string][]byte {
	b.t.Helper()
	all := map[string][]byte{}
	for _, org := range workspaces() {
		for dataType, groups := range groupings {
			if (dataType == "workflows" || dataType == "focus") && (org == traffic.Private || org == traffic.Plain) {
				continue
			}
			if org != traffic.Full {
				groups = groups[:1]
			}
			for _, group := range groups {
				a := ask{
					Query: oracle.Query{
						Org: org, Type: dataType, GroupBy: group, From: b.now.AddDate(0, -11, 0).Format("2006-01-02"),
						To: b.now.AddDate(0, 0, 2).Format("2006-01-02"),
					},
				}
				status, body := b.answer(a)
				if err := statusError(status, body, http.StatusOK); err != nil {
					b.t.Fatalf("%s: %v", a, err)
				}
				all[a.String()] = body
			}
		}
	}
	return all
}

func (b *bed) sameFiles(want map[string][]byte) {
	b.t.Helper()
	for name, file := range b.allFiles() {
		if !bytes.Equal(file, want[name]) {
			b.t.Errorf("seed %d: %s changed from\n%.2000s\nto\n%.2000s", *seed, name, want[name], file)
		}
	}
}
