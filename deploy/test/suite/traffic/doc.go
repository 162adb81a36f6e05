// Package traffic makes random events of several workspaces with everything that can happen to them
// on the way: duplicates on the same and on other partitions, copies that were written differently
// and copies that say something else, late, out of order and from the edges of days, months and the
// exportable year, people and things that are unknown, renamed, deleted and described anew, names
// that CSV, JSON and spreadsheets stumble over, and records that are no events at all.
//
// The same seed and moment make the same records. What they amount to, the oracle says.
package traffic
