usage AS (
    SELECT toString(model) AS name, toString(tokens.provider) AS provider, byok AS bring_your_keys, {{.GroupToken}}
        sum(tokens.requests) AS requests{{if .Settings.BYOK}}, {{.TokenSums}}{{end}}
    FROM tokens
    GROUP BY {{.Group}}name, provider, bring_your_keys
)
SELECT *{{if .GroupBy}}, grouped AS {{.GroupBy}}{{end}} FROM usage
