package tables

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"rollcall/schema"
)

// MonthEnd is the last day of a day's month.
func MonthEnd(day schema.Day) schema.Day {
	y, m, _ := day.Time().Date()
	return schema.DayOf(time.Date(y, m+1, 0, 0, 0, 0, 0, time.UTC))
}

// MonthStart is the first day of a day's month.
func MonthStart(day schema.Day) schema.Day { return day - schema.Day(day.Time().Day()) + 1 }

// WholeMonths widens the filter's days to the months that they touch.
func (f Filter) WholeMonths() Filter {
	if f.From != 0 {
		f.From = MonthStart(f.From)
	}
	if f.To != 0 {
		f.To = MonthEnd(f.To)
	}
	return f
}

// A MonthState is the state of one org's month.
type MonthState struct {
	Slice                // the org, and the month's last day
	Days    []SliceState // the slices that have marks
	Clean   bool         // all of Days are clean
	Sources string       // if Clean: digest of the days and their generations
	// if Clean: the month generation that a plan reads in place of the days' generations, or zero
	Generation uuid.UUID
}

// MonthStates groups the states of slices by month. The states must be in the order of SliceStates
// (by org and day), and complete for each month.
func MonthStates(ctx context.Context, conn driver.Conn, f Filter, states []SliceState) ([]MonthState, error) {
	where, args := f.WholeMonths().Where()
	var manifests []struct {
		Org        string    `ch:"org_id"`
		Day        time.Time `ch:"day"`
		Generation uuid.UUID `ch:"generation"`
		Sources    string    `ch:"versions"`
	}
	if err := conn.Select(ctx, &manifests, "SELECT org_id, day, generation, versions FROM "+monthManifests(where),
		args...); err != nil {
		return nil, fmt.Errorf("read the months' manifests: %w", err)
	}
	merged := mergedMonths{}
	for _, m := range manifests {
		merged.add(monthKey{m.Org, schema.DayOf(m.Day), m.Sources}, m.Generation, nil)
	}
	var all []MonthState
	for _, days := range chunksOf(states, func(s SliceState) Slice { return Slice{s.Org, MonthEnd(s.Day)} }) {
		m := MonthState{Slice: Slice{days[0].Org, MonthEnd(days[0].Day)}, Days: days, Clean: true}
		sources := newDigest()
		for _, s := range days {
			sources.add(s.Day, s.Generation)
			m.Clean = m.Clean && s.Clean
		}
		if m.Clean {
			m.Sources = sources.String()
			m.Generation = merged[monthKey{m.Org, m.Day, m.Sources}].generation
		}
		all = append(all, m)
	}
	return all, nil
}

// monthManifests is a table expression with the month generations that may be read if they were
// merged from the right generations of days.
func monthManifests(where string) string {
	return fmt.Sprintf("months FINAL WHERE revision = %d AND dead = 0 AND (%s)", Revision, where)
}

// mergedMonths has the month generation for each month and digest of sources. If there are several,
// it has the one with the highest number; they all have the same rows.
type mergedMonths map[monthKey]monthGeneration

type monthKey struct {
	org     string
	end     schema.Day
	sources string
}

type monthGeneration struct {
	generation uuid.UUID
	rows       []uint64
}

func (all mergedMonths) add(k monthKey, generation uuid.UUID, rows []uint64) {
	if known := all[k].generation; bytes.Compare(generation[:], known[:]) > 0 {
		all[k] = monthGeneration{generation, rows}
	}
}

// A digest is made of the days of one org and one value for each: the version (then the digest is
// equal as long as the log is) or the generation.
type digest struct{ hash.Hash }

func newDigest() digest {
	d := digest{sha256.New()}
	fmt.Fprintf(d, "revision %d\n", Revision)
	return d
}

func (d digest) add(day schema.Day, what fmt.Stringer) { fmt.Fprintf(d, "%s %s\n", day, what) }

func (d digest) String() string { return hex.EncodeToString(d.Sum(nil)[:16]) }

// chunksOf cuts a list wherever the key of its elements changes.
func chunksOf[T any, K comparable](all []T, key func(T) K) (chunks [][]T) {
	for len(all) > 0 {
		n := slices.IndexFunc(all, func(x T) bool { return key(x) != key(all[0]) })
		if n < 0 {
			n = len(all)
		}
		chunks = append(chunks, all[:n])
		all = all[n:]
	}
	return chunks
}
