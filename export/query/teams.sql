-- Departments and groups. facts has all usage, by where the user belonged at the time, those who
-- are members, and what is known without either.
facts AS (
    SELECT {{.Team}} AS id, {{.Split}}user_id AS person, {{messages.Sums.Names}}, {{tokens.Sums.Zeros}}, 0 AS member, 1 AS shown
    FROM messages
    UNION ALL
    SELECT {{.Team}}, {{.Split}}user_id, {{messages.Sums.Zeros}}, {{tokens.Sums.Zeros}}, 0, 1
    FROM actions
    UNION ALL
    SELECT {{.Team}}, {{.Split}}user_id, {{messages.Sums.Zeros}}, {{tokens.Sums.Names}}, 0, 1
    FROM tokens
    UNION ALL
    SELECT {{.Team}}, {{.Split}}user_id, {{messages.Sums.Zeros}}, {{tokens.Sums.Zeros}}, 0, 1
    FROM workflow_runs
    UNION ALL
    SELECT {{.MemberOf}}, {{.Split}}'', {{messages.Sums.Zeros}}, {{tokens.Sums.Zeros}}, 1, {{if .WithoutInactive}}0{{else}}1{{end}}
    FROM members LEFT JOIN user_entities AS e ON e.entity_id = members.person{{.MemberWhere}}
    {{- if and (eq .Kind "group") (not .WithoutInactive)}}
    UNION ALL
    SELECT entity_id, {{.Split}}'', {{messages.Sums.Zeros}}, {{tokens.Sums.Zeros}}, 0, 1
    FROM {{.Listed "group"}}
    {{- end}}
),
usage AS (
    SELECT id, {{.Split}}max(shown) AS active,
        sum(member) AS members,
        uniqExactIf(person, person != '') AS active_users,
        sum(facts.messages) AS messages,
        sum(facts.requests) AS requests
        {{- if .Settings.BYOK}},
        {{.TokenSums}}
        {{- end}}
    FROM facts
    {{- if .OwnFilter}}
    WHERE id IN {{.OwnFilter}}
    {{- end}}
    GROUP BY {{.Split}}id
    HAVING active
)
SELECT usage.* EXCEPT id{{.Bucket}}, usage.id AS {{.ID}}{{if eq .Kind "group"}}, e.name AS group_name{{end}}
FROM usage{{if eq .Kind "group"}} LEFT JOIN group_entities AS e ON e.entity_id = usage.id{{end}}
