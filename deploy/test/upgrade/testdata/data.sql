-- DAY is two days ago, MONTH is some forty days ago. GENERATION and WRITER are UUIDs, the same throughout.
INSERT INTO events (org_id, day, type, event_id, version, time, source, id, user_id, channel, assistant_id, project_id, conversation_id, model, client)
SELECT 'acme', d, 'message', leftPad(concat('m', toString(number), toString(d)), 16, '0'), 2 * number + 2, toDateTime64(d, 3, 'UTC') + number, 'old', toString(number),
    concat('user', toString(number % 7)), ['chat', 'assistant', 'project'][number % 3 + 1], if(number % 3 = 1, 'a1', ''), if(number % 3 = 2, 'p1', ''), concat('c', toString(number % 5)), 'gpt', 'web'
FROM numbers(50) ARRAY JOIN [toDate('DAY'), toDate('MONTH')] AS d;
-- Copies that lost, in a part of their own.
INSERT INTO events (org_id, day, type, event_id, version, time, source, id, user_id, channel)
SELECT 'acme', toDate('DAY'), 'message', leftPad(concat('m', toString(number), 'DAY'), 16, '0'), 1 + 0 * number, toDateTime64('DAY', 3, 'UTC'), 'old', toString(number), 'nobody', 'chat' FROM numbers(10);
INSERT INTO events (org_id, day, type, event_id, version, time, source, id, user_id, action, model)
SELECT 'acme', d, 'action', leftPad(concat('a', toString(number), toString(d)), 16, '0'), 2, toDateTime64(d, 3, 'UTC'), 'old', toString(number), concat('user', toString(number % 3)), 'canvas', 'gpt'
FROM numbers(9) ARRAY JOIN [toDate('DAY'), toDate('MONTH')] AS d;
INSERT INTO events (org_id, day, type, event_id, version, time, source, id, user_id, api_key_id, model, provider, byok, prompt_tokens, completion_tokens, cost_usd)
SELECT 'acme', d, 'token', leftPad(concat('t', toString(number), toString(d)), 16, '0'), 2, toDateTime64(d, 3, 'UTC'), 'old', toString(number), concat('user', toString(number % 3)), 'k1', 'gpt', 'openai',
    true, 4000000000, number, toDecimal128('0.000000001', 9) FROM numbers(20) ARRAY JOIN [toDate('DAY'), toDate('MONTH')] AS d;
INSERT INTO events (org_id, day, type, event_id, version, time, source, id, user_id, workflow_id, run_id, status, error_type, trigger, duration_ms)
SELECT 'acme', d, 'workflow_run', leftPad(concat('w', toString(number), toString(d)), 16, '0'), 2, toDateTime64(d, 3, 'UTC'), 'old', toString(number), 'user1', 'w1', toString(number), 'failed', 'timeout', 'api',
    number * 7 FROM numbers(40) ARRAY JOIN [toDate('DAY'), toDate('MONTH')] AS d;
INSERT INTO marks (org_id, day, writer, seq) SELECT 'acme', d, toUUID('WRITER'), 3 FROM (SELECT arrayJoin([toDate('DAY'), toDate('MONTH')]) AS d);

-- The older day is rolled up, by the first release's logic.
INSERT INTO message_daily (org_id, day, generation, user_id, channel, model, assistant_id, project_id, workflow_id, api_key_id, messages, conversations)
SELECT org_id, day, toUUID('GENERATION'), user_id, channel, model, assistant_id, project_id, workflow_id, api_key_id, count(), uniqExactStateIf(conversation_id, conversation_id != '')
FROM events FINAL WHERE day = 'MONTH' AND type = 'message' GROUP BY org_id, day, user_id, channel, model, assistant_id, project_id, workflow_id, api_key_id;
INSERT INTO action_daily (org_id, day, generation, user_id, action, model, assistant_id, project_id, workflow_id, messages)
SELECT org_id, day, toUUID('GENERATION'), user_id, action, model, assistant_id, project_id, workflow_id, count()
FROM events FINAL WHERE day = 'MONTH' AND type = 'action' GROUP BY org_id, day, user_id, action, model, assistant_id, project_id, workflow_id;
INSERT INTO token_daily (org_id, day, generation, user_id, api_key_id, model, provider, deployment, byok, client, assistant_id, project_id, workflow_id,
    requests, prompt_tokens, completion_tokens, cached_prompt_tokens, cache_creation_tokens, cost_usd, prompt_tokens_min, prompt_tokens_max, completion_tokens_min, completion_tokens_max)
