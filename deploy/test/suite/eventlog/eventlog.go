// Package eventlog reads the events that the product has stored, through ClickHouse's HTTP
// interface and with none of the product's code, and holds them to the oracle's.
package eventlog

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"rollcall/deploy/test/suite/oracle"
)

// A Database is the product's, on a ClickHouse server.
type Database struct {
	URL            string // of the server: http://host:8123
	Name           string
	User, Password string // empty: the server's default user
	Client         *http.Client
}

// Query runs a statement and passes each row on as a JSON object.
func (d Database) Query(ctx context.Context, sql string, row func([]byte) error) error {
	address := d.URL + "/?" +
		url.Values{
			"database": {d.Name}, "default_format": {"JSONEachRow"}, "output_format_json_quote_64bit_integers": {"0"},
		}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(sql))
	if err != nil {
		return err
	}
	if d.User != "" {
		req.SetBasicAuth(d.User, d.Password)
	}
	res, err := d.Client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(res.Body)
		return fmt.Errorf("%s: %s", sql, text)
	}
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 8<<20)
	for lines.Scan() {
		if err := row(lines.Bytes()); err != nil {
			return err
		}
	}
	return lines.Err()
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
			'Pseudonymize', has_settings AND pseudonymize)::Map(String, Bool) AS Settings,
		company_name AS CompanyName, license_type AS LicenseType, toString(status) AS Status, group_ids AS Groups
		FROM entities FINAL WHERE bitAnd(version, 1) = 0`
)

// Events reads the event log and the attribute history, each identity once.
func (d Database) Events(ctx context.Context) (map[oracle.Identity]oracle.Event, error) {
	found := map[oracle.Identity]oracle.Event{}
	for _, sql := range []string{logRows, entityRows} {
		err := d.Query(ctx, sql, func(line []byte) error {
			var row struct {
				oracle.Event
				Day    string
				Groups []string
			}
			if err := json.Unmarshal(line, &row); err != nil {
				return err
			}
			id := oracle.Identity{Org: row.Org, Day: row.Day, Type: row.Type, Source: row.Source, ID: row.ID}
			if _, twice := found[id]; twice {
				return fmt.Errorf("%+v is in the log twice", id)
			}
			row.Event.GroupIDs = oracle.GroupIDs(row.Groups)
			found[id] = row.Event
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// Settle takes the winners of conflicts from the stored events into the oracle. It returns an error
// if the stored events are not exactly the oracle's.
func Settle(o *oracle.Oracle, events map[oracle.Identity]oracle.Event) error {
	for _, id := range o.Conflicts() {
		if err := o.Settle(id, func(e oracle.Event) bool { return e == events[id] }); err != nil {
			return fmt.Errorf("%w\nin the log: %+v", err, events[id])
		}
	}
	missing := 0
	odd := 0
	example := ""
	for id, want := range o.Events() {
		switch got, ok := events[id]; {
		case !ok:
			missing++
			example = fmt.Sprintf("%+v is missing", id)
		case got != want:
			odd++
			example = fmt.Sprintf("%+v is %+v, was sent %+v", id, got, want)
		}
		delete(events, id)
	}
	for id := range events {
		example = fmt.Sprintf("%+v was never sent", id)
	}
	if missing+odd+len(events) > 0 {
		return fmt.Errorf("the log lacks %d events, has %d with other content and %d that were not produced; such as: %s",
			missing, odd, len(events), example)
	}
	return nil
}
