package export

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"rollcall/export/query"
)

// exportParams are the parameters of GET /v1/exports/{type}.
type exportParams struct {
	period          query.PeriodRequest
	groupBy         string
	filters         []query.Filter
	columns         []string // nil: the default ones
	format          query.Format
	withoutInactive bool
	inactive        bool // include_inactive=true
	attributesNow   bool
	delimiter       byte // ',' ';' or tab; csv only
	decimalComma    bool // csv only
	bom             bool // csv only
}

// exportParamNames are all parameters, in the order of the documentation.
var exportParamNames = slices.Concat([]string{
	"range", "from", "to", "timezone", "week_start", "granularity", "format", "group_by", "columns", "include_inactive",
	"attributes",
}, query.FilterNames(), []string{"delimiter", "decimal", "bom", "preset"})

// catalogueParamNames are the parameters of GET /v1/exports.
var catalogueParamNames = []string{"timezone", "week_start"}

// maxQueryBytes leaves room for other headers within what the server reads of a request's head. It
// holds as many values of filters as a request may have, each as long as an id may be.
const maxQueryBytes = 24 << 10

// parseExportParams refuses, with a *query.BadRequest, a parameter that is unknown, repeated, empty
// or wrong, or has no effect. It does not check whether the period exists and whether the type can
// be grouped as asked: that comes later.
func parseExportParams(rawQuery string) (exportParams, error) {
	p := exportParams{format: query.CSV, delimiter: ','}
	values, err := strictQuery(rawQuery, exportParamNames)
	if err != nil {
		return p, err
	}
	p.period = query.PeriodRequest{
		Range: values.Get("range"), From: values.Get("from"), To: values.Get("to"), Timezone: values.Get("timezone"),
		WeekStart: values.Get("week_start"), Granularity: values.Get("granularity"),
	}
	weekly := strings.HasSuffix(p.period.Range, "_week") || p.period.Granularity == string(query.Weekly)
	if values.Has("week_start") && !weekly {
		return p, badParam("week_start",
			"week_start only applies to range=this_week, range=last_week and granularity=week; leave it out.")
	}
	p.groupBy = values.Get("group_by")
	p.filters = filters(values)
	if values.Has("columns") {
		p.columns = strings.Split(values.Get("columns"), ",")
	}
	if p.format, err = query.ParseFormat(values.Get("format")); err != nil {
		return p, err
	}
	if p.format != query.CSV {
		for _, name := range append(csvParamNames, "preset") {
			if values.Has(name) {
				return p, badParam(name, name+" only applies to format=csv; leave it out.")
			}
		}
	}
	if err := applyPreset(values); err != nil {
		return p, err
	}
	return p, p.parseChoices(values)
}

// csvParamNames are the parameters that a preset stands for.
var csvParamNames = []string{"delimiter", "decimal", "bom"}

// applyPreset adds the parameters that a preset stands for.
func applyPreset(values url.Values) error {
	if !values.Has("preset") {
		return nil
	}
	if preset := values.Get("preset"); preset != "excel-de" {
		return badParam("preset", "There is no preset \""+clip(preset)+"\"; the only one is excel-de.")
	}
	for _, name := range csvParamNames {
		if values.Has(name) {
			return badParam(name, "preset=excel-de already says "+name+"; leave out one of the two.")
		}
	}
	values.Set("delimiter", "semicolon")
	values.Set("decimal", "comma")
	values.Set("bom", "true")
	return nil
}

// filters are those of the query, with each value once.
func filters(values url.Values) (all []query.Filter) {
	for _, name := range query.FilterNames() {
		if values.Has(name) {
			list := slices.Clone(values[name])
			slices.Sort(list)
			all = append(all, query.Filter{Name: name, Values: slices.Compact(list)})
		}
	}
	return all
}

