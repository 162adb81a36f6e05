-- facts: the runs, and other usage that carries a workflow's id.
facts AS (
    SELECT workflow_id AS id, '' AS grouped, user_id AS person, runs AS n, toString(status) AS ended, toString(error_type) AS error, toString(trigger) AS cause,
        duration_bucket AS bucket, duration_ms_sum AS took, duration_ms_max AS longest,
        0 AS reqs, 0 AS prompt, 0 AS completion, 0 AS cached, 0 AS creation, toDecimal128(0, 9) AS cost
    FROM workflow_runs WHERE workflow_id != ''
    UNION ALL
    SELECT workflow_id, '', '', 0, '', '', '', 0, 0, 0, 0, 0, 0, 0, 0, toDecimal128(0, 9) FROM messages WHERE workflow_id != ''
    UNION ALL
    SELECT workflow_id, '', '', 0, '', '', '', 0, 0, 0, 0, 0, 0, 0, 0, toDecimal128(0, 9) FROM actions WHERE workflow_id != ''
    UNION ALL
    SELECT workflow_id, '', '', 0, '', '', '', 0, 0, 0, requests, prompt_tokens, completion_tokens, cached_prompt_tokens, cache_creation_tokens, cost_usd FROM tokens WHERE workflow_id != ''
),
usage AS (
    SELECT id, grouped, 1 AS active,
        sum(n) AS runs,
        sumIf(n, ended = 'succeeded') AS runs_succeeded,
        sumIf(n, ended = 'failed') AS runs_failed,
        sumIf(n, ended = 'cancelled') AS runs_cancelled,
        {{ratio "runs_succeeded" "runs" 4}} AS success_rate,
        uniqExactIf(person, person != '') AS unique_users,
        {{ratio "sum(took)" "runs" 2}} AS avg_duration_ms,
        max(longest) AS max_duration_ms,
        -- (buckets in order, runs in each, their durations' sum); the bucket that holds element ⌈0.95·n⌉ stands for it by its mean, at most 1 % away
        sumMapIf([bucket], [n], [took], n > 0) AS spread,
        arrayFirstIndex(reached -> reached >= intDiv(95 * runs + 99, 100), arrayCumSum(spread.2)) AS at,
        if(runs = 0, 0, intDiv(2 * spread.3[at] + spread.2[at], 2 * spread.2[at])) AS p95_duration_ms,
        sumMapIf([error], [n], error != '') AS errors,
        mapFromArrays(errors.1, arrayMap(x -> toUInt64(x), errors.2)) AS error_to_runs,
        sumMapIf([cause], [n], cause != '') AS causes,
        mapFromArrays(causes.1, arrayMap(x -> toUInt64(x), causes.2)) AS trigger_to_runs,
        sum(reqs) AS requests,
        {{.TokenSums}}
    FROM facts
    GROUP BY id, grouped
)
SELECT usage.*, {{.Entity}} AS workflow_id, e.name AS workflow_name, {{.Person "e.owner_id"}} AS workflow_owner_id, owner.email AS workflow_owner_email
FROM {{.Usage}}
