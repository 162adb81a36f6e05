// Package traffic makes random events of several workspaces, with everything that can happen to
// events:
//
//   - duplicates on the same and on other partitions, copies that were written differently, and
//     copies with other content;
//   - events that are late, out of order, or at the edges of days, months and the exportable year;
//   - people and things that are unknown, renamed, deleted and described again;
//   - people who change department and groups, several times in a day, described late and ahead;
//   - names that are difficult for CSV, JSON and spreadsheets;
//   - records that are not valid events.
//
// The same seed and time give the same records. The oracle computes what they add up to.
package traffic
