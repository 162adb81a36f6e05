-- Assistants and projects. facts has the usage with their id. counted marks the messages of their
-- own channel: only those count as messages.
facts AS (
    SELECT {{.ID}} AS id, {{.GroupModel}} AS grouped, user_id AS person, channel = '{{.Kind}}' AS counted,
        {{messages.Names}}, {{tokens.Zeros}}
    FROM messages WHERE {{.ID}} != ''
    UNION ALL
    SELECT {{.ID}}, {{.GroupModel}}, user_id, 0,
        {{messages.Zeros}}, {{tokens.Zeros}}
    FROM actions WHERE {{.ID}} != ''
    UNION ALL
    SELECT {{.ID}}, {{.GroupModel}}, user_id, 0,
        {{messages.Zeros}}, {{tokens.Names}}
    FROM tokens WHERE {{.ID}} != ''
),
usage AS (
    SELECT id, grouped, 1 AS active,
        sumIf(facts.messages, counted) AS messages,
        uniqExactIf(person, counted) AS unique_users,
        uniqExactIf(person, person != '') AS active_users,
        uniqExactMergeIf(facts.conversations, counted) AS conversations,
        {{ratio "messages" "active_users" 2}} AS messages_per_user,
        sum(facts.requests) AS requests,
        {{.TokenSums}},
        {{ratio "sum_prompt_tokens" "requests" 2}} AS avg_prompt_tokens,
        minIf(prompt_tokens_min, facts.requests > 0) AS min_prompt_tokens,
        maxIf(prompt_tokens_max, facts.requests > 0) AS max_prompt_tokens,
        {{ratio "sum_completion_tokens" "requests" 2}} AS avg_completion_tokens,
        minIf(completion_tokens_min, facts.requests > 0) AS min_completion_tokens,
        maxIf(completion_tokens_max, facts.requests > 0) AS max_completion_tokens
    FROM facts
    GROUP BY id, grouped
)
SELECT usage.*, {{.Entity}} AS {{.ID}}, grouped AS model, e.name AS {{.Kind}}_name, e.description AS {{.Kind}}_description, e.url AS {{.Kind}}_url,
    {{.Person "e.owner_id"}} AS {{.Kind}}_owner_id, owner.email AS {{.Kind}}_owner_email
FROM {{.Usage}}
