package export

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
)

// feed asks for the days of the workspace to which the key belongs.
func (f *fixture) feed(key, query string) (feed daysFeed, tag string) {
	f.Helper()
	a := f.want(f.get("/v1/days"+query, key), http.StatusOK)
	if err := json.Unmarshal([]byte(a.body), &feed); err != nil {
		f.Fatalf("%v: %s", err, a.body)
	}
	return feed, a.Header.Get("ETag")
}

// A day's version changes exactly with the day's events: not by copies that lose or by repetition,
// and not with the names of entities, which have a version of their own. That a recompute does not
// change it is tested by deploy/test/suite.
func TestDaysFeed(t *testing.T) {
	f := newFixture(t)
	_, key := f.key("acme")
	first := yesterday().AddDate(0, 0, -3)
	second := first.AddDate(0, 0, 1)
	if empty, _ := f.feed(key, ""); len(empty.Days) != 0 || empty.CompleteThrough != nil {
		t.Errorf("without events: %+v", empty)
	}
	f.event("acme", first, map[string]any{"event_id": "1111111111111111", "version": 40})
	f.event("acme", first, map[string]any{"type": "token", "model": "m"})
	f.event("acme", second, nil)
	f.event("other", second, nil)
	before, tag := f.feed(key, "")
	if len(before.Days) != 2 || before.Days[0].Date != first.Format(time.DateOnly) || before.Days[0].Events != 2 ||
		before.Days[1].Events != 1 || before.Days[0].Version == before.Days[1].Version || before.Days[1].Complete {
		t.Fatalf("%+v", before)
	}
	if a := f.get("/v1/days", key, "If-None-Match", tag); a.StatusCode != http.StatusNotModified || a.body != "" {
		t.Errorf("with the tag: %d %s", a.StatusCode, a.body)
	}

	changed := func(what string, days ...bool) {
		t.Helper()
		now, next := f.feed(key, "")
		any := now.EntitiesVersion != before.EntitiesVersion || len(now.Days) != len(before.Days)
		for i := range min(len(now.Days), len(before.Days), len(days)) {
			differs := now.Days[i].Version != before.Days[i].Version
			if differs != days[i] {
				t.Errorf("%s: day %d has another version: %v, want %v", what, i, differs, days[i])
			}
			any = any || differs || now.Days[i].Complete != before.Days[i].Complete
		}
		if (next != tag) != any {
			t.Errorf("%s: tag %s after %s", what, next, tag)
		}
		before, tag = now, next
	}
	f.event("acme", first, map[string]any{"event_id": "1111111111111111", "version": 38, "model": "loses"})
	f.mark("acme", second)
	changed("a copy that loses", false, false)
	f.event("acme", first, map[string]any{"event_id": "1111111111111111", "version": 42, "model": "wins"})
	changed("a copy that wins", true, false)
	f.event("acme", second, nil)
	if changed("a late event", false, true); before.Days[1].Events != 2 {
		t.Errorf("after a late event: %+v", before)
	}
	f.entity("acme", "user", "ada", first, map[string]any{"name": "Ada"})
	entities := before.EntitiesVersion
	if changed("a name", false, false); before.EntitiesVersion == entities {
		t.Error("a name does not change the version of the entities")
	}
	f.insert("progress", map[string]any{
		"topic": "t", "partition": 0, "through": 1, "end_offset": 1,
		"complete_through": first.AddDate(0, 0, 1).Format("2006-01-02 15:04:05.000"),
	})
	changed("complete", false, false)
	if !before.Days[0].Complete || before.Days[1].Complete || before.CompleteThrough == nil {
		t.Errorf("complete through the first day: %+v", before)
	}
	f.event("acme", second, map[string]any{"event_id": "2222222222222222", "version": 40})
	changed("an event", false, true)
	f.event("acme", second, map[string]any{"event_id": "2222222222222222", "version": 43}) // a tombstone
	if changed("its erasure", false, true); before.Days[1].Events != 2 {
		t.Errorf("after an erasure: %+v", before)
	}

	one, _ := f.feed(key, "?from="+second.Format(time.DateOnly))
	other, _ := f.feed(key, "?to="+first.Format(time.DateOnly))
	if len(one.Days) != 1 || len(other.Days) != 1 || one.Days[0] != before.Days[1] || other.Days[0] != before.Days[0] {
		t.Errorf("from the second day %+v, to the first %+v", one, other)
	}
	if a := f.do(http.MethodHead, "/v1/days", key, ""); a.StatusCode != http.StatusOK || a.Header.Get("ETag") != tag {
		t.Errorf("HEAD: %d, tag %q", a.StatusCode, a.Header.Get("ETag"))
	}
	var rows uint64
	if err := f.conn.QueryRow(context.Background(),
		"SELECT count() FROM export_audit FINAL WHERE org_id = 'acme' AND data_type = 'days'").Scan(&rows); err != nil || rows == 0 {
		t.Errorf("the audit has %d requests for days, %v", rows, err)
	}
}

// What is no date, or none that can be exported, is refused with a sentence.
func TestDaysFeedRefuses(t *testing.T) {
	f := newFixture(t)
	_, key := f.key("acme")
	for query, says := range map[string]string{
		"from=2020-01-01": "from", "to=2020-01-01": "to", "from=today": "from", "timezone=Europe/Berlin": "no parameter",
		"from=2026-13-01": "from", "from=": "from is empty",
	} {
		if a := f.get("/v1/days?"+query, key); a.StatusCode != http.StatusBadRequest || !strings.Contains(a.body, says) {
			t.Errorf("%s: %d %s", query, a.StatusCode, a.body)
		}
	}
	if a := f.get("/v1/days", ""); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a key: %d", a.StatusCode)
	}
}
