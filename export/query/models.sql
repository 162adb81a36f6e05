usage AS (
    SELECT toString(model) AS name, toString(tokens.provider) AS provider, byok AS bring_your_keys, {{.GroupToken}} AS grouped,
        sum(tokens.requests) AS requests,
        {{.TokenSums}}
    FROM tokens
    GROUP BY name, provider, bring_your_keys, grouped
)
SELECT *, grouped AS source, grouped AS deployment FROM usage
