package rollup

import "testing"

// The casts are small, so that every interleaving can be visited. For each broken design there is
// one cast that shows its fault.
var (
	a1 = modelEvent{0, 1}
	a2 = modelEvent{0, 3}
	b1 = modelEvent{1, 1}
	b2 = modelEvent{1, 3}

	conflicts = cast{batches: [2][][]modelEvent{{{a1, b1}, {b2}}, {{a2}}}, runs: [2]uint8{1, 1}}
	crashes   = cast{
		batches: [2][][]modelEvent{{{a1, b1}}, {{a2}}}, crashes: [2]bool{true, false}, runs: [2]uint8{1, 1},
	}
	sweeping = cast{batches: [2][][]modelEvent{{{a1}, {b1}}, {}}, runs: [2]uint8{2, 1}, sweeper: true}
	hastily  = cast{batches: [2][][]modelEvent{{{a1, b1}}, {}}, runs: [2]uint8{2, 1}, sweeper: true, hasty: true}
	erasure  = cast{
		batches: [2][][]modelEvent{{{a1}}, {{a2}}}, crashes: [2]bool{true, false}, runs: [2]uint8{1, 0}, eraser: true,
	}
	persons = cast{
		batches: [2][][]modelEvent{{{a1}}, {{a2}}}, crashes: [2]bool{true, false}, runs: [2]uint8{1, 0}, eraser: true,
		others: 3,
	}
	losers = cast{
		batches: [2][][]modelEvent{{{a1}}, {{a2}}}, crashes: [2]bool{true, false}, runs: [2]uint8{1, 0}, eraser: true,
		others: 1,
	}
)

func TestNoInterleavingReadsWrong(t *testing.T) {
	for name, c := range map[string]cast{"conflicting copies": conflicts, "crashes and redelivery": crashes,
		"sweeping": sweeping, "hastily": hastily, "erasure": erasure,
		"erasure of who lost a conflict": persons, "erasure of who won it": losers} {
		states, wrong := run(design{}, c)
		t.Logf("%s: %d states", name, states)
		if wrong != "" {
			t.Errorf("%s: %s", name, wrong)
		}
		if states == modelLimit {
			t.Errorf("%s: more than %d states: not all were visited", name, states)
		}
		if states < 10_000 {
			t.Errorf("%s: only %d states: the cast does nothing", name, states)
		}
	}
}

func TestEachBrokenDesignIsFoundBroken(t *testing.T) {
	for name, broken := range map[string]struct {
		design
		cast
	}{
		"rows keyed by the content's version":          {design{versionIsGeneration: true}, conflicts},
		"marks read after the log":                     {design{marksAfterLog: true}, conflicts},
		"marks cleared by a worker that did not read":  {design{clearsMarks: true}, conflicts},
		"a row count for the slice's version":          {design{countIsVersion: true}, conflicts},
		"rows that replace rows":                       {design{rowsReplaceRows: true}, conflicts},
		"no second version read":                       {design{noSecondVersion: true}, conflicts},
		"the version is first read beside the inserts": {design{versionWhileWriting: true}, conflicts},
		"the version is read again beside the inserts": {design{checksWhileWriting: true}, conflicts},
		"no guard against the sweeper":                 {design{noGuard: true}, sweeping},
		"a manifest counts what is there":              {design{countsWhatIsThere: true}, hastily},
		"a generation without rows is not marked dead": {design{neverHeals: true}, hastily},
		"a read trusts what looks have found":          {design{trustsTheLook: true}, conflicts},
		"ingest marks before the log has the rows":     {design{marksBeforeLog: true}, conflicts},
		"ingest commits before it marks":               {design{commitsBeforeMarks: true}, crashes},
		"ingest reads the erasure list once":           {design{listReadOnce: true}, erasure},
		"ingest drops an erased event without a trace": {design{dropsInSilence: true}, erasure},
		"a tombstone wins against every copy":          {design{tombstonesAboveAll: true}, persons},
	} {
		states, wrong := run(broken.design, broken.cast)
		if wrong == "" {
			t.Errorf("%s: not found broken in %d states", name, states)
			continue
		}
		t.Logf("%s, after %d states: %s", name, states, wrong)
	}
}
