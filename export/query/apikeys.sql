-- facts: usage that carries an API key.
facts AS (
    SELECT api_key_id AS id, {{.GroupModel}} AS grouped,
        requests AS reqs, prompt_tokens AS prompt, completion_tokens AS completion, cached_prompt_tokens AS cached, cache_creation_tokens AS creation, cost_usd AS cost
    FROM tokens WHERE api_key_id != ''
    UNION ALL
    SELECT api_key_id, {{.GroupModel}}, 0, 0, 0, 0, 0, toDecimal128(0, 9) FROM messages WHERE api_key_id != ''
),
usage AS (
    SELECT id, grouped, 1 AS active, sum(reqs) AS requests, {{.TokenSums}},
        sum_cached_prompt_tokens AS cached_prompt_tokens, sum_cache_creation_tokens AS cache_creation_tokens
    FROM facts
    GROUP BY id, grouped
)
SELECT usage.*, {{.Entity}} AS api_key_id, grouped AS model, e.name AS api_key_name
FROM {{.Usage}}
