-- facts: one row per user, group, dimension and key: what is counted (n) and, of token events, what was used.
facts AS (
    SELECT id, grouped, dimension, key, sum(n) AS n, sum(prompt) AS prompt, sum(completion) AS completion, sum(cached) AS cached, sum(creation) AS creation, sum(cost) AS cost
    FROM (
        SELECT user_id AS id, {{.GroupModel}} AS grouped, d.1 AS dimension, d.2 AS key, messages AS n, 0 AS prompt, 0 AS completion, 0 AS cached, 0 AS creation, toDecimal128(0, 9) AS cost
        FROM (
            SELECT user_id, model, messages, arrayJoin(arrayFilter(x -> x.1 != 'model' OR x.2 != '', [
                multiIf(channel = 'assistant', ('assistant', assistant_id), channel = 'project', ('project', project_id), channel = 'chat', ('chat', ''), ('other', '')),
                ('model', toString(model))])) AS d
            FROM messages
        )
        UNION ALL
        SELECT user_id, {{.GroupModel}}, 'action', toString(action), messages, 0, 0, 0, 0, toDecimal128(0, 9) FROM actions
        UNION ALL
        SELECT user_id, {{.GroupModel}}, 'token', toString(model), requests, prompt_tokens, completion_tokens, cached_prompt_tokens, cache_creation_tokens, cost_usd FROM tokens
        UNION ALL
        SELECT user_id, '', 'run', '', runs, 0, 0, 0, 0, toDecimal128(0, 9) FROM workflow_runs
    )
    WHERE id != ''
    GROUP BY id, grouped, dimension, key
),
usage AS (
    SELECT id, grouped, 1 AS active,
        sumIf(n, dimension IN ('chat', 'assistant', 'project', 'other')) AS messages_total,
        sumIf(n, dimension = 'chat') AS messages_chat,
        sumIf(n, dimension = 'assistant') AS messages_assistants,
        countIf(dimension = 'assistant') AS assistants_messaged,
        mapSort(CAST(groupArrayIf((key, n), dimension = 'assistant'), 'Map(String, UInt64)')) AS assistants_to_messages,
        sumIf(n, dimension = 'project') AS messages_projects,
        countIf(dimension = 'project') AS projects_messaged,
        mapSort(CAST(groupArrayIf((key, n), dimension = 'project'), 'Map(String, UInt64)')) AS projects_to_messages,
        mapSort(CAST(groupArrayIf((key, n), dimension = 'model'), 'Map(String, UInt64)')) AS model_to_messages_total,
        sumIf(n, dimension = 'action') AS action_messages,
        countIf(dimension = 'action') AS action_messaged,
        mapSort(CAST(groupArrayIf((key, n), dimension = 'action'), 'Map(String, UInt64)')) AS action_to_messages,
        sumIf(n, dimension = 'token') AS requests,
        {{.TokenSums}},
        mapSort(CAST(groupArrayIf((key, prompt + completion), dimension = 'token'), 'Map(String, UInt64)')) AS model_to_tokens,
        mapSort(CAST(groupArrayIf((key, cost), dimension = 'token'), 'Map(String, Decimal(38, 9))')) AS model_to_cost_usd
    FROM facts
    GROUP BY id, grouped
),
rows AS (
    SELECT usage.* EXCEPT id, {{.Entity}} AS id, e.name AS name, e.email AS email, e.role AS role, e.joined_at AS joined_at
    FROM {{.Usage}}
)
SELECT rows.*, {{.Person "rows.id"}} AS user_id, grouped AS model,
    rank() OVER (PARTITION BY grouped ORDER BY messages_total DESC) AS messages_total_rank,
    rank() OVER (PARTITION BY grouped ORDER BY messages_chat DESC) AS messages_chat_rank,
    rank() OVER (PARTITION BY grouped ORDER BY messages_assistants DESC) AS messages_assistants_rank,
    rank() OVER (PARTITION BY grouped ORDER BY messages_projects DESC) AS messages_projects_rank
FROM rows
