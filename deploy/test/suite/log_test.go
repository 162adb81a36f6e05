package suite

import (
	"context"
	"slices"
	"strings"
	"time"

	"rollcall/deploy/test/suite/oracle"
)

// compareLog reads the event log and the entities, each event once, and settles the oracle's
// conflicts by them. It fails unless they are exactly the oracle's events: every row is one of the
// copies that were sent, complete, and no event is missing or extra.
func (b *bed) compareLog() {
	b.t.Helper()
	log := b.log()
	for _, id := range b.oracle.Conflicts() {
		if err := b.oracle.Settle(id, func(e oracle.Event) bool { return e == log[id] }); err != nil {
			b.t.Fatalf("%v\nin the log: %+v", err, log[id])
		}
	}
	wrong := 0
	for id, want := range b.oracle.Events() {
		if got, ok := log[id]; got != want {
			b.t.Errorf("seed %d: %+v\nwas sent: %+v\nin the log (%t): %+v", *seed, id, want, ok, got)
			if wrong++; wrong == 5 {
				break
			}
		}
	}
	if len(log) != b.oracle.Len() {
		b.t.Errorf("seed %d: %d events in the log, %d were sent", *seed, len(log), b.oracle.Len())
	}
	if b.t.Failed() {
		b.t.FailNow()
	}
}

func (b *bed) log() map[oracle.Identity]oracle.Event {
	b.t.Helper()
	found := map[oracle.Identity]oracle.Event{}
	b.read(found,
		`SELECT org_id AS Org, toString(day) AS Day, concat('usage.', toString(type), '.v1') AS Type, source AS Source, id AS ID, toUnixTimestamp64Milli(time) AS Time,
		user_id AS User, channel AS Channel, action AS Action, assistant_id AS Assistant, project_id AS Project, workflow_id AS Workflow, conversation_id AS Conversation,
		api_key_id AS APIKey, model AS Model, client AS Client, provider AS Provider, deployment AS Deployment, byok AS BYOK,
		toInt64(prompt_tokens) AS Prompt, toInt64(completion_tokens) AS Completion, toInt64(cached_prompt_tokens) AS CachedPrompt,
		toInt64(cache_creation_tokens) AS CacheCreation, toInt64(cost_usd * toDecimal128(1000000000, 0)) AS Cost,
		run_id AS Run, status AS Status, error_type AS ErrorType, trigger AS Trigger, toInt64(duration_ms) AS Duration
		FROM events FINAL WHERE bitAnd(version, 1) = 0`)
	b.read(found,
		`SELECT org_id AS Org, toString(day) AS Day, 'usage.entity.v1' AS Type, source AS Source, id AS ID, toUnixTimestamp64Milli(time) AS Time,
		toString(kind) AS Kind, entity_id AS Entity, deleted AS Deleted, name AS Name, email AS Email, role AS Role, ifNull(toString(joined_at), '') AS Joined,
		department AS Department, description AS Description, url AS URL, owner_id AS Owner, has_settings AS HasSettings,
		toBool(has_settings AND user_level_data) AS UserLevelData, toBool(has_settings AND byok) AS BYOKSetting, toBool(has_settings AND workflows) AS Workflows,
		toBool(has_settings AND pseudonymize) AS Pseudonymize,
		company_name AS CompanyName, license_type AS LicenseType, toString(status) AS Status, group_ids AS Groups
		FROM entities FINAL WHERE bitAnd(version, 1) = 0`)
	return found
}

// row has the columns of both tables. Columns that a query does not name stay empty.
type row struct {
	Day string
	oracle.Event
	oracle.Settings
	BYOKSetting bool
	Groups      []string
}

func (b *bed) read(into map[oracle.Identity]oracle.Event, query string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
	defer cancel()
	rows, err := b.conn.Query(ctx, query)
	b.must(err)
	defer rows.Close()
	for rows.Next() {
		var r row
		b.must(rows.Scan(r.fields(rows.Columns())...))
		e := r.Event
		e.Settings = oracle.Settings{
			UserLevelData: r.UserLevelData, BYOK: r.BYOKSetting, Workflows: r.Workflows, Pseudonymize: r.Pseudonymize,
		}
		if !slices.IsSorted(r.Groups) || len(slices.Compact(slices.Clone(r.Groups))) != len(r.Groups) {
			b.t.Errorf("the groups of %+v are no set: %q", e, r.Groups)
		}
		e.GroupIDs = oracle.GroupIDs(r.Groups)
		id := oracle.Identity{Org: e.Org, Day: r.Day, Type: e.Type, Source: e.Source, ID: e.ID}
		if _, twice := into[id]; twice {
			b.t.Errorf("%+v is in the log twice", id)
		}
		into[id] = e
	}
	b.must(rows.Err())
}

// fields returns pointers to r's fields, in the order of the query's columns.
func (r *row) fields(columns []string) (pointers []any) {
	e := &r.Event
	byName := map[string]any{
		"Org": &e.Org, "Day": &r.Day, "Type": &e.Type, "Source": &e.Source, "ID": &e.ID, "Time": &e.Time,
		"User": &e.User, "Channel": &e.Channel, "Action": &e.Action, "Assistant": &e.Assistant, "Project": &e.Project,
		"Workflow":     &e.Workflow,
		"Conversation": &e.Conversation, "APIKey": &e.APIKey, "Model": &e.Model, "Client": &e.Client, "Provider": &e.Provider,
		"Deployment": &e.Deployment, "BYOK": &e.BYOK,
		"Prompt": &e.Prompt, "Completion": &e.Completion, "CachedPrompt": &e.CachedPrompt, "CacheCreation": &e.CacheCreation,
		"Cost": &e.Cost,
		"Run":  &e.Run, "Status": &e.Status, "ErrorType": &e.ErrorType, "Trigger": &e.Trigger, "Duration": &e.Duration,
		"Kind": &e.Kind, "Entity": &e.Entity, "Deleted": &e.Deleted, "Name": &e.Name, "Email": &e.Email, "Role": &e.Role,
		"Joined":     &e.Joined,
		"Department": &e.Department, "Description": &e.Description, "URL": &e.URL, "Owner": &e.Owner,
		"CompanyName": &e.CompanyName, "LicenseType": &e.LicenseType, "Groups": &r.Groups,
		"HasSettings":   &e.HasSettings,
		"UserLevelData": &r.UserLevelData, "BYOKSetting": &r.BYOKSetting, "Workflows": &r.Workflows,
		"Pseudonymize": &r.Pseudonymize,
	}
	for _, name := range columns {
		pointers = append(pointers, byName[strings.TrimSpace(name)])
	}
	return pointers
}
