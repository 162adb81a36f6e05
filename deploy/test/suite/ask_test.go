package suite

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"rollcall/deploy/test/suite/oracle"
)

// An ask is one request for an export: the query, and the format of the answer.
type ask struct {
	oracle.Query
	Format    string   // csv, ndjson, json, parquet, xlsx
	Delimiter string   // comma, semicolon, tab; csv only
	Decimal   string   // point, comma; csv only
	Pick      uint64   // chooses Columns at random; 0: the usual ones
	Columns   []string // in the order wanted
	BOM       bool
	DropIn    bool // through the drop-in surface; then Format is csv or json
}

func (a ask) String() string {
	type plain ask // an ask without this method
	return fmt.Sprintf("%+v", plain(a))
}

// answer requests the export and returns the product's file.
func (b *bed) answer(a ask) (status int, body []byte) {
	b.t.Helper()
	if !a.DropIn {
		return b.call(a.Org, http.MethodGet, "/v1/exports/"+a.Type+"?"+a.parameters().Encode(), nil)
	}
	return b.call(a.Org, http.MethodPost, "/export/"+a.Type+"/"+a.Format, a.body())
}

// call sends a request with the workspace's key.
func (b *bed) call(org, method, path string, body []byte) (int, []byte) {
	b.t.Helper()
	address := b.server.URL + path
	if strings.HasPrefix(path, "http") {
		address = path
	}
	req, err := http.NewRequestWithContext(b.t.Context(), method, address, bytes.NewReader(body))
	b.must(err)
	if org != "" {
		req.Header.Set("Authorization", "Bearer "+b.key(org))
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(req)
	b.must(err)
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	b.must(err)
	if tag := res.Header.Get("ETag"); tag != "" && res.StatusCode == http.StatusOK {
		b.tagged(org+" "+path+" "+tag, answer)
	}
	return res.StatusCode, answer
}

// tagged notes the ETag of a file. In all tests, different data must have different tags.
func (b *bed) tagged(request string, file []byte) {
	b.t.Helper()
	if before, asked := b.files[request]; asked && !bytes.Equal(before, file) {
		b.t.Errorf("seed %d: two files under one tag: %s\n%.2000s\n%.2000s", *seed, request, before, file)
	}
	b.files[request] = file
}

func (a ask) parameters() url.Values {
	v := url.Values{}
	set := func(name, value string) {
		if value != "" {
			v.Set(name, value)
		}
	}
	set("range", a.Range)
	set("from", a.From)
	set("to", a.To)
	set("timezone", a.Zone)
	set("granularity", a.Granularity)
	set("group_by", a.GroupBy)
	set("format", a.Format)
	set("columns", strings.Join(a.Columns, ","))
	set("delimiter", a.Delimiter)
	set("decimal", a.Decimal)
	if a.WeekMonday {
		v.Set("week_start", "monday")
	}
	switch {
	case len(a.Filters) > 0:
	case a.ActiveOnly && a.Granularity == "":
		v.Set("include_inactive", "false")
	case !a.ActiveOnly && a.Granularity != "":
		v.Set("include_inactive", "true")
	}
	for name, values := range a.Filters {
		v[name] = values
	}
	if a.AttributesNow {
		v.Set("attributes", "now")
	}
	if a.BOM {
		v.Set("bom", "true")
	}
	return v
}

func (a ask) body() []byte {
	type end struct {
		Date     string `json:"date"`
		Timezone string `json:"timezone"`
	}
	body, _ := json.Marshal(struct { // texts can always be encoded
		From    end    `json:"from"`
		To      end    `json:"to"`
		GroupBy string `json:"group_by,omitempty"`
	}{end{a.From, a.Zone}, end{a.To, a.ToZone}, a.GroupBy})
	return body
}

// groupings has, for each type, those that every workspace may ask for.
var groupings = map[string][]string{
	"users": {"", "model"}, "assistants": {"", "model", "department", "group"}, "workflows": {""}, "projects": {""},
	"models": {"", "source", "department", "group"}, "api-keys": {"", "model"}, "departments": {""}, "groups": {""},
	"adoption": {""}, "focus": {""},
}

var dataTypes = []string{
	"users", "assistants", "workflows", "projects", "models", "api-keys", "departments", "groups", "adoption", "focus",
}

// newTypes are not on the drop-in surface.
var newTypes = []string{"departments", "groups", "adoption", "focus"}

// filters are those that most types take, and those of workflows.
var (
	filters = []string{
		"user_id", "assistant_id", "project_id", "workflow_id", "model", "api_key_id", "department", "group_id",
	}
	workflowFilters = []string{"user_id", "workflow_id", "department", "group_id"}
)

// filter draws filters, most of them with values that the workspace's usage carries. Ids that the
// workspace shows as pseudonyms are asked for as such.
func (a *ask) filter(r *rand.Rand, o *oracle.Oracle) {
	names := filters
	if a.Type == "workflows" {
		names = workflowFilters
	}
	a.Now = time.Now()
	a.Secret = secret
	a.Filters = map[string][]string{}
	for range 1 + r.IntN(2) {
		name := names[r.IntN(len(names))]
		values := o.Values(a.Query, name)
		for range 1 + r.IntN(3) {
			if len(values) > 0 {
				a.Filters[name] = append(a.Filters[name], values[r.IntN(len(values))])
			}
		}
	}
	a.ActiveOnly = true
}

var zones = []string{
	"", "UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "America/St_Johns",
	"Pacific/Kiritimati", "Pacific/Pago_Pago", "Australia/Lord_Howe", "Africa/Cairo",
}

// period draws a period that a client may ask for: named ranges, dates and, for the drop-in
// surface, moments.
func (a *ask) period(r *rand.Rand, now time.Time) {
	a.Zone = zones[r.IntN(len(zones))]
	zone, _ := time.LoadLocation(a.Zone) // the names of the list exist
	today := now.In(zone)
	later := today.Add(20 * time.Minute) // midnight may pass before the request
	earliest := later.AddDate(-1, 0, 1)  // a day later for 29 February
	if later.Day() <= 28 {
		earliest = later.AddDate(-1, 0, 0)
	}
	date := func(t time.Time) string { return t.Format(time.DateOnly) }
	days := int(today.Sub(earliest) / (24 * time.Hour))
	from := earliest.AddDate(0, 0, r.IntN(days))
	switch r.IntN(8) {
	case 0, 1:
		a.From, a.To = date(from), date(from)
	case 2:
		a.From, a.To = date(earliest), date(today.AddDate(0, 0, r.IntN(300)))
	case 3:
		a.From, a.To = date(today), date(today.AddDate(0, 0, 1))
	case 4:
		a.From, a.To = date(earliest), date(earliest.AddDate(0, 0, r.IntN(3)))
	default:
		a.From, a.To = date(from), date(from.AddDate(0, 0, r.IntN(90)))
	}
	if !a.DropIn {
		if r.IntN(3) == 0 {
			a.From = ""
			a.To = ""
			a.Range = []string{"this_month", "last_month", "this_week", "last_week"}[r.IntN(4)]
		}
		if r.IntN(3) == 0 {
			a.Granularity = []string{"day", "week", "month"}[r.IntN(3)]
		}
		a.WeekMonday = a.hasWeeks() && r.IntN(2) == 0
		return
	}
	if a.Zone == "" {
		a.Zone = "UTC"
	}
	a.ToZone = a.Zone
	if r.IntN(3) > 0 {
		a.From += clock(r, 0)
	}
	if r.IntN(3) > 0 {
		a.To += clock(r, 12)
	}
}

// hasWeeks tells whether it matters on which day weeks start.
func (a ask) hasWeeks() bool { return strings.HasSuffix(a.Range, "week") || a.Granularity == "week" }

// ofUTCDays draws a period without a zone or buckets, which focus does not have, and leaves the
// attributes to the days.
func (a *ask) ofUTCDays(r *rand.Rand, now time.Time) {
	drawn := ask{}
	for drawn.period(r, now); drawn.Zone != ""; drawn.period(r, now) {
		drawn = ask{}
	}
	a.Zone, a.Granularity, a.AttributesNow = "", "", false
	a.Range, a.From, a.To = drawn.Range, drawn.From, drawn.To
	a.WeekMonday = drawn.WeekMonday && a.hasWeeks()
}

// clock returns a time of day in one of the forms of the drop-in surface, at or after an hour.
func clock(r *rand.Rand, hour int) string {
	t := fmt.Sprintf("T%02d:%02d:%02d.%03d", hour+r.IntN(12), r.IntN(60), r.IntN(60), r.IntN(1000))
	return t[:[]int{6, 9, 13}[r.IntN(3)]] + []string{"", "Z"}[r.IntN(2)]
}
