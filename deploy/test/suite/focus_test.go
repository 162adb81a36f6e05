//go:build focus

package suite

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rollcall/deploy/demo/sample"
	"rollcall/deploy/test/suite/oracle"
	"rollcall/deploy/test/suite/traffic"
)

// What the rules say of a provider with these qualities holds for the export, too. The validator
// leaves it out unless it is told to look.
const focusConditions = "SUB_ACCOUNT_SUPPORTED,TAGGING_SUPPORTED,BILLING_BASED_ON_PROVISIONED_RESOURCES_SUPPORTED," +
	"RESOURCE_TYPE_ASSIGNMENT_SUPPORTED"

// The FOCUS validator takes the export's files, and refuses files that the test has broken.
//
// It is stricter than the specification. It wants texts in ASCII, so the file with people's names
// is checked without the rules about resources, as it is by default. It guesses the types of a
// CSV's columns, so it takes ids that are all numbers for numbers. And it does not take a map of
// Parquet for one, so of Parquet this test looks at the other columns.
func TestFocusValidatorAcceptsTheExport(t *testing.T) {
	b := newBed(t)
	sampled := sample.Config{Org: "acme", Name: "Acme GmbH", Users: 8, Days: 40, Seed: *seed, Now: b.now}
	var records []traffic.Record
	for r := range sample.Events(sampled) {
		record := traffic.Record{Topic: topics[0], Key: r.Key, Value: r.Value}
		for _, h := range r.Headers {
			record.Headers = append(record.Headers, traffic.Header(h))
		}
		records = append(records, record)
	}
	at := b.now.UTC().Add(-time.Hour).Format(time.RFC3339)
	plain := func(id, data string) traffic.Record {
		return envelope(id, "usage.token.v1", at, `{"org_id":"plain",`+data)
	}
	b.send(append(records, // costs are whole numbers, and nothing has a name
		envelope("settings", "usage.entity.v1", at, `{"org_id":"plain","kind":"workspace","id":"plain","settings":{"byok":true}}`),
		plain("free", `"api_key_id":"k1","model":"m2","prompt_tokens":3,"completion_tokens":4}`),
		plain("whole", `"user_id":"u3","model":"m2","prompt_tokens":0,"completion_tokens":0,"cost_usd":7}`)))
	b.ingest(nil)

	dir := t.TempDir()
	export := func(org, format string) (file string, content []byte) {
		a := ask{Query: oracle.Query{Org: org, Type: "focus", Range: "last_month"}, Format: format}
		if org == "plain" {
			a.Range = ""
			a.From, a.To = at[:10], at[:10]
		}
		status, content := b.answer(a)
		b.must(statusError(status, content, http.StatusOK))
		return b.fileOf(dir, org+"."+cmp.Or(format, "csv"), content), content
	}
	acme, content := export("acme", "")
	plainCSV, _ := export("plain", "")
	plainParquet, _ := export("plain", "parquet")
	var refused []string
	breaks := []struct{ of, by, rule string }{
		{"BilledCost", "Cost", "CostAndUsage-D-006-M"},
		{`"Usage"`, `"Use"`, "ChargeCategory-C-003-M"},
		{`"USD"`, `"$"`, "BillingCurrency-C-003-M"},
		{`.0,"Tokens"`, `,"Tokens"`, "PricingQuantity-C-001-M"},
		{"T00:00:00Z", " at midnight", "ChargePeriodStart-C-001-M"},
		{`"AI and Machine Learning"`, `"Unknown"`, "ServiceCategory-C-003-M"},
	}
	for _, c := range breaks {
		broken := bytes.ReplaceAll(content, []byte(c.of), []byte(c.by))
		if bytes.Equal(broken, content) {
			t.Fatalf("no %s in the file", c.of)
		}
		refused = append(refused, b.fileOf(dir, c.rule+".csv", broken))
	}

	verdicts := append(b.validate("", append([]string{acme}, refused...)...),
		b.validate(focusConditions, plainCSV, plainParquet)...)
	names := append(append([]string{acme}, refused...), plainCSV, plainParquet)
	for i, v := range verdicts {
		name := filepath.Base(names[i])
		t.Logf("%s: %d rows, %d rules held, other alternatives %v, broken %v", name, v.Rows, v.Held, v.OtherAlternatives,
			v.Broken)
		if v.Focus != "1.2" || v.Rows < 2 || v.Held < 100 {
			t.Errorf("%s: FOCUS %s, %d rows, %d rules held: this test says little", name, v.Focus, v.Rows, v.Held)
		}
		if rule, ok := strings.CutSuffix(name, "-M.csv"); ok {
			if _, found := v.Broken[rule+"-M"]; !found {
				t.Errorf("%s: the validator does not see it: %v", name, v.Broken)
			}
			continue
		}
		if strings.HasSuffix(name, ".parquet") {
			delete(v.Broken, "Tags-C-000-C")
			delete(v.Broken, "Tags-C-001-M")
		}
		// of InvoiceId-C-004 (null) and -005 (not null) one is always broken, and -003 wants one of them
		if len(v.Broken) > 0 || strings.Join(v.OtherAlternatives, " ") != "InvoiceId-C-005-C" {
			t.Errorf("%s: %v, %v", name, v.Broken, v.OtherAlternatives)
		}
	}
}

