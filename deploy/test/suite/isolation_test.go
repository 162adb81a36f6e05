package suite

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"rollcall/deploy/test/suite/oracle"
	"rollcall/deploy/test/suite/traffic"
)

// A workspace's key reaches the workspace's own data and nothing else, whatever is asked for. The
// stranger knows every id of the others: it can name them in requests, and gets nothing.
func TestAKeyReachesNothingOfOthers(t *testing.T) {
	b := newBed(t)
	b.send(traffic.Make(traffic.Config{Seed: *seed, Now: b.now, Events: 400, Topics: topics}))
	b.ingest(nil)
	const stranger = "stranger"
	year := oracle.Query{From: b.now.AddDate(0, -11, 0).Format("2006-01-02"), To: b.now.Format("2006-01-02")}

	for _, dataType := range dataTypes {
		a := ask{Query: year}
		a.Org = stranger
		a.Type = dataType
		if dataType == "workflows" || dataType == "focus" { // which the stranger does not have
			a.Type = "models"
		}
		path := "/v1/exports/" + a.Type + "?" + a.parameters().Encode()
		status, body := b.call(stranger, http.MethodGet, path, nil)
		b.must(statusError(status, body, http.StatusOK))
		rows, err := oracle.ReadCSV(body, ',')
		if err != nil || len(rows) != 1 && dataType != "adoption" {
			t.Errorf("%s: %d rows, %v", dataType, len(rows), err)
		}
		for _, row := range rows[1:] { // adoption has every day, with nothing in it
			if cells := strings.Join(row[2:], " "); cells != stranger+" 0 0 0 0 0 0.0000 0 0" {
				t.Errorf("%s: %q", dataType, row)
			}
		}
		for _, name := range []string{"org", "org_id", "workspace", "Org_ID"} {
			named := path + "&" + name + "=" + url.QueryEscape(traffic.Full)
			if status, body := b.call(stranger, http.MethodGet, named, nil); status != http.StatusBadRequest {
				t.Errorf("%s with %s: status %d: %.200s", dataType, name, status, body)
			}
		}
		a.DropIn = true
		a.Format = "json"
		a.Zone = "UTC"
		a.ToZone = "UTC"
		dropIn := "/export/" + a.Type + "/json"
		if status, body := b.call(stranger, http.MethodPost, dropIn, a.body()); status != http.StatusNotFound {
			t.Errorf("%s by the drop-in surface: status %d: %.200s", dataType, status, body)
		}
		withOrg := strings.Replace(string(a.body()), "{", `{"org_id":"full",`, 1)
		if status, body := b.call(stranger, http.MethodPost, dropIn, []byte(withOrg)); status == http.StatusOK {
			t.Errorf("%s by the drop-in surface with org_id: %.200s", dataType, body)
		}
	}
	b.ownRowsOnly(year)
	b.linksAreBound(year)
}

// ownRowsOnly checks that every row of every workspace's files names that workspace.
func (b *bed) ownRowsOnly(year oracle.Query) {
	b.t.Helper()
	for _, org := range traffic.Orgs() {
		a := ask{Query: year}
		a.Org = org
		cell := oracle.Cell{Text: org}
		for _, got := range b.sheet(a, "users")["org_id"] {
			if got != cell.CSV() {
				b.t.Errorf("%q in a file of %q", got, org)
			}
		}
	}
}

// linksAreBound checks that a download link answers 403 when any part of it is changed.
func (b *bed) linksAreBound(year oracle.Query) {
	b.t.Helper()
	a := ask{Query: year, DropIn: true, Format: "csv"}
	a.Org = traffic.Full
	a.Type = "users"
	a.Zone = "UTC"
	a.ToZone = "UTC"
	status, body := b.answer(a)
	b.must(statusError(status, body, http.StatusOK))
	link := string(body[strings.Index(string(body), `"downloadUrl":"`)+len(`"downloadUrl":"`):])
	link = strings.ReplaceAll(link[:strings.Index(link, `"`)], `\u0026`, "&")
	if status, body := b.call("", http.MethodGet, link, nil); status != http.StatusOK {
		b.t.Fatalf("the link %s: status %d: %s", link, status, body)
	}
	start := strings.Index(link, "/export") + 1
	if start == 0 {
		start = strings.Index(link[len("http://"):], "/") + len("http://") + 1
	}
	for i := start; i < len(link); i++ {
		changed := []byte(link)
		if changed[i]++; changed[i] == '#' || changed[i] == '%' || changed[i] > '~' {
			continue
		}
		status, body := b.call("", http.MethodGet, string(changed), nil)
		if status == http.StatusOK {
			b.t.Errorf("the link answers although byte %d was changed: %s\n%.200s", i, changed, body)
		}
	}
}
