package tables_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"rollcall/deploy/demo/embedded/enginetest"
	"rollcall/schema"
	"rollcall/schema/tables"
)

// fillYear marks the slices of a year to today, and commits an empty generation for each day before
// the last ones (live).
func (db *database) fillYear(org string, live int) (from schema.Day) {
	db.Helper()
	const days = 366
	from = db.today - days + 1
	db.exec(fmt.Sprintf(`INSERT INTO marks (org_id, day, writer, seq)
		SELECT {org:String}, toDate('%s') + number, toUUID('00000000-0000-4000-8000-000000000000'), 1 FROM numbers(%d)`, from, days),
		named("org", org))
	db.exec(fmt.Sprintf(`INSERT INTO slices (org_id, day, generation, revision, covered, version)
		SELECT {org:String}, toDate('%s') + number, generateUUIDv7(), %d, map(toUUID('00000000-0000-4000-8000-000000000000'), 1), 0 FROM numbers(%d)`,
		from, tables.Revision, days-live), named("org", org))
	return from
}

// A year is planned and read day by day, from the rollups or from the log. The engine of the tests
// refuses request lines of more than 8 KiB.
func TestAYearFitsIntoItsRequestLines(t *testing.T) {
	for name, live := range map[string]int{"rolled up": 2, "from the log": 366, "half of each": 183} {
		t.Run(name, func(t *testing.T) {
			db := newDatabase(t)
			org := strings.Repeat(`\`, 256) // in a parameter, each of them is two
			from := db.fillYear(org, live)
			db.events(org, db.today-1, 1, 5, 2)
			db.events(org, from+200, 1, 5, 2)
			span := tables.Span{Org: org, From: from, To: db.today}
			for what, span := range map[string]tables.Span{"a plan": span, "a plan that counts": span.Counting()} {
				p, err := tables.ReadPlan(db.ctx, db, span, time.Now())
				if err != nil {
					t.Fatal(err)
				}
				if len(p.Live) < live || len(p.Live)+len(p.Generations) != 366 {
					t.Fatalf("%s: %d days from the log and %d rolled up", what, len(p.Live), len(p.Generations))
				}
				want := uint64(5)
				if live > 165 {
					want = 10
				}
				if n, err := db.follow(p, tables.Messages.Guard()+" = 0"); err != nil || n != want {
					t.Errorf("%s: %d messages, want %d: %v", what, n, want, err)
				}
			}
		})
	}
}

// Values arrive byte for byte, and as they arrive in the URL of a client that sends them there.
func TestValuesArriveAsTheyAre(t *testing.T) {
	o := enginetest.Database(t)
	conn, err := tables.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	u, err := url.Parse(o.URL)
	if err != nil {
		t.Fatal(err)
	}
	inURL, err := clickhouse.Open(&clickhouse.Options{
		Protocol: clickhouse.HTTP, Addr: []string{u.Host}, Auth: clickhouse.Auth{Username: "default"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer inURL.Close()
	var every strings.Builder
	for b := range 256 {
		every.WriteByte(byte(b))
	}
	for name, text := range map[string]string{
		"none": "", "every byte": every.String(), "a quote": "it's", "backslashes": `\\\`, "escapes": `\t\n\0\N`, "tabs": "\t\t",
		"NUL": "\x00", "line ends": "\r\n\r\na\r\n", "half a line end": "a\r", "no ASCII": strings.Repeat("ä", 128),
		"no UTF-8": "\xff\xfe", "a form's end": "--\r\n--x--\r\n", "encoded": "%00+&=;%", "a parameter": "{a:String}",
	} {
		t.Run(name, func(t *testing.T) {
			ctx := clickhouse.Context(t.Context(), clickhouse.WithParameters(clickhouse.Parameters{
				"a": tables.EscapeParam(text), "b": "['" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(text) + "']",
			}))
			const statement = "SELECT hex({a:String}), hex({b:Array(String)}[1])"
			for what, ask := range map[string]func() (a, b string, err error){
				"in a form, as arguments": func() (a, b string, err error) {
					err = conn.QueryRow(t.Context(), statement, named("a", text), named("b", []string{text})).Scan(&a, &b)
					return a, b, err
				},
				"in a form": func() (a, b string, err error) {
					err = conn.QueryRow(ctx, statement).Scan(&a, &b)
					return a, b, err
				},
				"in the URL": func() (a, b string, err error) {
					err = inURL.QueryRow(ctx, statement).Scan(&a, &b)
					return a, b, err
				},
			} {
				a, b, err := ask()
				if want := strings.ToUpper(hex.EncodeToString([]byte(text))); err != nil || a != want || b != want {
					t.Errorf("%s: %s and %s, want %s: %v", what, a, b, want, err)
				}
			}
		})
	}
}

// A value may have 128 KiB. The engine refuses longer ones, as a server does.
func TestTheLongestValue(t *testing.T) {
	conn, err := tables.Open(enginetest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	length := func(n int) (got uint64, err error) {
		err = conn.QueryRow(t.Context(), "SELECT length({a:String})", named("a", strings.Repeat("ä", n/2))).Scan(&got)
		return got, err
	}
	if n, err := length(128 << 10); err != nil || n != 128<<10 {
		t.Errorf("%d bytes: %v", n, err)
	}
	if _, err := length(128<<10 + 2); err == nil || !strings.Contains(err.Error(), "Field value too long") {
		t.Errorf("longer: %v", err)
	}
}

// Each kind of statement passes a proxy that answers with a redirect.
func TestParametersPassARedirect(t *testing.T) {
	o := enginetest.Database(t)
	engine, err := url.Parse(o.URL)
	if err != nil {
		t.Fatal(err)
	}
	target := "http://" + engine.Host
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, target+r.URL.RequestURI(), http.StatusTemporaryRedirect)
	}))
	defer server.Close()
	o.URL = server.URL + engine.Path
	conn, err := tables.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var n uint8
	if err := conn.QueryRow(t.Context(), "SELECT {a:UInt8}", named("a", 7)).Scan(&n); err != nil || n != 7 {
		t.Errorf("%d, %v", n, err)
	}
}

// A server whose forms lose settings is refused: it is older than one of the settings that every
// statement has (see forms).
func TestServersThatLoseSettingsAreRefused(t *testing.T) {
	db := newDatabase(t)
	since := map[string]string{}
	for name := range tables.Settings() {
		var version string
		err := db.QueryRow(context.Background(),
			"SELECT max(if(c.reason LIKE 'New setting%', version, '')) FROM (SELECT version, arrayJoin(changes) AS c FROM system.settings_changes) WHERE c.name = {name:String}",
			named("name", name)).Scan(&version)
		if err != nil {
			t.Fatal(err)
		}
		since[name] = version
	}
	newer := 0
	for _, version := range since {
		var major, minor int
		if _, err := fmt.Sscanf(version, "%d.%d", &major, &minor); err == nil && (major > 25 || major == 25 && minor > 9) {
			newer++
		}
	}
	if newer == 0 {
		t.Errorf("no setting is newer than 25.9: %v", since)
	}
}
