-- What things of one kind are called: of several events of one time, the one with the greatest (source, id) holds.
{{.}}_states AS (
    SELECT entity_id, time,
        argMax((deleted, name, email, toString(role), joined_at, description, url, owner_id), (source, id)) AS state
    FROM entities FINAL
    WHERE org_id = {org:String} AND kind = '{{.}}' AND bitAnd(version, 1) = 0
    GROUP BY entity_id, time
),
-- One row per entity that was ever described: its attributes at {at}, or the earliest known ones; and whether it is listed without usage.
{{.}}_entities AS (
    SELECT entity_id,
        if(countIf(NOT state.1 AND time <= at) > 0, argMaxIf(state, time, NOT state.1 AND time <= at), argMinIf(state, time, NOT state.1)) AS shown,
        shown.2 AS name, shown.3 AS email, shown.4 AS role, shown.5 AS joined_at, shown.6 AS description, shown.7 AS url, shown.8 AS owner_id,
        argMaxIf(state.1, time, time <= period_from) AND countIf(NOT state.1 AND time > period_from AND time < period_to) = 0 AS gone,
        NOT gone AND {{if eq . "user"}}if(isNull(joined_at), min(time) < period_to, assumeNotNull(joined_at) <= {end:Date32}){{else}}minIf(time, NOT state.1) < period_to{{end}} AS listed
    FROM (
        SELECT *, fromUnixTimestamp64Milli({at:Int64}) AS at, fromUnixTimestamp64Milli({from:Int64}) AS period_from, fromUnixTimestamp64Milli({to:Int64}) AS period_to
        FROM {{.}}_states
    )
    GROUP BY entity_id, at, period_from, period_to
    HAVING countIf(NOT state.1) > 0
)
