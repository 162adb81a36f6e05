package rows

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// The sorter gives the result of a plain sort, for rows that are all equal, all different, and in
// between.
func TestSorter(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, n := range []int{0, 1, 2, 3, 1000, 20_000} {
		for _, highs := range []uint64{1, 3, 5000} {
			for _, ids := range []uint64{1, 50, 1 << 62} {
				t.Run(fmt.Sprintf("%d rows, %d slices, %d ids", n, highs, ids), func(t *testing.T) {
					s := &sorter{}
					for range n {
						s.keys = append(s.keys, sortKey{
							high:    random.Uint64N(highs) << 40,
							id:      [2]uint64{random.Uint64N(ids) << 2, random.Uint64N(2)},
							version: random.Uint64N(3) * 2,
						})
					}
					conflicts := 0
					duplicates := 0
					rows := s.sort(func(_ uint32, conflict bool) {
						if conflict {
							conflicts++
						} else {
							duplicates++
						}
					})
					checkSorted(t, s.keys, rows, conflicts, duplicates)
				})
			}
		}
	}
}

func checkSorted(t *testing.T, keys []sortKey, rows []uint32, conflicts, duplicates int) {
	sorted := slices.Clone(keys)
	slices.SortFunc(sorted, func(a, b sortKey) int { return a.compare(&b) })
	var want []sortKey
	wantConflicts := 0
	wantDuplicates := 0
	for i := range sorted {
		switch {
		case i == 0 || !sorted[i].same(&sorted[i-1]):
			want = append(want, sorted[i])
		case sorted[i].version != sorted[i-1].version:
			wantConflicts++
		default:
			wantDuplicates++
		}
	}
	if len(rows) != len(want) || conflicts != wantConflicts || duplicates != wantDuplicates {
		t.Fatalf("%d rows, %d conflicts, %d duplicates; not %d, %d, %d",
			len(rows), conflicts, duplicates, len(want), wantConflicts, wantDuplicates)
	}
	for i, row := range rows {
		if keys[row] != want[i] {
			t.Fatalf("place %d holds %+v, not %+v", i, keys[row], want[i])
		}
	}
}
