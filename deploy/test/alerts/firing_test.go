//go:build alerts

package alerts

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"rollcall/deploy/test/certtest"
)

// Every alert of the rules file fires under its fault. No alert fires before the first fault, and
// none fires that no fault here causes.
func TestEveryAlertFires(t *testing.T) {
	rules, alerts := hastened(t)
	w := newWorld(t)
	m := w.startPrometheus(rules, w.ingest, w.rollup, w.export)
	key := w.run("keys", "create", "--org", "crowd")
	w.usage("crowd", 100_000)
	w.quietTime(m, key)

	started := map[string]bool{}
	for _, f := range faults {
		for _, alert := range append(f.raises, f.may...) {
			started[alert] = true
		}
		t.Logf("fault: %s", f.name)
		f.make(w, m, key)
		for _, alert := range m.names() {
			if !started[alert] {
				t.Errorf("%s fired, and nothing that raises it was done", alert)
			}
		}
	}
	w.eventually("every alert has fired: "+strings.Join(alerts, " "), 60*time.Second, func() bool {
		return m.look() == nil && !slices.ContainsFunc(alerts, func(a string) bool { return !m.hasFired(a) })
	})
	for _, alert := range alerts {
		if !started[alert] {
			t.Errorf("no fault of this test stands for %s", alert)
		}
	}
	m.metricsAreDocumented()
	m.panelsShowSomething()
}

// quietTime is 16 s of an ordinary day: events, rollups, exports and a few rejects. No alert may
// fire.
func (w *world) quietTime(m *monitor, key string) {
	w.t.Helper()
	for second := range 16 {
		for id := range 20 {
			w.produce(event("acme", second*20+id, false))
		}
		w.produce([]byte("not an event"))
		if got := w.get(key); got != 200 {
			w.t.Fatalf("an export was answered %d", got)
		}
		// This waits for real time to pass, because the rules look at windows of time.
		<-time.After(time.Second)
		m.look()
	}
	if fired := m.names(); len(fired) > 0 {
		w.t.Fatalf("on a quiet day: %v", fired)
	}
}

// A fault is caused, and waits for its alerts as far as the next fault would hide them.
type fault struct {
	name   string
	raises []string
	may    []string // alerts that it may raise too, depending on the machine's speed
	make   func(w *world, m *monitor, key string)
}

