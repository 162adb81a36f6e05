-- Assistants and projects. facts has the usage with their id. counted marks the messages of their
-- own channel: only those count as messages.
facts AS (
    SELECT {{.ID}} AS id, {{.SplitUsage}}user_id AS person, channel = '{{.Kind}}' AS counted, {{messages.Names}}{{.NoTokens}}
    FROM messages WHERE {{.ID}} != ''
    UNION ALL
    SELECT {{.ID}}, {{.SplitUsage}}user_id, 0, {{messages.Zeros}}{{.NoTokens}}
    FROM actions WHERE {{.ID}} != ''
    UNION ALL
    SELECT {{.ID}}, {{.SplitUsage}}user_id, 0, {{messages.Zeros}}{{.Tokens}}
    FROM tokens WHERE {{.ID}} != ''
),
usage AS (
    SELECT id, {{.Split}}1 AS active,
        sumIf(facts.messages, counted) AS messages,
        uniqExactIf(person, counted) AS unique_users,
        uniqExactIf(person, person != '') AS active_users,
        uniqExactMergeIf(facts.conversations, counted) AS conversations
        {{- if eq .Kind "assistant"}},
        {{ratio "messages" "active_users" 2}} AS messages_per_user
        {{- end}}
        {{- if .Settings.BYOK}},
        sum(facts.requests) AS requests,
        {{.TokenSums}}
        {{- if eq .Kind "assistant"}},
        {{ratio "sum_prompt_tokens" "requests" 2}} AS avg_prompt_tokens,
        minIf(prompt_tokens_min, facts.requests > 0) AS min_prompt_tokens,
        maxIf(prompt_tokens_max, facts.requests > 0) AS max_prompt_tokens,
        {{ratio "sum_completion_tokens" "requests" 2}} AS avg_completion_tokens,
        minIf(completion_tokens_min, facts.requests > 0) AS min_completion_tokens,
        maxIf(completion_tokens_max, facts.requests > 0) AS max_completion_tokens
        {{- end}}
        {{- end}}
    FROM facts
    GROUP BY {{.Split}}id
)
SELECT usage.* EXCEPT id{{.Bucket}}, {{.Entity}} AS {{.ID}}, {{.Grouped}}e.name AS {{.Kind}}_name,
    {{if eq .Kind "assistant"}}e.description AS assistant_description, e.url AS assistant_url, {{end -}}
    {{.Owner}}{{.Requested}}
FROM {{.Usage}}
