package rollup

import (
	"context"
	"fmt"
	"math/big"
	"time"

	"github.com/google/uuid"

	"rollcall/schema"
	"rollcall/schema/tables"
)

// readMarks sets the vectors that the attempt will cover.
func (r *Rollup) readMarks(ctx context.Context, b *attempt) error {
	var rows []struct {
		Org    string    `ch:"org_id"`
		Day    time.Time `ch:"day"`
		Writer uuid.UUID `ch:"writer"`
		Seq    uint64    `ch:"seq"`
	}
	if err := r.conn.Select(ctx, &rows, "SELECT org_id, day, writer, seq FROM marks FINAL WHERE "+inBatch, b.args()...); err != nil {
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

// A sliceVersion is the state of one slice's log, and how many rows a recompute reads of it.
type sliceVersion struct {
	version big.Int
	events  uint64
}

// readVersions reads the version of each of the attempt's slices; an empty one has version 0.
func (r *Rollup) readVersions(ctx context.Context, b *attempt) ([]sliceVersion, error) {
	var rows []struct {
		Org     string    `ch:"org_id"`
		Day     time.Time `ch:"day"`
		Version big.Int   `ch:"slice_version"`
		Events  uint64    `ch:"events"`
	}
	query := "SELECT org_id, day, " + tables.SliceVersion + " AS slice_version, count() AS events FROM events FINAL WHERE " + inBatch + " GROUP BY org_id, day"
	if err := r.conn.Select(ctx, &rows, query, b.args()...); err != nil {
		return nil, fmt.Errorf("read the versions of %d slices: %w", len(b.slices), err)
	}
	index, versions := b.index(), make([]sliceVersion, len(b.slices))
	for _, row := range rows {
		versions[index[tables.Slice{Org: row.Org, Day: schema.DayOf(row.Day)}]] = sliceVersion{row.Version, row.Events}
	}
	return versions, nil
}

// writeManifests commits the attempt: one row per slice, in one insert. The numbers of rows are counted in the tables, so that they are what a reader meets.
func (r *Rollup) writeManifests(ctx context.Context, b *attempt) error {
	counts, err := r.countRows(ctx, b)
	if err != nil {
		return err
	}
	insert, err := r.conn.PrepareBatch(ctx, "INSERT INTO slices (org_id, day, generation, revision, covered, version, message_rows, action_rows, token_rows, workflow_rows)")
	if err != nil {
		return fmt.Errorf("write %d manifests: %w", len(b.slices), err)
	}
	defer insert.Close()
	for i, s := range b.slices {
		n := counts[i]
		err := insert.Append(s.Org, s.Day.Time(), b.generations[i], uint32(tables.Revision), b.covered[i], &b.versions[i], n[0], n[1], n[2], n[3])
		if err != nil {
			return fmt.Errorf("write the manifest of %s %s: %w", s.Org, s.Day, err)
		}
	}
	if err := insert.Send(); err != nil {
		return fmt.Errorf("write %d manifests: %w", len(b.slices), err)
	}
	return nil
}

// countRows counts the rows of each of the attempt's generations, per rollup table in the order of Dailies.
func (r *Rollup) countRows(ctx context.Context, b *attempt) ([][4]uint64, error) {
	index, counts := b.index(), make([][4]uint64, len(b.slices))
	for t, d := range tables.Dailies() {
		var rows []struct {
			Org  string    `ch:"org_id"`
			Day  time.Time `ch:"day"`
			Rows uint64    `ch:"rows"`
		}
		query := "SELECT org_id, day, count() AS rows FROM " + d.Table + " WHERE " + inBatch + " AND generation IN {generations:Array(UUID)} GROUP BY org_id, day"
		if err := r.conn.Select(ctx, &rows, query, b.args()...); err != nil {
			return nil, fmt.Errorf("count the rows of %d slices in %s: %w", len(b.slices), d.Table, err)
		}
		for _, row := range rows {
			counts[index[tables.Slice{Org: row.Org, Day: schema.DayOf(row.Day)}]][t] = row.Rows
		}
	}
	return counts, nil
}

func (b *attempt) index() map[tables.Slice]int {
	index := make(map[tables.Slice]int, len(b.slices))
	for i, s := range b.slices {
		index[s] = i
	}
	return index
}