SELECT org_id, day, toUUID('GENERATION'), user_id, api_key_id, model, provider, deployment, byok, client, assistant_id, project_id, workflow_id,
    count(), sum(toUInt64(e.prompt_tokens)), sum(toUInt64(e.completion_tokens)), 0, 0, sum(e.cost_usd), min(e.prompt_tokens), max(e.prompt_tokens), min(e.completion_tokens), max(e.completion_tokens)
FROM events AS e FINAL WHERE day = 'MONTH' AND type = 'token' GROUP BY org_id, day, user_id, api_key_id, model, provider, deployment, byok, client, assistant_id, project_id, workflow_id;
INSERT INTO workflow_daily (org_id, day, generation, workflow_id, user_id, status, error_type, trigger, duration_bucket, runs, duration_ms_sum, duration_ms_max)
SELECT org_id, day, toUUID('GENERATION'), workflow_id, user_id, status, error_type, trigger, toUInt16(if(duration_ms <= 100, duration_ms, 100 + ceil(log(duration_ms / 100) / log(1.01)))) AS bucket,
    count(), sum(toUInt64(duration_ms)), max(duration_ms)
FROM events FINAL WHERE day = 'MONTH' AND type = 'workflow_run' GROUP BY org_id, day, workflow_id, user_id, status, error_type, trigger, bucket;
INSERT INTO slices (org_id, day, generation, revision, covered, version, message_rows, action_rows, token_rows, workflow_rows)
SELECT 'acme', toDate('MONTH'), toUUID('GENERATION'), 1, map(toUUID('WRITER'), toUInt64(3)), (SELECT sum(toUInt256(version) + 1) FROM events FINAL WHERE day = 'MONTH'),
    (SELECT count() FROM message_daily), (SELECT count() FROM action_daily), (SELECT count() FROM token_daily), (SELECT count() FROM workflow_daily);

INSERT INTO entities (org_id, day, event_id, version, kind, entity_id, time, source, id, name, email, role, has_settings, user_level_data, byok, workflows, pseudonymize)
SELECT 'acme', toDate32('MONTH'), leftPad(concat('e', toString(number)), 16, '0'), 2, if(number = 0, 'workspace', 'user'), if(number = 0, 'acme', concat('user', toString(number))), toDateTime64('MONTH', 3, 'UTC'),
    'old', toString(number), concat('Name ', toString(number)), 'n@example.com', 'editor', number = 0, true, true, true, false FROM numbers(9);
INSERT INTO rejects (topic, partition, offset, value_sha256, rejected_at, reason, value) SELECT 'usage.messages', 0, number, toString(number), now(), 'malformed_json', 'x' FROM numbers(3);
INSERT INTO progress (topic, partition, through, end_offset) SELECT 'usage.messages', 0, toDateTime64('DAY', 3, 'UTC'), 100;
INSERT INTO erasures (org_id, user_hash, erased_at, done_at, updated_at) SELECT 'acme', toString(1), toDateTime64('MONTH', 3, 'UTC'), toDateTime64('MONTH', 3, 'UTC'), toDateTime64('MONTH', 3, 'UTC');
INSERT INTO keys (key_id, org_id, name, salt, hash, scopes, created_at, updated_at)
SELECT 'abcdefghijkm', 'acme', 'old', 'saltsaltsaltsalt', SHA256(concat('saltsaltsaltsalt', 'SECRET')), ['USAGE_EXPORT_API'], toDateTime64('MONTH', 3, 'UTC'), toDateTime64('MONTH', 3, 'UTC');
INSERT INTO export_audit (request_id, org_id, credential, key_id, data_type, started_at, outcome) SELECT toUUID('WRITER'), 'acme', 'key', 'abcdefghijkm', 'users', toDateTime64('DAY', 3, 'UTC'), 'complete';
INSERT INTO service_secret (fingerprint, secret, created_at) SELECT 'f', 's', toDateTime64('MONTH', 6, 'UTC');
-- A month that was merged from days of other versions: it is there, and nobody reads it.
INSERT INTO months (org_id, day, generation, revision, versions, message_rows) SELECT 'acme', toLastDayOfMonth(toDate('MONTH')), toUUID('WRITER'), 1, '0123456789abcdef0123456789abcdef', 7;
