package rollup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"

	"rollcall/schema"
	"rollcall/schema/tables"
)

// Forget erases one person of one org: their events, their descriptions, the rejects that name
// them, and their mentions as an owner. When it returns nil, only schema.PersonHash of the person
// is left, and in the log the key of each erased event: a hash that says nothing about the person.
// Exports lose the person's rows, and their part in sums, at the latest when the days are marked.
// Nothing else in exports changes.
//
// It may be killed at any step and run again: each step looks for what is left. It may run beside
// ingest, workers and exports: an export that meets the deletion fails by its guard and plans
// again. It erases the events from before the call (this host's clock against the events' own
// times) and the events already stored, whatever their time. What the person does later belongs to
// them again.
func (r *Rollup) Forget(ctx context.Context, secret []byte, org, user string, progress func(done, total int)) error {
	if len(secret) == 0 || org == "" || user == "" {
		return errors.New("to forget a person takes the service's secret, an org and a user id")
	}
	p := &person{Rollup: r, org: org, user: user, hash: schema.PersonHash(secret, org, user)}
	steps := []struct {
		name string
		do   func(context.Context) error
	}{
		// from here on ingest drops the person's events, also those that it holds in memory
		{"list the person as erased", p.list},
		{"find the person's days", p.findSlices},
		// from here on the log is without the person, and a replayed event loses to its tombstone
		{"write tombstones", p.bury},
		// from here on no older generation is read
		{"mark the days", p.mark},
		// for speed only: otherwise the days would be read from the log
		{"recompute the days", p.recompute},
		{"mark generations dead", p.retire},
		{"delete rows", p.delete},
		{"look whether all is gone", p.check},
		{"note that the erasure is done", p.noteDone},
	}
	for i, step := range steps {
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("forget a person of %s: %s: %w", org, step.name, err)
		}
		if progress != nil {
			progress(i+1, len(steps))
		}
	}
	return nil
}

// A person is one erasure under way.
type person struct {
	*Rollup
	org, user string
	hash      [32]byte
	erasedAt  time.Time // events with an earlier time are erased
	// refusedBefore is the same for rejects. Hosts of ingest set a reject's time, by their own
	// clocks, so refusedBefore is also later than the time of every reject that is stored.
	refusedBefore time.Time
	slices        []tables.Slice
	old           []string // generations that name the person; the marks to come are not covered by them
}

func (p *person) exec(ctx context.Context, query string) error {
	return p.conn.Exec(ctx, query, p.args()...)
}

func (p *person) args() []any {
	args := []any{
		clickhouse.Named("org", p.org),
		clickhouse.Named("user", p.user),
		clickhouse.Named("hash", fmt.Sprintf("%x", p.hash)),
		clickhouse.Named("erased_at", fmt.Sprint(p.erasedAt.UnixMilli())),
		clickhouse.Named("refused_before", fmt.Sprint(p.refusedBefore.UnixMilli())),
	}
	lists := 0
	for part := range slices.Chunk(p.old, chunk) {
		args = append(args, clickhouse.Named(oldList(lists), part))
		lists++
	}
	return args
}

// oldRows is the condition for the rows of the old generations. They are in several lists, because
// one parameter has no room for all generations of a year of which every day was rebuilt often.
func (p *person) oldRows() string {
	condition := "0"
	for i := range (len(p.old) + chunk - 1) / chunk {
		condition += fmt.Sprintf(" OR generation IN {%s:Array(UUID)}", oldList(i))
	}
	return "(" + condition + ")"
}

func oldList(i int) string { return fmt.Sprintf("old_%d", i) }

const (
	// A reject names a person if what could be read of it does, if its value has the id as a quoted
	// text, if its key is the id, or if a header has the id as a word. The record must be of the
	// org, or of an org that could not be read.
	naming = `org_id IN ({org:String}, '') AND (user_id = {user:String} OR position(value, concat('"', {user:String}, '"')) > 0 OR key = {user:String}
	OR arrayExists(h -> match(h.2, concat('(^|[^0-9A-Za-z_])', regexpQuoteMeta({user:String}), '($|[^0-9A-Za-z_])')), headers))`

	erasedMillis  = "fromUnixTimestamp64Milli({erased_at:Int64}, 'UTC')"
	refusedMillis = "fromUnixTimestamp64Milli({refused_before:Int64}, 'UTC')"

	// listing selects the person's rows of the erasure list. erased selects the events and entities
	// that these rows say are erased.
	listing = "org_id = {org:String} AND user_hash = unhex({hash:String})"
	erased  = "(time < " + erasedMillis + " OR event_id IN (SELECT arrayJoin(ahead) FROM erasures WHERE " + listing + "))"
)

