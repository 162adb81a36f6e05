package tables

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"

	"rollcall/schema"
)

// A planning collects the marks and manifests of a span, and finds out which slices are clean. It
// does so by the same rules as states, which does it in SQL for many workspaces: for one workspace,
// the engine takes much longer to analyse that SQL than to read the rows. Marks and manifests may
// be read in any order: see states.
type planning struct {
	span   Span
	args   []any
	slices map[schema.Day]*plannedSlice
	months mergedMonths
}

// A plannedSlice is a slice that has marks or manifests.
type plannedSlice struct {
	alive     bool                 // see Alive
	marks     map[uuid.UUID]uint64 // the sequence number of each writer
	manifests []sliceManifest
}

// A sliceManifest is a row of the table slices.
type sliceManifest struct {
	generation uuid.UUID
	covered    map[uuid.UUID]uint64
	version    big.Int
	rows       []uint64 // in the order of Dailies
}

func newPlanning(span Span, now time.Time) *planning {
	return &planning{
		span: span, slices: map[schema.Day]*plannedSlice{}, months: mergedMonths{},
		args: []any{
			clickhouse.Named("org", span.Org), clickhouse.Named("from", span.From.String()),
			clickhouse.Named("to", span.To.String()), AliveAt(now),
		},
	}
}

const planWhere = "org_id = {org:String} AND day BETWEEN {from:Date} AND {to:Date}"

func (p *planning) questions() []Question {
	all := []Question{p.askMarks(), p.askManifests()}
	if p.span.months() {
		all = append(all, p.askMonths())
	}
	return all
}

func (p *planning) askMarks() Question {
	return Question{
		day: "day", ids: "[writer]", numbers: "[seq, " + Alive + "]", from: "FROM marks FINAL WHERE " + planWhere,
		args: p.args,
		take: func(r answerRow) {
			s := p.slice(r.Day)
			s.marks[r.IDs[0]] = r.Numbers[0]
			s.alive = r.Numbers[1] != 0
		},
	}
}

func (p *planning) askManifests() Question {
	return Question{
		day: "day", ids: "arrayPushFront(mapKeys(covered), generation)",
		numbers: "arrayConcat([" + RowCounts() + "], mapValues(covered))", text: "toString(version)",
		from: fmt.Sprintf("FROM slices FINAL WHERE revision = %d AND dead = 0 AND %s", Revision, planWhere), args: p.args,
		take: func(r answerRow) {
			m := sliceManifest{
				generation: r.IDs[0], covered: map[uuid.UUID]uint64{}, rows: r.Numbers[:len(dailies):len(dailies)],
			}
			m.version.SetString(r.Text, 10)
			for i, writer := range r.IDs[1:] {
				m.covered[writer] = r.Numbers[len(dailies)+i]
			}
			s := p.slice(r.Day)
			s.manifests = append(s.manifests, m)
		},
	}
}

func (p *planning) askMonths() Question {
	return Question{
		day: "day", ids: "[generation]", numbers: "[" + RowCounts() + "]", text: "versions",
		from: "FROM " + monthManifests(planWhere), args: p.args,
		take: func(r answerRow) {
			p.months.add(monthKey{p.span.Org, schema.DayOf(r.Day), r.Text}, r.IDs[0], r.Numbers)
		},
	}
}

func (p *planning) slice(day time.Time) *plannedSlice {
	s := p.slices[schema.DayOf(day)]
	if s == nil {
		s = &plannedSlice{marks: map[uuid.UUID]uint64{}}
		p.slices[schema.DayOf(day)] = s
	}
	return s
}

// rows are the slices that have marks, by day.
func (p *planning) rows() (rows []planRow) {
	for _, day := range slices.Sorted(maps.Keys(p.slices)) {
		s := p.slices[day]
		if len(s.marks) == 0 {
			continue
		}
		row := planRow{Day: day}
		if best := s.best(); best != nil {
			row.Clean = true
			row.Generation = best.generation
			row.Version = best.version
			row.Rows = best.rows
		}
		rows = append(rows, row)
	}
	return rows
}

// best is the covering manifest with the highest version, or nil. Of several with that version, it
// is the one with the highest generation.
func (s *plannedSlice) best() (best *sliceManifest) {
	for i := range s.manifests {
		m := &s.manifests[i]
		if s.alive && s.coveredBy(m) && (best == nil || m.compare(best) > 0) {
			best = m
		}
	}
	return best
}

// coveredBy says whether the manifest covers all marks of the slice.
func (s *plannedSlice) coveredBy(m *sliceManifest) bool {
	for writer, seq := range s.marks {
		if covered, known := m.covered[writer]; !known || covered < seq {
			return false
		}
	}
	return true
}

func (m *sliceManifest) compare(other *sliceManifest) int {
	return cmp.Or(m.version.Cmp(&other.version), bytes.Compare(m.generation[:], other.generation[:]))
}
