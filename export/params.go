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
	columns         []string // nil: the default ones
	format          query.Format
	withoutInactive bool
	attributesNow   bool
	delimiter       byte // ',' ';' or tab; csv only
	decimalComma    bool // csv only
	bom             bool // csv only
}

// exportParamNames are all parameters, in the order of the documentation.
var exportParamNames = []string{
	"range", "from", "to", "timezone", "week_start", "granularity", "format", "group_by", "columns", "include_inactive",
	"attributes", "delimiter", "decimal", "bom", "preset",
}

// catalogueParamNames are the parameters of GET /v1/exports.
var catalogueParamNames = []string{"timezone", "week_start"}

const maxQueryBytes = 4096

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

func (p *exportParams) parseChoices(values url.Values) error {
	inactive, err := choice(values, "include_inactive", "true", "false")
	if err != nil {
		return err
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
	p.withoutInactive = inactive == "false" || p.period.Granularity != "" && !values.Has("include_inactive")
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

// strictQuery parses the query. It accepts each known name at most once, and only with a value.
func strictQuery(rawQuery string, known []string) (url.Values, error) {
	if len(rawQuery) > maxQueryBytes {
		return nil, badParam("", "The query is too long; no request needs more than 4 KiB.")
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

// job returns the export that the parameters ask for, as of now.
func (p exportParams) job(t query.Type, org string, now time.Time) (job, error) {
	period, err := query.ParsePeriod(p.period, now)
	if err != nil {
		return job{}, err
	}
	return job{
		request: query.Request{
			Org: org, Type: t, GroupBy: p.groupBy, Names: p.columns, Period: period, AsOf: now,
			AttributesNow: p.attributesNow, WithoutInactive: p.withoutInactive, Format: p.format, Delimiter: p.delimiter,
			DecimalComma: p.decimalComma,
		},
		bom: p.bom,
	}, nil
}
