-- The days of the period's zone on which there was any usage of an entity.
activity AS (
    SELECT id, {{range .SplitNames}}{{.}} AS activity_{{.}}, {{end}}uniqExact(local_day) AS active_days, min(local_day) AS first_day, max(local_day) AS last_day
    FROM (
        SELECT {{.ID}} AS id, {{.SplitUsage}}local_day FROM messages WHERE {{.ID}} != ''
        UNION ALL
        SELECT {{.ID}}, {{.SplitUsage}}local_day FROM actions WHERE {{.ID}} != ''
        UNION ALL
        SELECT {{.ID}}, {{.SplitUsage}}local_day FROM tokens WHERE {{.ID}} != ''
        {{- if or (eq .Kind "user") (eq .Kind "workflow")}}
        UNION ALL
        SELECT {{.ID}}, {{.SplitOther}}local_day FROM workflow_runs WHERE {{.ID}} != ''
        {{- end}}
    )
    GROUP BY {{.Split}}id
)
