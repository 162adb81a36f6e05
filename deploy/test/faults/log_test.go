//go:build faults && linux

package faults

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"

	"rollcall/deploy/test/suite/oracle"
)

// query asks the engine directly and passes each row on as JSON.
func (w *world) query(sql string, row func([]byte)) {
	w.t.Helper()
	address := w.engine.URL + "/?" +
		url.Values{
			"database": {database}, "default_format": {"JSONEachRow"}, "output_format_json_quote_64bit_integers": {"0"},
		}.Encode()
	res, err := engineClient.Post(address, "text/plain", strings.NewReader(sql))
	must(w.t, err)
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(res.Body)
		w.t.Fatalf("%s: %s", sql, text)
	}
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 8<<20)
	for lines.Scan() {
		row(lines.Bytes())
	}
	must(w.t, lines.Err())
}

// The columns have the names of the oracle's fields.
const (
	logRows = `SELECT org_id AS Org, toString(day) AS Day, concat('usage.', toString(type), '.v1') AS Type, source AS Source, id AS ID, toUnixTimestamp64Milli(time) AS Time,
		user_id AS User, channel AS Channel, action AS Action, assistant_id AS Assistant, project_id AS Project, workflow_id AS Workflow, conversation_id AS Conversation,
		api_key_id AS APIKey, model AS Model, client AS Client, provider AS Provider, deployment AS Deployment, byok AS BYOK, prompt_tokens AS Prompt,
		completion_tokens AS Completion, cached_prompt_tokens AS CachedPrompt, cache_creation_tokens AS CacheCreation, toInt64(cost_usd * toDecimal128(1000000000, 0)) AS Cost,
		run_id AS Run, status AS Status, error_type AS ErrorType, trigger AS Trigger, duration_ms AS Duration
		FROM events FINAL WHERE bitAnd(version, 1) = 0`
	entityRows = `SELECT org_id AS Org, toString(day) AS Day, 'usage.entity.v1' AS Type, source AS Source, id AS ID, toUnixTimestamp64Milli(time) AS Time,
		toString(kind) AS Kind, entity_id AS Entity, deleted AS Deleted, name AS Name, email AS Email, role AS Role, ifNull(toString(joined_at), '') AS Joined,
		department AS Department, description AS Description, url AS URL, owner_id AS Owner, has_settings AS HasSettings,
		map('UserLevelData', has_settings AND user_level_data, 'BYOK', has_settings AND byok, 'Workflows', has_settings AND workflows,
			'Pseudonymize', has_settings AND pseudonymize)::Map(String, Bool) AS Settings
		FROM entities FINAL WHERE bitAnd(version, 1) = 0`
)

// log reads the event log and the attribute history, each identity once.
func (w *world) log() map[oracle.Identity]oracle.Event {
	w.t.Helper()
	found := map[oracle.Identity]oracle.Event{}
	for _, sql := range []string{logRows, entityRows} {
		w.query(sql, func(line []byte) {
			var row struct {
				oracle.Event
				Day string
			}
			must(w.t, json.Unmarshal(line, &row))
			id := oracle.Identity{Org: row.Org, Day: row.Day, Type: row.Type, Source: row.Source, ID: row.ID}
			if _, twice := found[id]; twice {
				w.fail("%+v is in the log twice", id)
			}
			found[id] = row.Event
		})
	}
	return found
}

// rejects returns the reasons of all rejected records, by place. A place can have several if its
// topic was created anew.
func (w *world) rejects() map[place]map[string]bool {
	w.t.Helper()
	found := map[place]map[string]bool{}
	w.query("SELECT topic AS Topic, partition AS Partition, offset AS Offset, reason AS Reason FROM rejects FINAL",
		func(line []byte) {
			var row struct {
				Topic     string
				Partition int32
				Offset    int64
				Reason    string
			}
			must(w.t, json.Unmarshal(line, &row))
			at := place{row.Topic, row.Partition, row.Offset}
			if found[at] == nil {
				found[at] = map[string]bool{}
			}
			found[at][row.Reason] = true
		})
	return found
}