func (p *exportParams) parseChoices(values url.Values) error {
	inactive, err := choice(values, "include_inactive", "true", "false")
	if err != nil {
		return err
	}
	if p.filters != nil && values.Get("include_inactive") == "true" {
		return badParam("include_inactive", "include_inactive=true cannot stand beside a filter, which lists what has the "+
			"usage that it names; leave out one of the two.")
	}
	attributes, err := choice(values, "attributes", "period_end", "now")
	if err != nil {
		return err
	}
	delimiter, err := choice(values, "delimiter", "comma", "semicolon", "tab")
	if err != nil {
		return err
	}
	decimal, err := choice(values, "decimal", "point", "comma")
	if err != nil {
		return err
	}
	bom, err := choice(values, "bom", "false", "true")
	if err != nil {
		return err
	}
	// a row for everybody on each day is a file that nobody expects, so it must be asked for
	usual := p.period.Granularity == "" && p.filters == nil
	p.withoutInactive = inactive == "false" || !usual && !values.Has("include_inactive")
	p.inactive = values.Get("include_inactive") == "true"
	p.attributesNow = attributes == "now"
	p.delimiter = map[string]byte{"comma": ',', "semicolon": ';', "tab": '\t'}[delimiter]
	p.decimalComma = decimal == "comma"
	p.bom = bom == "true"
	return nil
}

// catalogueParams are the parameters of GET /v1/exports.
type catalogueParams struct{ timezone, weekStart string }

func parseCatalogueParams(rawQuery string) (catalogueParams, error) {
	values, err := strictQuery(rawQuery, catalogueParamNames)
	return catalogueParams{values.Get("timezone"), values.Get("week_start")}, err
}

// strictQuery parses the query. It accepts each known name at most once, and only with a value. But
// a filter may be given several times, and what a user belongs to may be nothing.
func strictQuery(rawQuery string, known []string) (url.Values, error) {
	if len(rawQuery) > maxQueryBytes {
		return nil, badParam("", "The query is too long; it may have at most 24 KiB; ask for fewer values at a time.")
	}
	values, err := url.ParseQuery(rawQuery)
	if err != nil {
		return nil, badParam("", "The query cannot be read; separate parameters with & and percent-encode their values.")
	}
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		switch list := values[name]; {
		case !slices.Contains(known, name):
			return nil, badParam(clip(name),
				"There is no parameter \""+clip(name)+"\"; the parameters are "+strings.Join(known, ", ")+".")
		case slices.Contains(query.FilterNames(), name):
			if slices.Contains(list, "") && name != "department" && name != "group_id" {
				return nil, badParam(name, name+" is empty; give it a value or leave it out.")
			}
		case len(list) > 1:
			return nil, badParam(name, name+" is given more than once; give it once.")
		case list[0] == "":
			return nil, badParam(name, name+" is empty; give it a value or leave it out.")
		}
	}
	return values, nil
}

// choice returns the parameter's value, which must be one of the options. The first option is the
// default.
func choice(values url.Values, name string, options ...string) (string, error) {
	value := values.Get(name)
	if value == "" {
		return options[0], nil
	}
	if slices.Contains(options, value) {
		return value, nil
	}
	return "", badParam(name, name+" must be "+strings.Join(options[:len(options)-1], ", ")+" or "+options[len(options)-1]+
		", not \""+clip(value)+"\".")
}

func badParam(param, message string) error { return &query.BadRequest{Param: param, Message: message} }

// clip shortens a text that a client sent, to show it in a message.
func clip(s string) string {
	s = strings.ToValidUTF8(s, "�")
	if r := []rune(s); len(r) > 64 {
		return string(r[:64]) + "…"
	}
	return s
}

// checkFocus refuses what has no effect on an export of UTC days that lists usage alone. The query
// refuses the rest.
func (p exportParams) checkFocus() error {
	switch {
	case p.period.Timezone != "":
		return badParam("timezone", "The export focus is of UTC days, so it takes no timezone; leave it out.")
	case p.inactive:
		return badParam("include_inactive", "The export focus lists usage alone; leave include_inactive=true out.")
	}
	return nil
}

// job returns the export that the parameters ask for, as of now.
func (p exportParams) job(t query.Type, org string, now time.Time) (job, error) {
	if t == query.Focus {
		if err := p.checkFocus(); err != nil {
			return job{}, err
		}
	}
	period, err := query.ParsePeriod(p.period.Of(t), now)
	if err != nil {
		return job{}, err
	}
	return job{
		request: query.Request{
			Org: org, Type: t, GroupBy: p.groupBy, Filters: p.filters, Names: p.columns, Period: period, AsOf: now,
			AttributesNow: p.attributesNow, WithoutInactive: p.withoutInactive, Format: p.format, Delimiter: p.delimiter,
			DecimalComma: p.decimalComma,
		},
		bom: p.bom,
	}, nil
}
