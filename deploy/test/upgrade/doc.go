// Package upgrade shows that a database of every earlier release becomes this one's without loss:
// for each number of migrations there has been, a database with just those and with data in it is
// migrated while an old binary goes on writing and reading, and its exports are those of a database
// that was new from the start.
//
// testdata/data.sql is what the releases wrote, one INSERT a table; testdata/old.sql is what an old
// binary says to the database. Both are of the first release, but for what came after it, and stay
// as they are: add statements for new tables, never change one, for somewhere that release still
// runs.
package upgrade
