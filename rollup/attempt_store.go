package rollup

import (
	"context"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

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
	if err := r.conn.Select(ctx, &rows, "SELECT org_id, day, writer, seq FROM marks FINAL WHERE "+b.where(),
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

// logOf is the query for the versions of the slices that meet where. A slice without events has no
// row.
func logOf(where string) string {
	return fmt.Sprintf(`SELECT org_id, day, 0 AS source, %s AS slice_version, count() AS rows, %s AS events
FROM events FINAL WHERE %s GROUP BY org_id, day`, tables.SliceVersion, counted(), where)
}

// A stateRow is what one table has of a slice.
type stateRow struct {
	Org     string    `ch:"org_id"`
	Day     time.Time `ch:"day"`
	Source  uint8     `ch:"source"` // 0: the log; t+1: the rollup table at t of Dailies
	Version big.Int   `ch:"slice_version"`
	Rows    uint64    `ch:"rows"`
	Events  []uint64  `ch:"events"` // of the log: per rollup table, without tombstones
}

func (s stateRow) slice() tables.Slice { return tables.Slice{Org: s.Org, Day: schema.DayOf(s.Day)} }

func (s stateRow) ofLog() sliceVersion {
	return sliceVersion{s.Version, s.Rows, tables.PerDaily(s.Events)}
}

// readVersions reads the version of each of the attempt's slices. A slice without events has
// version 0.
func (r *Rollup) readVersions(ctx context.Context, b *attempt) ([]sliceVersion, error) {
	var rows []stateRow
	if err := r.conn.Select(ctx, &rows, logOf(b.where()), b.args()...); err != nil {
		return nil, fmt.Errorf("read the versions of %d slices: %w", len(b.slices), err)
	}
	index := b.index()
	versions := make([]sliceVersion, len(b.slices))
	for _, row := range rows {
		versions[index[row.slice()]] = row.ofLog()
	}
	return versions, nil
}

// check reads the version of each of the attempt's slices again, and how many rows and events its
// generation has in the rollup tables.
func (r *Rollup) check(ctx context.Context, b *attempt) error {
	where := b.where()
	queries := []string{logOf(where)}
	for t, d := range tables.Dailies() {
		queries = append(queries, fmt.Sprintf(`SELECT org_id, day, %d, toUInt256(0), count(), [sum(%s)]
FROM %s WHERE %s AND generation IN {generations:Array(UUID)} GROUP BY org_id, day`, t+1, d.Counts(), d.Table, where))
	}
	var rows []stateRow
	if err := r.conn.Select(ctx, &rows, strings.Join(queries, "\nUNION ALL\n"), b.args()...); err != nil {
		return fmt.Errorf("read the versions of %d slices again, and count their rows: %w", len(b.slices), err)
	}
	index := b.index()
	b.after = make([]sliceVersion, len(b.slices))
	b.written = make([]written, len(b.slices))
	for _, row := range rows {
		i := index[row.slice()]
		if row.Source == 0 {
			b.after[i] = row.ofLog()
			continue
		}
		b.written[i].rows[row.Source-1] = row.Rows
		b.written[i].events[row.Source-1] = row.Events[0]
	}
	return nil
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

// writeRows writes the rows of the attempt's generations into all rollup tables at once.
func (r *Rollup) writeRows(ctx context.Context, b *attempt) error {
	inserts, ctx := errgroup.WithContext(ctx)
	where := b.where()
	for _, d := range tables.Dailies() {
		inserts.Go(func() error {
			if err := r.conn.Exec(ctx, d.Insert(where), b.args()...); err != nil {
				return fmt.Errorf("write %s of %d slices: %w", d.Table, len(b.slices), err)
			}
			return nil
		})
	}
	return inserts.Wait()
}

func (b *attempt) index() map[tables.Slice]int {
	index := make(map[tables.Slice]int, len(b.slices))
	for i, s := range b.slices {
		index[s] = i
	}
	return index
}
