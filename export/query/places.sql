-- Assistants and projects. facts: usage that carries their id; of the messages, those of their own channel are counted.
facts AS (
    SELECT {{.ID}} AS id, {{.GroupModel}} AS grouped, user_id AS person, channel = '{{.Kind}}' AS counted, messages AS n, conversations AS talks,
        0 AS reqs, 0 AS prompt, 0 AS completion, 0 AS cached, 0 AS creation, toDecimal128(0, 9) AS cost, 0 AS prompt_min, 0 AS prompt_max, 0 AS completion_min, 0 AS completion_max
    FROM messages WHERE {{.ID}} != ''
    UNION ALL
    SELECT {{.ID}}, {{.GroupModel}}, user_id, 0, 0, {{.NoTalks}}, 0, 0, 0, 0, 0, toDecimal128(0, 9), 0, 0, 0, 0 FROM actions WHERE {{.ID}} != ''
    UNION ALL
    SELECT {{.ID}}, {{.GroupModel}}, user_id, 0, 0, {{.NoTalks}}, requests, prompt_tokens, completion_tokens, cached_prompt_tokens, cache_creation_tokens, cost_usd,
        prompt_tokens_min, prompt_tokens_max, completion_tokens_min, completion_tokens_max
    FROM tokens WHERE {{.ID}} != ''
),
usage AS (
    SELECT id, grouped, 1 AS active,
        sumIf(n, counted) AS messages,
        uniqExactIf(person, counted) AS unique_users,
        uniqExactIf(person, person != '') AS active_users,
        uniqExactMergeIf(talks, counted) AS conversations,
        {{ratio "messages" "active_users" 2}} AS messages_per_user,
        sum(reqs) AS requests,
        {{.TokenSums}},
        {{ratio "sum_prompt_tokens" "requests" 2}} AS avg_prompt_tokens,
        minIf(prompt_min, reqs > 0) AS min_prompt_tokens,
        maxIf(prompt_max, reqs > 0) AS max_prompt_tokens,
        {{ratio "sum_completion_tokens" "requests" 2}} AS avg_completion_tokens,
        minIf(completion_min, reqs > 0) AS min_completion_tokens,
        maxIf(completion_max, reqs > 0) AS max_completion_tokens
    FROM facts
    GROUP BY id, grouped
)
SELECT usage.*, {{.Entity}} AS {{.ID}}, grouped AS model, e.name AS {{.Kind}}_name, e.description AS {{.Kind}}_description, e.url AS {{.Kind}}_url,
    {{.Person "e.owner_id"}} AS {{.Kind}}_owner_id, owner.email AS {{.Kind}}_owner_email
FROM {{.Usage}}
