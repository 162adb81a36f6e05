-- facts has one row per user, group, dimension and key, with the count (n) and, where tokens are
-- shown, the amounts of token events. Messages are there twice: by channel, and by model.
facts AS (
    SELECT user_id AS id, {{.SplitUsage}}channel AS dimension, multiIf(channel = 'assistant', assistant_id, channel = 'project', project_id, '') AS key,
        sum(messages) AS n{{.NoAmounts}}
    FROM messages
    GROUP BY id, {{.Split}}dimension, key
    UNION ALL
    SELECT user_id, {{.SplitUsage}}toLowCardinality('model'), toString(model), sum(messages){{.NoAmounts}}
    FROM messages
    WHERE model != ''
    GROUP BY user_id, {{.Split}}model
    UNION ALL
    SELECT user_id, {{.SplitUsage}}toLowCardinality('action'), toString(action), sum(messages){{.NoAmounts}}
    FROM actions
    GROUP BY user_id, {{.Split}}action
    UNION ALL
    SELECT user_id, {{.SplitUsage}}toLowCardinality('token'), toString(model), sum(d.requests){{.Amounts}}
    FROM tokens AS d
    WHERE user_id != ''
    GROUP BY user_id, {{.Split}}model
    UNION ALL
    SELECT user_id, {{.SplitOther}}toLowCardinality('run'), '', 0{{.NoAmounts}}
    FROM workflow_runs
    WHERE user_id != ''
    GROUP BY {{.Split}}user_id -- not DISTINCT: with it the engine would read columns that nobody needs
),
usage AS (
    SELECT id, {{.Split}}1 AS active,
        sumIf(n, dimension IN ('chat', 'assistant', 'project', 'workflow', 'api')) AS messages_total,
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
        mapSort(CAST(groupArrayIf((key, n), dimension = 'action'), 'Map(String, UInt64)')) AS action_to_messages
        {{- if .Settings.BYOK}},
        sumIf(n, dimension = 'token') AS requests,
        {{.TokenSums}},
        mapSort(CAST(groupArrayIf((key, prompt_tokens + completion_tokens), dimension = 'token'), 'Map(String, UInt64)')) AS model_to_tokens,
        mapSort(CAST(groupArrayIf((key, cost_usd), dimension = 'token'), 'Map(String, Decimal(38, 9))')) AS model_to_cost_usd
        {{- end}}
    FROM facts
    GROUP BY {{.Split}}id
)
SELECT usage.* EXCEPT id{{.Bucket}}, {{.Entity}} AS person, {{.Person "person"}} AS user_id, {{.Grouped}}e.name AS name, e.email AS email, e.role AS role, e.joined_at AS joined_at{{.Requested}},
    rank() OVER ({{.Within}}ORDER BY messages_total DESC) AS messages_total_rank,
    rank() OVER ({{.Within}}ORDER BY messages_chat DESC) AS messages_chat_rank,
    rank() OVER ({{.Within}}ORDER BY messages_assistants DESC) AS messages_assistants_rank,
    rank() OVER ({{.Within}}ORDER BY messages_projects DESC) AS messages_projects_rank{{.Maps}}
FROM {{.Usage}}
