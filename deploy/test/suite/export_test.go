package suite

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"rollcall/deploy/test/suite/oracle"
	"rollcall/deploy/test/suite/traffic"
	"rollcall/ingest"
	"rollcall/rollup"
	"rollcall/schema"
	"rollcall/schema/tables"
)

var (
	events   = flag.Int("events", 2000, "how many random events")
	requests = flag.Int("requests", 1,
		"random requests per workspace, data type and grouping in each state of the rollups")
)

// The whole promise: whatever arrives in whatever order, every export is what the oracle computes,
// whether its days are read from the log or from rollups.
func TestEveryExportIsTheOracles(t *testing.T) {
	b := newBed(t)
	b.send(traffic.Make(traffic.Config{Seed: *seed, Now: b.now, Events: *events, Topics: topics}))
	b.ingest(nil)
	r := rand.New(rand.NewPCG(*seed, 1))

	t.Run("none of the slices rolled up", func(t *testing.T) {
		b.with(t).rolledUp(0)
		b.with(t).compare(r, 0.6)
	})
	t.Run("half of them", func(t *testing.T) {
		half := schema.DayOf(b.now.AddDate(0, -6, 0))
		_, err := b.roll().Rebuild(t.Context(), rollup.Filter{To: half}, func(int, int) {})
		b.must(err)
		b.with(t).rolledUp(0.5)
		b.with(t).compare(r, 0.4)
	})
	t.Run("all of them", func(t *testing.T) {
		_, err := b.roll().Once(t.Context())
		b.must(err)
		b.with(t).rolledUp(1)
		b.with(t).byMonths()
		b.with(t).compare(r, 1)
		b.with(t).reconcile(r)
	})
	t.Run("late events after that, in batches of a few rows", func(t *testing.T) {
		b.with(t).send(traffic.Make(traffic.Config{Seed: *seed + 1000, Now: b.now, Events: *events / 20, Topics: topics}))
		b.with(t).ingest(func(c *ingest.Config) { c.BatchRows = 7 })
		b.with(t).compare(r, 0.3)
	})
	t.Run("and all of those rolled up", func(t *testing.T) {
		_, err := b.roll().Once(t.Context())
		b.must(err)
		b.with(t).rolledUp(1)
		b.with(t).byMonths()
		b.with(t).compare(r, 0.3)
		b.with(t).reconcile(r)
	})
}

// with returns the bed for a subtest: failures are those of the subtest.
func (b *bed) with(t *testing.T) *bed {
	sub := *b
	sub.t = t
	return &sub
}

// rolledUp checks that the share of slices with a manifest is near to what the test means to look
// at. It leaves out slices whose rollups expire within the hour, because they are no longer rolled
// up: after 23:00 UTC these are the slices of one day.
func (b *bed) rolledUp(share float64) {
	b.t.Helper()
	var all, done uint64
	b.must(b.conn.QueryRow(b.t.Context(),
		`SELECT uniqExact(org_id, day), uniqExactIf((org_id, day), (org_id, day) IN (SELECT org_id, day FROM slices FINAL WHERE dead = 0)) FROM marks
WHERE toDateTime(day, 'UTC') + INTERVAL 12 MONTH + INTERVAL 1 DAY > now() + INTERVAL 1 HOUR`).Scan(&all, &done))
	got := float64(done) / float64(all)
	near := got >= share-0.3 && got <= share+0.3
	if all < 100 || !near || share == 1 && done != all || share == 0 && done != 0 {
		b.t.Fatalf("%d of %d slices are rolled up, this part of the test is about %g of them", done, all, share)
	}
}

// byMonths fails the test unless exports of the year read most closed months from merged
// generations.
func (b *bed) byMonths() {
	b.t.Helper()
	today := schema.DayOf(b.now.UTC())
	for _, org := range workspaces() {
		span := tables.Span{Org: org, From: schema.Earliest(today), To: today}
		span.MonthsFrom = span.From
		span.MonthsTo = span.To
		plan, err := tables.ReadPlan(b.t.Context(), b.conn, span, b.now)
		b.must(err)
		var months uint64
		b.must(b.conn.QueryRow(clickhouse.Context(b.t.Context(), clickhouse.WithParameters(plan.Params())),
			"SELECT count() FROM months FINAL WHERE dead = 0 AND generation IN {plan_generations:Array(UUID)}").Scan(&months))
		if months < 8 {
			b.t.Errorf("a year of %s is read by %d generations, %d of them months'", org, len(plan.Generations), months)
		}
	}
}

// workspaces are those whose exports are compared with the oracle's. With -short, which CI uses
// with the race detector, it is only the one that has every setting. The whole log is compared in
// any case.
func workspaces() []string {
	if testing.Short() {
		return []string{traffic.Full}
	}
	return traffic.Orgs()
}

// compare asks random questions about a random share of all workspaces, data types and groupings.
func (b *bed) compare(r *rand.Rand, share float64) {
	b.t.Helper()
	asked := 0
	failed := 0
	for _, org := range workspaces() {
		for _, dataType := range dataTypes {
			groups := groupings[dataType]
			if dataType == "models" && (org == traffic.Full || org == traffic.Pseudonym) {
				groups = append(groups[:len(groups):len(groups)], "deployment")
			}
			for _, group := range groups {
				if r.Float64() >= share {
					continue
				}
				for range *requests {
					a := random(r, b.now)
					a.Org = org
					a.Type = dataType
					a.GroupBy = group
					if dataType == "focus" {
						a.ofUTCDays(r, b.now)
					}
					switch newer := slices.Contains(newTypes, dataType); {
					case a.DropIn && newer:
						continue // the surface has the older types
					case !a.DropIn && r.IntN(3) == 0:
						a.filter(r, b.oracle)
					}
					asked++
					if err := b.check(a); err != nil {
						b.t.Errorf("seed %d: %s\n%v", *seed, a, err)
						if failed++; failed == 10 {
							b.t.Fatal("10 exports are wrong; the others were not asked for")
						}
					}
				}
			}
		}
	}
	b.compareDays()
	b.t.Logf("%d exports compared, %d wrong", asked, failed)
}