// fileOf writes a file and returns its path.
func (b *bed) fileOf(dir, name string, content []byte) string {
	b.t.Helper()
	path := filepath.Join(dir, name)
	b.must(os.WriteFile(path, content, 0o600))
	return path
}

// A verdictOfFocus is what the validator says of a file.
type verdictOfFocus struct {
	Focus             string            `json:"focus"` // the version of the rules
	Rows              int               `json:"rows"`
	Held              int               `json:"held"`
	OtherAlternatives []string          `json:"other_alternatives"`
	Broken            map[string]string `json:"broken"` // rule → message
}

func (b *bed) validate(conditions string, files ...string) (all []verdictOfFocus) {
	b.t.Helper()
	args := append([]string{"focus/validate.py", conditions}, files...)
	command := exec.CommandContext(b.t.Context(), "python3", args...)
	command.Env = append(os.Environ(), "PYTHONPATH="+b.focusValidator(), "PYTHONIOENCODING=utf-8")
	var report bytes.Buffer
	command.Stderr = &report
	said, err := command.Output()
	if err != nil {
		b.t.Fatalf("%v\n%s", err, report.Bytes())
	}
	for line := range bytes.Lines(said) {
		var v verdictOfFocus
		b.must(json.Unmarshal(line, &v))
		all = append(all, v)
	}
	if len(all) != len(files) {
		b.t.Fatalf("%d verdicts on %d files\n%s", len(all), len(files), report.Bytes())
	}
	return all
}

// focusValidator returns the folder with the validator and the libraries of focus/requirements.txt.
// pip fetches them once, into a cache outside the repository.
// The folder is there completely or not at all.
func (b *bed) focusValidator() string {
	b.t.Helper()
	const requirements = "focus/requirements.txt"
	pinned, err := os.ReadFile(requirements)
	b.must(err)
	version, err := exec.Command("python3", "--version").Output()
	b.must(err)
	key := sha256.Sum256(append(pinned, version...))
	cache, err := os.UserCacheDir()
	b.must(err)
	to := filepath.Join(cache, "rollcall", "focus", hex.EncodeToString(key[:6]))
	if _, err := os.Stat(to); err == nil {
		return to
	}
	b.must(os.MkdirAll(filepath.Dir(to), 0o755))
	work, err := os.MkdirTemp(filepath.Dir(to), ".fetch-")
	b.must(err)
	defer os.RemoveAll(work)
	pip := exec.CommandContext(b.t.Context(), "python3", "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
		"--only-binary", ":all:", "--no-binary", "focus-validator", "--no-deps", "--ignore-requires-python",
		"--target", work, "-r", requirements)
	if out, err := pip.CombinedOutput(); err != nil {
		b.t.Fatalf("%v\n%s", err, out)
	}
	b.forPython311(work)
	if err := os.Rename(work, to); err != nil && !errors.Is(err, fs.ErrExist) {
		b.t.Fatal(err)
	}
	return to
}

// forPython311 writes the one expression for which the validator needs Python 3.12 in the way of
// Python 3.11, which Debian 12 has. It means the same.
func (b *bed) forPython311(libraries string) {
	b.t.Helper()
	const (
		in312 = `f"'{k.replace('\"', '\"\"')}'" for k in ignore_keys`
		in311 = `"'" + k.replace('"', '""') + "'" for k in ignore_keys`
	)
	file := filepath.Join(libraries, "focus_validator", "config_objects", "focus_to_duckdb_converter.py")
	source, err := os.ReadFile(file)
	b.must(err)
	if bytes.Count(source, []byte(in312)) != 1 {
		b.t.Fatalf("%s is not the one that this test knows", file)
	}
	b.must(os.WriteFile(file, bytes.ReplaceAll(source, []byte(in312), []byte(in311)), 0o644))
}
