// Package upgrade shows that a database of every earlier release becomes one of this release
// without loss. For each number of migrations, it makes a database with just these and with data in
// it. The database is migrated while an old binary continues to write and read. Then its exports
// must be those of a database that was new from the start.
//
// testdata/data.sql has what the releases wrote, one INSERT for each table; testdata/old.sql has
// the statements of an old binary. Both are of the first release, plus what came later. Add
// statements for new tables, and never change one: some installation still runs that release.
package upgrade
