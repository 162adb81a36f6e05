-- ingest
INSERT INTO events (org_id, day, type, event_id, version, time, source, id, user_id, channel) SELECT 'old', toDate('DAY'), 'message', leftPad(toString(rand64() % 1000), 16, '0'), 2, toDateTime64('DAY', 3, 'UTC'), 's', '1', 'u', 'chat';
INSERT INTO marks (org_id, day, writer, seq) SELECT 'old', toDate('DAY'), toUUID('WRITER'), 1;
INSERT INTO entities (org_id, day, event_id, version, kind, entity_id, time, source, id, name) SELECT 'old', toDate32('DAY'), leftPad('1', 16, '0'), 2, 'user', 'u', toDateTime64('DAY', 3, 'UTC'), 's', '1', 'U';
INSERT INTO progress (topic, partition, through, end_offset) SELECT 'old', 0, now64(3), 1;
SELECT org_id, user_hash, erased_at FROM erasures FINAL;
-- rollup
SELECT org_id, day, writer, seq, marked_at FROM marks FINAL;
SELECT org_id, day, generation, revision, covered, version, message_rows, action_rows, token_rows, workflow_rows, dead, written_at FROM slices FINAL;
INSERT INTO message_daily (org_id, day, user_id, channel, model, assistant_id, project_id, workflow_id, api_key_id, messages, conversations, generation)
SELECT org_id, day, user_id, channel, model, assistant_id, project_id, workflow_id, api_key_id, count(), uniqExactStateIf(conversation_id, conversation_id != ''), generateUUIDv7() AS generation
FROM events FINAL WHERE org_id = 'old' AND type = 'message' GROUP BY org_id, day, user_id, channel, model, assistant_id, project_id, workflow_id, api_key_id;
-- export
SELECT user_id, channel, model, assistant_id, project_id, workflow_id, api_key_id, sum(messages), uniqExactMerge(conversations) FROM message_daily WHERE generation = 'GENERATION' GROUP BY ALL;
SELECT user_id, action, model, sum(messages) FROM action_daily WHERE generation = 'GENERATION' GROUP BY ALL;
SELECT user_id, api_key_id, model, provider, deployment, byok, client, sum(requests), sum(prompt_tokens), sum(cost_usd), min(prompt_tokens_min) FROM token_daily WHERE generation = 'GENERATION' GROUP BY ALL;
SELECT workflow_id, user_id, status, error_type, trigger, duration_bucket, sum(runs), sum(duration_ms_sum), max(duration_ms_max) FROM workflow_daily WHERE generation = 'GENERATION' GROUP BY ALL;
SELECT kind, entity_id, time, source, id, deleted, name, email, role, joined_at, description, url, owner_id, has_settings, user_level_data, byok, workflows, pseudonymize FROM entities FINAL;
SELECT key_id, org_id, name, scopes, created_at, expires_at, revoked_at, salt, hash FROM keys FINAL;
INSERT INTO export_audit (request_id, org_id, credential, key_id, started_at, outcome) SELECT generateUUIDv4(), 'old', 'key', 'k', now64(3), 'started';
SELECT fingerprint, secret FROM service_secret ORDER BY created_at, fingerprint LIMIT 1;
-- rollup and export, since there are months
SELECT org_id, day, generation, revision, versions, message_rows, action_rows, token_rows, workflow_rows, dead, written_at FROM months FINAL;
