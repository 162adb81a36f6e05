package query

import (
	"strings"
	"time"

	"rollcall/schema"
	"rollcall/schema/tables"
)

// A Request describes one export completely: two equal requests on equal data have equal answers.
type Request struct {
	Org      string
	Type     Type
	GroupBy  string          // "" or one of Type.GroupBys
	Settings schema.Settings // the workspace's settings at the moment of the export
	Period   Period
	AsOf     time.Time // the moment of the export

	Filters []Filter // by name, each once; usage counts that meets all of them

	Names []string // of the columns, in the order wanted; "default" stands for the usual ones; nil: these

	AttributesNow   bool // attributes as of AsOf; else as of the period's end, or AsOf if that is earlier
	WithoutInactive bool // leaves out known entities without usage in the period or, if it has buckets, in the bucket

	PseudonymKey [32]byte // HMAC-SHA-256 of the org under the service's secret; only used with Settings.Pseudonymize

	Format       Format // "" is csv
	Delimiter    byte   // csv only: ',' (also 0), ';' or '\t'
	DecimalComma bool   // csv only: numbers with a fraction have a comma; not with the delimiter ','
	Limit        int    // only so many of the first rows; 0: all

	// SpillBytes is how much memory one aggregation or sort may take before the engine continues on
	// disk. 0: the engine's own setting.
	SpillBytes uint64

	// The answer's tag is made of the version of the log and the state of the entities. The
	// statement fails if the log no longer has the version that the plan saw, unless AnyVersion is
	// set, or if the entities no longer have the state Entities, if it is set. Without a tag, the
	// answer only has to be exact.
	AnyVersion bool
	Entities   *tables.EntityState
}

// check refuses a request for which no statement can be built.
func (r Request) check() error {
	if _, err := ParseType(string(r.Type)); err != nil {
		return err
	}
	if r.Type == Workflows && !r.Settings.Workflows {
		return ErrWorkflowsOff
	}
	if err := r.checkFocus(); err != nil {
		return err
	}
	switch r.Delimiter {
	case 0, ',', ';', '\t':
	default:
		return bad("delimiter", "The delimiter must be comma, semicolon or tab.")
	}
	if r.DecimalComma && (r.Delimiter == 0 || r.Delimiter == ',') {
		return bad("decimal", "decimal=comma needs another delimiter than the comma; add delimiter=semicolon or delimiter=tab.")
	}
	if _, err := ParseFormat(string(r.Format)); err != nil {
		return err
	}
	if err := r.checkFilters(); err != nil {
		return err
	}
	return r.checkGroupBy()
}

// Span is what to plan for.
func (r Request) Span() tables.Span {
	span := r.usagePeriod().Span(r.Org)
	if r.belongs() || r.tellsDays() { // people move within months, and days are told apart
		return span.WithoutMonths()
	}
	return span
}

func (r Request) checkGroupBy() error {
	if r.GroupBy == "" {
		return nil
	}
	for _, g := range r.Type.GroupBys() {
		if g != r.GroupBy {
			continue
		}
		if g == "deployment" && !r.Settings.BYOK {
			return bad("group_by", "group_by=deployment takes a workspace that brings its own keys (byok); this one does not.")
		}
		return nil
	}
	switch groups := r.Type.GroupBys(); len(groups) {
	case 0:
		return bad("group_by", "The export %s cannot be grouped; leave group_by out.", r.Type)
	case 1:
		return bad("group_by", "The export %s cannot be grouped by %q; only group_by=%s is possible.",
			r.Type, clip(r.GroupBy), groups[0])
	default:
		return bad("group_by", "The export %s cannot be grouped by %q; choose one of %s.", r.Type, clip(r.GroupBy),
			strings.Join(groups, ", "))
	}
}

// named says whether columns about single persons are shown (SPEC.md §2.4).
func (r Request) named() bool { return r.Settings.UserLevelData && !r.Settings.Pseudonymize }

// attributesAt is the last millisecond whose attributes count: the last of the period, or the
// moment of the export if that is earlier or the request wants it.
func (r Request) attributesAt() schema.Millis {
	now := schema.Millis(r.AsOf.UnixMilli())
	if r.AttributesNow {
		return now
	}
	return min(r.Period.To-1, now)
}