// list puts the person on the erasure list, with the time of the erasure: everything from before
// that time is erased. What is stored with a later time is listed by its id: a producer's clock was
// ahead, or a description holds from a later time on. What an earlier call listed stays listed,
// because that call may have been killed after it had deleted the rows from which the ids are read.
//
// Of two rows of a person the one with the later updated_at holds. So each row gets a later one
// than the row before, whatever the engine's clock says. A listed time of erasure that is more than
// a day ahead is not kept: an older version of Rollcall took it from stored events.
func (p *person) list(ctx context.Context) error {
	p.erasedAt = p.now().UTC().Truncate(time.Millisecond)
	var listed, refused time.Time
	query := "SELECT (SELECT max(erased_at) FROM erasures FINAL WHERE " + listing +
		"), (SELECT max(rejected_at) FROM rejects WHERE " + naming + ")"
	if err := p.conn.QueryRow(ctx, query, p.args()...).Scan(&listed, &refused); err != nil {
		return err
	}
	if listed.After(p.erasedAt) && listed.Before(p.erasedAt.Add(24*time.Hour)) {
		p.erasedAt = listed
	}
	if p.refusedBefore = p.erasedAt; !refused.Before(p.erasedAt) {
		p.refusedBefore = refused.Add(time.Millisecond)
	}
	return p.exec(ctx, `INSERT INTO erasures (org_id, user_hash, erased_at, done_at, updated_at, ahead)
SELECT {org:String}, unhex({hash:String}), `+erasedMillis+
		`, toDateTime64(0, 3, 'UTC'), greatest(now64(3), max(last) + toIntervalMillisecond(1)), groupUniqArrayArray(ids)
FROM (
	SELECT toDateTime64(0, 3, 'UTC') AS last, groupUniqArray(event_id) AS ids FROM events WHERE `+tables.UsageOf+
		` AND time >= `+erasedMillis+`
	UNION ALL SELECT toDateTime64(0, 3, 'UTC'), groupUniqArray(event_id) FROM entities WHERE ((`+tables.Describing+
		`) OR (`+tables.OwnedBy+`)) AND time >= `+erasedMillis+`
	UNION ALL SELECT updated_at, ahead FROM erasures WHERE `+listing+`
)`)
}

// findSlices finds every day on which a copy of an event or a generation of the rollups names the
// person, and these generations. A month's generation adds the month's last day, which costs one
// recompute of that day.
func (p *person) findSlices(ctx context.Context) error {
	query := "SELECT DISTINCT day, toUUID('" + uuid.Nil.String() + "') AS generation FROM events WHERE " + tables.UsageOf
	for _, d := range tables.Dailies() {
		query += " UNION DISTINCT SELECT DISTINCT day, generation FROM " + d.Table + " WHERE " + tables.UsageOf
	}
	var rows []struct {
		Day        time.Time `ch:"day"`
		Generation uuid.UUID `ch:"generation"`
	}
	if err := p.conn.Select(ctx, &rows, query, p.args()...); err != nil {
		return err
	}
	seen := map[schema.Day]bool{}
	for _, row := range rows {
		if day := schema.DayOf(row.Day); !seen[day] {
			seen[day], p.slices = true, append(p.slices, tables.Slice{Org: p.org, Day: day})
		}
		if row.Generation != uuid.Nil {
			p.old = append(p.old, row.Generation.String())
		}
	}
	return nil
}

