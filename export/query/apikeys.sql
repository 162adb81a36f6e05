-- facts has the usage with an API key.
facts AS (
    SELECT api_key_id AS id, {{.SplitUsage}}{{tokens.Sums.Names}} FROM tokens WHERE api_key_id != ''
    UNION ALL
    SELECT api_key_id, {{.SplitUsage}}{{tokens.Sums.Zeros}} FROM messages WHERE api_key_id != ''
),
usage AS (
    SELECT id, {{.Split}}1 AS active, sum(facts.requests) AS requests, {{.TokenSums}}
    FROM facts
    GROUP BY {{.Split}}id
)
SELECT usage.* EXCEPT id{{.Bucket}}, {{.Entity}} AS api_key_id, {{.Grouped}}e.name AS api_key_name,
    sum_cached_prompt_tokens AS cached_prompt_tokens, sum_cache_creation_tokens AS cache_creation_tokens
FROM {{.Usage}}
