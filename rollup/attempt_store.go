package rollup

import (
	"context"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/google/uuid"

	"rollcall/schema"
	"rollcall/schema/tables"
)

// readMarks reads the vectors of marks that the attempt will cover.
func (r *Rollup) readMarks(ctx context.Context, b *attempt) error {
	var rows []struct {
		Org    string    `ch:"org_id"`
		Day    time.Time `ch:"day"`
		Writer uuid.UUID `ch:"writer"`
		Seq    uint64    `ch:"seq"`
	}
	if err := r.conn.Select(ctx, &rows, "SELECT org_id, day, writer, seq FROM marks FINAL WHERE "+inBatch,
		b.args()...); err != nil {
		return fmt.Errorf("read the marks of %d slices: %w", len(b.slices), err)
	}
	index := b.index()
	b.covered = make([]map[uuid.UUID]uint64, len(b.slices))
	for i := range b.covered {
		b.covered[i] = map[uuid.UUID]uint64{}
	}
	for _, row := range rows {
		b.covered[index[tables.Slice{Org: row.Org, Day: schema.DayOf(row.Day)}]][row.Writer] = row.Seq
	}
	return nil
}

// A sliceVersion is the state of one slice's log.
type sliceVersion struct {
	version big.Int
	events  uint64          // rows that a recompute reads, with tombstones
	counted tables.PerDaily // events without tombstones, per rollup table that is made of them
}

// readVersions reads the version of each of the attempt's slices. A slice without events has
// version 0.
func (r *Rollup) readVersions(ctx context.Context, b *attempt) ([]sliceVersion, error) {
	var rows []struct {
		Org     string    `ch:"org_id"`
		Day     time.Time `ch:"day"`
		Version big.Int   `ch:"slice_version"`
		Events  uint64    `ch:"events"`
		Counted []uint64  `ch:"counted"`
	}
	query := fmt.Sprintf("SELECT org_id, day, %s AS slice_version, count() AS events, %s AS counted FROM events FINAL WHERE %s GROUP BY org_id, day",
		tables.SliceVersion, counted(), inBatch)
	if err := r.conn.Select(ctx, &rows, query, b.args()...); err != nil {
		return nil, fmt.Errorf("read the versions of %d slices: %w", len(b.slices), err)
	}
	index := b.index()
	versions := make([]sliceVersion, len(b.slices))
	for _, row := range rows {
		versions[index[tables.Slice{Org: row.Org, Day: schema.DayOf(row.Day)}]] = sliceVersion{
			row.Version, row.Events, tables.PerDaily(row.Counted),
		}
	}
	return versions, nil
}

// counted is the SQL expression for sliceVersion.counted.
func counted() string {
	var counts []string
	for _, d := range tables.Dailies() {
		counts = append(counts, fmt.Sprintf("countIf(type = '%s' AND bitAnd(version, 1) = 0)", d.Type))
	}
	return "[" + strings.Join(counts, ", ") + "]"
}

// insertManifests takes one row per slice: these columns, then the row count of each rollup table.
var insertManifests = "INSERT INTO slices (org_id, day, generation, revision, covered, version, " + tables.RowCounts() +
	")"

// writeManifests commits the attempt: one row per slice, in one insert.
func (r *Rollup) writeManifests(ctx context.Context, b *attempt) error {
	insert, err := r.conn.PrepareBatch(ctx, insertManifests)
	if err != nil {
		return fmt.Errorf("write %d manifests: %w", len(b.slices), err)
	}
	defer insert.Close()
	for i, s := range b.slices {
		row := []any{s.Org, s.Day.Time(), b.generations[i], uint32(tables.Revision), b.covered[i], &b.after[i].version}
		if err := insert.Append(appendEach(row, b.written[i].rows)...); err != nil {
			return fmt.Errorf("write the manifest of %s %s: %w", s.Org, s.Day, err)
		}
	}
	if err := insert.Send(); err != nil {
		return fmt.Errorf("write %d manifests: %w", len(b.slices), err)
	}
	return nil
}

// appendEach appends one column per rollup table to a row.
func appendEach(row []any, counts tables.PerDaily) []any {
	for _, n := range counts {
		row = append(row, n)
	}
	return row
}

// countRows reads how many rows and events each of the attempt's generations has in the rollup
// tables.
func (r *Rollup) countRows(ctx context.Context, b *attempt) error {
	if len(b.slices) == 0 {
		return nil
	}
	index := b.index()
	b.written = make([]written, len(b.slices))
	for t, d := range tables.Dailies() {
		var rows []struct {
			Org    string    `ch:"org_id"`
			Day    time.Time `ch:"day"`
			Rows   uint64    `ch:"rows"`
			Events uint64    `ch:"events"`
		}
		query := fmt.Sprintf("SELECT org_id, day, count() AS rows, sum(%s) AS events FROM %s WHERE %s AND generation IN {generations:Array(UUID)} GROUP BY org_id, day",
			d.Counts(), d.Table, inBatch)
		if err := r.conn.Select(ctx, &rows, query, b.args()...); err != nil {
			return fmt.Errorf("count the rows of %d slices in %s: %w", len(b.slices), d.Table, err)
		}
		for _, row := range rows {
			w := &b.written[index[tables.Slice{Org: row.Org, Day: schema.DayOf(row.Day)}]]
			w.rows[t] = row.Rows
			w.events[t] = row.Events
		}
	}
	return nil
}

func (b *attempt) index() map[tables.Slice]int {
	index := make(map[tables.Slice]int, len(b.slices))
	for i, s := range b.slices {
		index[s] = i
	}
	return index
}