// bury writes a tombstone for each event that is the person's, and removes the person as an owner.
// If copies of an event name two persons, the copy that won decides whose event it is.
func (p *person) bury(ctx context.Context) error {
	for _, statement := range []string{
		fmt.Sprintf(`INSERT INTO events (org_id, day, type, event_id, version, time) SELECT org_id, day, type, event_id, bitOr(version, %d), time FROM events FINAL
WHERE %s AND bitAnd(version, 1) = 0 AND %s`, schema.Erased, tables.UsageOf, erased),
		fmt.Sprintf(`INSERT INTO entities (org_id, day, event_id, version, kind, time) SELECT org_id, day, event_id, bitOr(version, %d), kind, time FROM entities FINAL
WHERE %s AND bitAnd(version, 1) = 0 AND %s`, schema.Erased, tables.Describing, erased),
		tables.WithoutOwner(erased),
	} {
		if err := p.exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// mark says that the days changed, as a writer of its own.
func (p *person) mark(ctx context.Context) error {
	return p.Rollup.mark(ctx, uuid.New(), p.slices)
}

// recompute makes new generations of the days. A day whose log changes meanwhile is left for the
// worker.
func (p *person) recompute(ctx context.Context) error {
	all, err := p.states(ctx, Filter{Org: p.org})
	if err != nil {
		return err
	}
	days := map[schema.Day]bool{}
	for _, s := range p.slices {
		days[s.Day] = true
	}
	var touched []tables.SliceState
	for _, s := range all {
		if days[s.Day] && s.Alive && !s.Clean {
			touched = append(touched, s)
		}
	}
	_, err = p.recomputeAll(ctx, touched)
	return err
}

// retire marks the generations dead that name the person: all generations of the days but the new
// ones, and the months that were merged from old ones.
func (p *person) retire(ctx context.Context) error {
	if _, _, err := p.markDead(ctx, Filter{Org: p.org}); err != nil {
		return err
	}
	var months []lost
	if err := p.conn.Select(ctx, &months,
		"SELECT org_id, day, generation, revision FROM months FINAL WHERE dead = 0 AND org_id = {org:String} AND "+p.oldRows(), p.args()...); err != nil {
		return err
	}
	return p.writeDead(ctx, "months", months)
}

// delete removes the rows from the disk. The tombstones stay: they name nobody, and a batch that
// was under way may still bring an event that a tombstone must win against.
func (p *person) delete(ctx context.Context) error {
	for table, rows := range p.rows() {
		if err := p.mutate(ctx, table, rows); err != nil {
			return err
		}
	}
	return nil
}

// rows says for each table which rows are the person's. It leaves out events from after the erasure
// (the person came back) and generations begun after the marks, which have no row of the person
// from before. A recompute that was under way may leave rows without a manifest: nobody reads them,
// and Sweep removes them.
func (p *person) rows() map[string]string {
	rows := map[string]string{
		"events":   tables.UsageOf + " AND " + erased,
		"entities": "((" + tables.Describing + ") OR (" + tables.OwnedBy + ")) AND " + erased,
		"rejects":  naming + " AND rejected_at < " + refusedMillis,
	}
	for _, d := range tables.Dailies() {
		rows[d.Table] = tables.UsageOf + " AND " + p.oldRows()
	}
	return rows
}

// check looks for rows that a batch under way brought after the deletion. Ingest keeps them out of
// the exports, but they would stay on the disk.
func (p *person) check(ctx context.Context) error {
	for range 5 {
		left := map[string]string{}
		for table, rows := range p.rows() {
			var n uint64
			query := "SELECT count() FROM " + table + " WHERE " + rows
			if err := p.conn.QueryRow(ctx, query, p.args()...).Scan(&n); err != nil {
				return err
			}
			if n > 0 {
				left[table] = rows
			}
		}
		if len(left) == 0 {
			return nil
		}
		if err := p.bury(ctx); err != nil {
			return err
		}
		for table, rows := range left {
			if err := p.mutate(ctx, table, rows); err != nil {
				return err
			}
		}
	}
	return errors.New("rows of the person keep coming; run it again when their events have stopped")
}

func (p *person) noteDone(ctx context.Context) error {
	return p.exec(ctx, "INSERT INTO erasures (org_id, user_hash, erased_at, done_at, updated_at, ahead) "+
		"SELECT org_id, user_hash, erased_at, now64(3), greatest(now64(3), updated_at + toIntervalMillisecond(1)), ahead "+
		"FROM erasures FINAL WHERE "+listing)
}

// mutate deletes rows: the engine rewrites the parts that hold them. It waits for that, which takes
// minutes on a large log.
func (p *person) mutate(ctx context.Context, table, rows string) error {
	if err := p.exec(ctx, "ALTER TABLE "+table+" DELETE WHERE "+rows+" SETTINGS mutations_sync = 0"); err != nil {
		return fmt.Errorf("delete from %s: %w", table, err)
	}
	for {
		var running uint64
		var reason string
		err := p.conn.QueryRow(ctx, `SELECT count(), any(latest_fail_reason) FROM system.mutations
WHERE database = currentDatabase() AND table = {table:String} AND NOT is_done`,
			clickhouse.Named("table", table)).Scan(&running, &reason)
		switch {
		case err != nil:
			return fmt.Errorf("wait for the deletion from %s: %w", table, err)
		case running == 0:
			return nil
		case reason != "":
			return fmt.Errorf("delete from %s: %s", table, reason)
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
