package tables

import (
	"fmt"
	"strings"
	"time"

	"rollcall/schema"
)

// A Slice is one org and UTC day: the unit that is marked, recomputed and read.
type Slice struct {
	Org string
	Day schema.Day
}

// expiryMargin is taken off the rollups' TTL, so that no plan stands on rows that go while it is followed, nor on clocks that agree.
const expiryMargin = time.Hour

// states is a table expression with the state of each slice that has marks and meets where (over org_id and day); it takes the parameter {alive_at:DateTime}.
//
// A manifest covers a mark if it names the mark's writer with the mark's seq or a higher one. Marks and manifests may be read at two moments: a manifest that
// covers the marks of an earlier or later moment speaks of a log that had their rows, and a manifest that is missed only costs a live read. The TTL is the one
// of 0003_rollups.sql; where it is over, which on 29 February is so for a day that can be exported, the log still has the slice.
func states(where string) string {
	return fmt.Sprintf(`(
	WITH m.alive AND arrayAll((w, q) -> mapContains(s.covered, w) AND s.covered[w] >= q, m.writers, m.seqs) AS covers
	SELECT m.org_id AS org_id, m.day AS day, any(m.newest) AS newest_mark, any(m.oldest) AS oldest_mark,
		countIf(covers) > 0 AS clean,
		argMaxIf((s.generation, s.version, %s), (s.version, s.generation), covers) AS best
	FROM (
		SELECT org_id, day, groupArray(writer) AS writers, groupArray(seq) AS seqs, max(marked_at) AS newest, min(marked_at) AS oldest,
			toDateTime(day, 'UTC') + INTERVAL 12 MONTH + INTERVAL 1 DAY > {alive_at:DateTime('UTC')} AS alive
		FROM marks FINAL WHERE %s GROUP BY org_id, day
	) AS m
	LEFT JOIN (SELECT * FROM slices FINAL WHERE revision = %d AND dead = 0 AND (%s)) AS s ON s.org_id = m.org_id AND s.day = m.day
	GROUP BY m.org_id, m.day)`, "s."+strings.Join(rowCounts(), ", s."), where, Revision, where)
}

// rowCounts are the manifest's columns with the number of rows per rollup table, in the order of Dailies.
func rowCounts() (columns []string) {
	for _, d := range Dailies() {
		columns = append(columns, d.RowCount)
	}
	return columns
}