var faults = []fault{
	{"clients that are refused, and clients that leave", nil, nil, wrongClients},
	{"a rollup that cannot write", []string{"RollcallDirtySlicesOld", "RollcallClickHouseErrors"}, nil,
		func(w *world, m *monitor, _ string) {
			w.sql("ALTER TABLE workflow_daily ADD CONSTRAINT nothing CHECK runs = 0")
			w.produce(event("acme", 1, true))
			w.fires(m, "RollcallClickHouseErrors", 60*time.Second)
		}},
	{"a key that ends within the hour", []string{"RollcallKeysExpiring"}, nil, func(w *world, _ *monitor, _ string) {
		w.run("keys", "create", "--org", "forgetful", "--expires", "1h")
	}},
	{"a producer that breaks the contract", []string{"RollcallRejects"}, nil, func(w *world, m *monitor, _ string) {
		w.produce(slices.Repeat([][]byte{[]byte(`{"specversion":`)}, 300)...)
		w.fires(m, "RollcallRejects", 15*time.Second)
	}},
	{"a hand that changes a rollup", []string{"RollcallVerifyDifferences"}, nil, func(w *world, m *monitor, _ string) {
		w.sql("ALTER TABLE message_daily UPDATE messages = messages + 1 WHERE org_id = 'crowd' AND user_id = 'user-7'")
		w.fires(m, "RollcallVerifyDifferences", 30*time.Second)
	}},
	{"a disk that fills up", []string{"RollcallDiskNearFull"}, nil, fillDisk},
	{"a disk that is full", []string{"RollcallNotReady"},
		[]string{"RollcallIngestStandsStill", "RollcallInsertRetries", "RollcallExportErrors", "RollcallInstanceNotReady"},
		fullDisk},
	{"an engine that answers late", []string{"RollcallExportsSlow"},
		[]string{"RollcallIngestStandsStill", "RollcallInsertRetries"}, slowEngine},
	{"an engine that dies under downloads", []string{"RollcallExportAborts"}, []string{"RollcallInstanceNotReady"},
		killUnderDownloads},
	{"no engine", []string{
		"RollcallIngestStandsStill", "RollcallInsertRetries", "RollcallLagGrows", "RollcallExportErrors",
		"RollcallInstanceNotReady",
	}, nil, withoutEngine},
	{"an outage longer than Kafka keeps", []string{"RollcallDown", "RollcallStageMissing", "RollcallOffsetGap"}, nil,
		func(w *world, m *monitor, _ string) {
			w.kill("ingest")
			w.fires(m, "RollcallDown", 15*time.Second)
			w.fires(m, "RollcallStageMissing", 15*time.Second)
			w.loseRecords(0)
			w.startEngine()
			w.startIngest()
		}},
	{"a record batch that cannot be read", []string{"RollcallCorruptBatch"}, nil, func(w *world, m *monitor, _ string) {
		w.produceBroken(1)
		w.fires(m, "RollcallCorruptBatch", 30*time.Second)
	}},
	{"a hand that deletes rollups", []string{"RollcallRollupRowsGone"}, nil, deleteRollups},
	{"topics that do not exist", []string{"RollcallTopicMissing", "RollcallNothingRead"}, nil, missingTopic},
	{"a certificate that ends tomorrow", []string{"RollcallCertificateEnds"}, nil, func(w *world, _ *monitor, _ string) {
		c, err := certtest.New(w.t.TempDir())
		if err != nil {
			w.t.Fatal(err)
		}
		w.kill("export")
		w.startExport("--http-cert-file", c.CertFile, "--http-key-file", c.KeyFile)
	}},
}

// fires waits for an alert that has not fired before.
func (w *world) fires(m *monitor, alert string, within time.Duration) {
	w.t.Helper()
	w.eventually(alert+" fires", within, func() bool { return m.look() == nil && m.hasFired(alert) })
}

// deleteRollups deletes rows while no rollup runs. The next rollup sweeps when it starts, and then
// not again for ten minutes.
func deleteRollups(w *world, m *monitor, _ string) {
	const orgs = 20
	for i := range orgs {
		w.usage(fmt.Sprintf("small-%d", i), 10)
	}
	w.eventually("they are rolled up", 60*time.Second, func() bool {
		rolledUp := w.answer("SELECT uniqExact(org_id) FROM slices FINAL WHERE org_id LIKE 'small-%' AND dead = 0")
		return rolledUp == fmt.Sprint(orgs)
	})
	w.kill("rollup")
	w.sql("DELETE FROM message_daily WHERE org_id LIKE 'small-%'")
	w.startRollup()
	w.fires(m, "RollcallRollupRowsGone", 60*time.Second)
}

// wrongClients are a quarter of an hour of clients that use wrong keys, and that leave in the
// middle of downloads. That wakes nobody.
func wrongClients(w *world, m *monitor, key string) {
	for range 15 {
		for range 20 {
			if got := w.get("a wrong key"); got != 401 {
				w.t.Fatalf("a wrong key was answered %d", got)
			}
		}
		for range 3 {
			d, err := w.begin(key)
			if err != nil {
				w.t.Fatal(err)
			}
			d.body.Close()
		}
		// This waits for real time to pass, because the rules look at windows of time.
		<-time.After(time.Second)
		m.look()
	}
	var cut struct {
		Data struct{ Result []struct{ Value [2]any } }
	}
	m.ask("/api/v1/query?query="+url.QueryEscape(`sum(rollcall_export_aborts_total{cause="client"}) > 5`), &cut)
	if len(cut.Data.Result) == 0 {
		w.t.Error("too few downloads were left in the middle: this shows nothing")
	}
}

