-- facts has the runs, and other usage with a workflow's id.
facts AS (
    SELECT workflow_id AS id, {{.Split}}user_id AS person, toString(status) AS ended, toString(error_type) AS error, toString(trigger) AS cause, duration_bucket,
        {{workflow_runs.Names}}{{.NoTokens}}
    FROM workflow_runs WHERE workflow_id != ''
    UNION ALL
    SELECT workflow_id, {{.Split}}'', '', '', '', 0, {{workflow_runs.Zeros}}{{.NoTokens}} FROM messages WHERE workflow_id != ''
    UNION ALL
    SELECT workflow_id, {{.Split}}'', '', '', '', 0, {{workflow_runs.Zeros}}{{.NoTokens}} FROM actions WHERE workflow_id != ''
    UNION ALL
    SELECT workflow_id, {{.Split}}'', '', '', '', 0, {{workflow_runs.Zeros}}{{.Tokens}} FROM tokens WHERE workflow_id != ''
),
usage AS (
    SELECT id, {{.Split}}1 AS active,
        sum(facts.runs) AS runs,
        sumIf(facts.runs, ended = 'succeeded') AS runs_succeeded,
        sumIf(facts.runs, ended = 'failed') AS runs_failed,
        sumIf(facts.runs, ended = 'cancelled') AS runs_cancelled,
        {{ratio "runs_succeeded" "runs" 4}} AS success_rate,
        uniqExactIf(person, person != '') AS unique_users,
        {{ratio "sum(duration_ms_sum)" "runs" 2}} AS avg_duration_ms,
        max(duration_ms_max) AS max_duration_ms,
        -- spread is (buckets in order, runs in each, sum of their durations). The p95 is the mean
        -- of the bucket that has element ⌈0.95·n⌉. It differs from that element by at most 1 %.
        sumMapIf([facts.duration_bucket], [facts.runs], [duration_ms_sum], facts.runs > 0) AS spread,
        arrayFirstIndex(reached -> reached >= intDiv(95 * runs + 99, 100), arrayCumSum(spread.2)) AS at,
        if(runs = 0, 0, intDiv(2 * spread.3[at] + spread.2[at], 2 * spread.2[at])) AS p95_duration_ms,
        sumMapIf([error], [facts.runs], error != '') AS errors,
        mapFromArrays(errors.1, arrayMap(x -> toUInt64(x), errors.2)) AS error_to_runs,
        sumMapIf([cause], [facts.runs], cause != '') AS causes,
        mapFromArrays(causes.1, arrayMap(x -> toUInt64(x), causes.2)) AS trigger_to_runs
        {{- if .Settings.BYOK}},
        sum(facts.requests) AS requests,
        {{.TokenSums}}
        {{- end}}
    FROM facts
    GROUP BY {{.Split}}id
)
SELECT usage.* EXCEPT id{{.Bucket}}, {{.Entity}} AS workflow_id, e.name AS workflow_name, {{.Owner}}{{.Requested}}{{.Maps}}
FROM {{.Usage}}
