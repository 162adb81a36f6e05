-- What the events say about the entities of one kind, per moment. Events are ordered by (time,
-- source, id): of several with the same time, the one with the greatest (source, id) holds.
-- attributes are those of the last description at that moment. ended says whether the last event of
-- that moment deletes the entity.
{{.}}_moments AS (
    SELECT entity_id, time,
        countIf(NOT deleted) > 0 AS described,
        argMaxIf((name, email, toString(role), joined_at, description, url, owner_id), (source, id), NOT deleted) AS attributes,
        argMax(deleted, (source, id)) AS ended
    FROM entities FINAL
    WHERE org_id = {plan_org:String} AND kind = '{{.}}' AND bitAnd(version, 1) = 0
    GROUP BY entity_id, time
),
-- One row per entity: its attributes at {at}, or else the earliest known ones; and listed, which
-- says whether the entity has a row in the export without usage.
{{.}}_entities AS (
    SELECT entity_id, shown.1 AS name, shown.2 AS email, shown.3 AS role, shown.4 AS joined_at, shown.5 AS description, shown.6 AS url, shown.7 AS owner_id,
        {{- if eq . "user"}}
        NOT gone AND if(isNull(shown.4), first_event < fromUnixTimestamp64Milli({to:Int64}), assumeNotNull(shown.4) <= {end:Date32}) AS listed
        {{- else}}
        NOT gone AND described_before AS listed
        {{- end}}
    FROM (
        SELECT entity_id,
            argMaxIf(attributes, (time <= fromUnixTimestamp64Milli({at:Int64}), if(time <= fromUnixTimestamp64Milli({at:Int64}), 1, -1) * toUnixTimestamp64Milli(time)), described) AS shown,
            min(time) AS first_event,
            countIf(described AND time < fromUnixTimestamp64Milli({to:Int64})) > 0 AS described_before,
            argMaxIf(ended, time, time <= fromUnixTimestamp64Milli({from:Int64}))
                AND countIf(described AND time > fromUnixTimestamp64Milli({from:Int64}) AND time < fromUnixTimestamp64Milli({to:Int64})) = 0 AS gone
        FROM {{.}}_moments
        GROUP BY entity_id
    )
)