func fillDisk(w *world, _ *monitor, _ string) { w.ballast("ballast", diskSize/10) }

// ballast takes the disk's free space, and leaves so many bytes of it.
func (w *world) ballast(name string, leave int64) {
	w.t.Helper()
	var disk syscall.Statfs_t
	if err := syscall.Statfs(w.disk, &disk); err != nil {
		w.t.Fatal(err)
	}
	file, err := os.Create(filepath.Join(w.disk, name))
	if err != nil {
		w.t.Fatal(err)
	}
	defer file.Close()
	free := int64(disk.Bavail) * disk.Bsize
	if err := syscall.Fallocate(int(file.Fd()), 0, 0, free-leave); err != nil {
		w.t.Fatal(err)
	}
}

// fullDisk leaves the engine no room for the audit, so that no export can be answered, and makes
// room again.
func fullDisk(w *world, m *monitor, key string) {
	w.ballast("rest", 0)
	w.eventually("an export is answered 503", 30*time.Second, func() bool { return w.get(key) == 503 })
	w.fires(m, "RollcallNotReady", 30*time.Second)
	if got := status("http://" + w.export + "/readyz"); got != 503 {
		w.t.Errorf("export says %d of itself while its audit cannot be written", got)
	}
	if err := os.Remove(filepath.Join(w.disk, "rest")); err != nil {
		w.t.Fatal(err)
	}
	w.eventually("exports are answered again, with nobody's help", 60*time.Second, func() bool {
		return status("http://"+w.export+"/readyz") == 200 && w.get(key) == 200
	})
}

// missingTopic starts ingest on a database without progress, with a topic that Kafka does not have.
func missingTopic(w *world, m *monitor, _ string) {
	w.kill("ingest")
	w.sql("TRUNCATE TABLE progress")
	w.startIngestOf("usage.misspelt")
	w.fires(m, "RollcallTopicMissing", 60*time.Second)
	w.fires(m, "RollcallNothingRead", 60*time.Second)
	w.kill("ingest")
	w.startIngest()
	w.eventually("ingest is ready", 60*time.Second, func() bool { return status("http://"+w.ingest+"/readyz") == 200 })
}

// slowEngine stops the engine for six seconds of every seven, so that an export's first row takes
// longer than five.
func slowEngine(w *world, m *monitor, key string) {
	engine := w.processes["engine"].Process
	for deadline := time.Now().Add(60 * time.Second); !m.hasFired("RollcallExportsSlow"); m.look() {
		if time.Now().After(deadline) {
			w.t.Fatal("RollcallExportsSlow did not fire")
		}
		engine.Signal(syscall.SIGSTOP)
		var requests sync.WaitGroup
		for range 3 {
			requests.Go(func() { w.get(key) })
		}
		<-time.After(6 * time.Second)
		engine.Signal(syscall.SIGCONT)
		requests.Wait()
	}
}

func killUnderDownloads(w *world, m *monitor, key string) {
	var downloads []*download
	for range 8 {
		d, err := w.begin(key)
		if err != nil {
			w.t.Fatal(err)
		}
		downloads = append(downloads, d)
	}
	w.kill("engine")
	var rests sync.WaitGroup
	for _, d := range downloads {
		rests.Go(func() {
			if d.rest() == nil {
				w.t.Error("a download that lost its engine looks whole")
			}
		})
	}
	rests.Wait()
	w.fires(m, "RollcallExportAborts", 15*time.Second)
}

// withoutEngine continues where killUnderDownloads ended: the engine is gone.
func withoutEngine(w *world, m *monitor, key string) {
	stop := w.flood()
	defer stop()
	w.eventually("what an outage raises", 90*time.Second, func() bool {
		w.get(key)
		return m.look() == nil && m.hasFired("RollcallIngestStandsStill") && m.hasFired("RollcallInsertRetries") &&
			m.hasFired("RollcallLagGrows") &&
			m.hasFired("RollcallExportErrors") && m.hasFired("RollcallInstanceNotReady")
	})
}
