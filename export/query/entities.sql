-- What was said of things of one kind, per moment. Events are in the order of (time, source, id): of several of one time the greatest (source, id) holds.
-- attributes: of the last description of that moment; deleted: whether the last event of that moment ends the entity.
{{.}}_moments AS (
    SELECT entity_id, time,
        countIf(NOT e.deleted) > 0 AS described,
        argMaxIf((name, email, toString(role), joined_at, description, url, owner_id), (source, id), NOT e.deleted) AS attributes,
        argMax(e.deleted, (source, id)) AS deleted
    FROM entities AS e FINAL
    WHERE org_id = {plan_org:String} AND kind = '{{.}}' AND bitAnd(version, 1) = 0
    GROUP BY entity_id, time
),
-- One row per entity: its attributes at {at}, or the earliest known ones; and whether it is listed without usage.
{{.}}_entities AS (
    SELECT entity_id,
        if(countIf(described AND time <= at) > 0, argMaxIf(attributes, time, described AND time <= at), argMinIf(attributes, time, described)) AS shown,
        shown.1 AS name, shown.2 AS email, shown.3 AS role, shown.4 AS joined_at, shown.5 AS description, shown.6 AS url, shown.7 AS owner_id,
        argMaxIf(deleted, time, time <= period_from) AND countIf(described AND time > period_from AND time < period_to) = 0 AS gone,
        {{- if eq . "user"}}
        NOT gone AND if(isNull(joined_at), min(time) < period_to, assumeNotNull(joined_at) <= {end:Date32}) AS listed
        {{- else}}
        NOT gone AND countIf(described AND time < period_to) > 0 AS listed
        {{- end}}
    FROM (
        SELECT *, fromUnixTimestamp64Milli({at:Int64}) AS at, fromUnixTimestamp64Milli({from:Int64}) AS period_from, fromUnixTimestamp64Milli({to:Int64}) AS period_to
        FROM {{.}}_moments
    )
    GROUP BY entity_id, at, period_from, period_to
)
