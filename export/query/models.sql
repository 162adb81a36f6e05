usage AS (
    SELECT toString(model) AS name, toString(tokens.provider) AS provider, byok AS bring_your_keys, {{.GroupToken}} AS grouped,
        sum(tokens.requests) AS requests, sum(prompt_tokens) AS sum_prompt_tokens, sum(completion_tokens) AS sum_completion_tokens,
        sum(cached_prompt_tokens) AS sum_cached_prompt_tokens, sum(cache_creation_tokens) AS sum_cache_creation_tokens,
        if(sum_prompt_tokens > sum_cached_prompt_tokens, sum_prompt_tokens - sum_cached_prompt_tokens, 0) AS no_cache_tokens,
        sum(cost_usd) AS total_cost_usd
    FROM tokens
    GROUP BY name, provider, bring_your_keys, grouped
)
SELECT *, grouped AS source, grouped AS deployment FROM usage