// random is a request without workspace, type and grouping.
func random(r *rand.Rand, now time.Time) ask {
	a := ask{DropIn: r.IntN(3) == 0}
	a.period(r, now)
	if a.DropIn {
		a.Format = []string{"csv", "json"}[r.IntN(2)]
		return a
	}
	a.ActiveOnly = r.IntN(3) == 0
	if r.IntN(4) == 0 {
		a.Pick = r.Uint64()
	}
	a.AttributesNow = r.IntN(3) == 0
	a.Format = []string{"", "csv", "csv", "ndjson", "json", "parquet", "xlsx"}[r.IntN(7)]
	if a.Format == "csv" {
		a.Delimiter = []string{"", "comma", "semicolon", "tab"}[r.IntN(4)]
		a.BOM = r.IntN(4) == 0
		if a.Delimiter == "semicolon" || a.Delimiter == "tab" {
			a.Decimal = []string{"", "point", "comma"}[r.IntN(3)]
		}
	}
	return a
}

// check asks and compares the answer with the oracle's. The error says where they differ. In any
// zone, a day begins at a quarter of an hour. If one passed meanwhile, answer and oracle may be of
// different days, so check asks again.
func (b *bed) check(a ask) error {
	b.t.Helper()
	for {
		a.Now = time.Now()
		err := b.checkAt(a)
		if err == nil || time.Now().Truncate(15*time.Minute).Equal(a.Now.Truncate(15*time.Minute)) {
			return err
		}
	}
}

func (b *bed) checkAt(a ask) error {
	a.Secret = secret
	a.OnRequest = a.Pick != 0
	want, err := b.oracle.Export(a.Query)
	b.must(err)
	if len(want.Columns) == 0 { // not for this workspace
		status, body := b.answer(a)
		return statusError(status, body, http.StatusForbidden)
	}
	if a.Pick != 0 {
		r := rand.New(rand.NewPCG(a.Pick, 0))
		for _, i := range r.Perm(len(want.Columns))[:1+r.IntN(len(want.Columns))] {
			a.Columns = append(a.Columns, want.Columns[i])
		}
		want = want.Select(a.Columns)
	}
	status, body := b.answer(a)
	if a.Type == "workflows" && (a.Org == traffic.Private || a.Org == traffic.Plain) {
		return statusError(status, body, http.StatusForbidden)
	}
	if a.DropIn {
		return b.checkDropIn(a, want, status, body)
	}
	if err := statusError(status, body, http.StatusOK); err != nil {
		return err
	}
	return diff(a, want, body)
}

func diff(a ask, want oracle.Table, body []byte) error {
	switch a.Format {
	case "ndjson":
		return want.DiffNDJSON(body)
	case "json":
		return want.DiffJSON(body)
	case "parquet":
		rows, err := fromParquet(body)
		if err != nil {
			return err
		}
		return want.DiffNDJSON(rows)
	case "xlsx":
		return diffWorkbook(want, body)
	}
	const bom = "\ufeff"
	if bytes.HasPrefix(body, []byte(bom)) != a.BOM {
		return fmt.Errorf("the file begins with %q", body[:min(len(body), 10)])
	}
	delimiter := map[string]byte{"": ',', "comma": ',', "semicolon": ';', "tab": '\t'}[a.Delimiter]
	if a.Decimal == "comma" {
		want = want.DecimalComma()
	}
	return want.DiffCSV(bytes.TrimPrefix(body, []byte(bom)), delimiter)
}

// checkDropIn checks the envelope, follows the link, and compares the rows.
func (b *bed) checkDropIn(a ask, want oracle.Table, status int, body []byte) error {
	if used, err := b.oracle.Usage(a.Query); err != nil || len(used) == 0 {
		return statusError(status, body, http.StatusNotFound)
	}
	if err := statusError(status, body, http.StatusOK); err != nil {
		return err
	}
	var envelope struct {
		Success  bool
		Data     json.RawMessage
		Metadata struct {
			DataType    string
			RecordCount int
		}
	}
	if err := json.Unmarshal(body, &envelope); err != nil || !envelope.Success {
		return fmt.Errorf("%s: %v", body, err)
	}
	dataType := strings.ReplaceAll(a.Type, "-", "_")
	if a.Format == "json" {
		if m := envelope.Metadata; m.DataType != dataType || m.RecordCount != len(want.Rows) {
			return fmt.Errorf("metadata %+v for %d rows", m, len(want.Rows))
		}
		return want.DiffJSON(envelope.Data)
	}
	var file struct {
		FilePath, DownloadURL, DataType string
		RecordCount                     int
	}
	if err := json.Unmarshal(envelope.Data, &file); err != nil {
		return err
	}
	path := a.Type + "-usage/" + strings.ReplaceAll(a.Org, `"`, "_") + "/" + a.Type + "-usage-"
	if file.DataType != dataType || file.RecordCount != len(want.Rows) || !strings.HasPrefix(file.FilePath, path) {
		return fmt.Errorf("%s for %d rows", envelope.Data, len(want.Rows))
	}
	status, csv := b.call("", http.MethodGet, file.DownloadURL, nil)
	if err := statusError(status, csv, http.StatusOK); err != nil {
		return err
	}
	return want.DiffCSV(csv, ',')
}

func statusError(got int, body []byte, want int) error {
	if got != want {
		return fmt.Errorf("status %d instead of %d: %.500s", got, want, body)
	}
	return nil
}
