usage AS (
    SELECT toString(model) AS name, toString(tokens.provider) AS provider, byok AS bring_your_keys, {{.SplitUsage}}
        sum(tokens.requests) AS requests{{if .Settings.BYOK}}, {{.TokenSums}}{{end}}
    FROM tokens
    GROUP BY {{.Split}}name, provider, bring_your_keys
)
SELECT {{.Grouped}}usage.*{{.Bucket}} FROM usage{{.JoinGroup}}
