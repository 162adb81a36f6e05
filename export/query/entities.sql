-- What the events say about the entities of one kind, per moment. Events are ordered by (time,
-- source, id): of several with the same time, the one with the greatest (source, id) holds.
-- attributes are those of the last description at that moment. ended says whether the last event of
-- that moment deletes the entity.
{{.Name}}_moments AS (
    SELECT entity_id, time,
        countIf(NOT deleted) > 0 AS described,
        argMaxIf(tuple({{.Values}}), (source, id), NOT deleted) AS attributes
        {{- if .Listed}},
        argMax(deleted, (source, id)) AS ended
        {{- end}}
    FROM entities FINAL
    WHERE org_id = {plan_org:String} AND kind = '{{.Kind}}' AND bitAnd(version, 1) = 0
    GROUP BY entity_id, time
),
-- One row per entity: its attributes at {at}, or else the earliest known ones; and listed, which
-- says whether the entity has a row in the export without usage.
{{.Name}}_entities AS (
    SELECT entity_id, {{.Shown}}
        {{- if and .Listed (eq .Kind "user")}},
        NOT gone AND if(isNull(joined_at), first_event < {to:DateTime64(3, 'UTC')}, assumeNotNull(joined_at) <= {end:Date32}) AS listed
        {{- else if .Listed}},
        NOT gone AND described_before AS listed
        {{- end}}
    FROM (
        SELECT entity_id,
            argMaxIf(attributes, (time <= {at:DateTime64(3, 'UTC')}, if(time <= {at:DateTime64(3, 'UTC')}, 1, -1) * toUnixTimestamp64Milli(time)), described) AS shown
            {{- if .Listed}},
            {{- if eq .Kind "user"}}
            min(time) AS first_event,
            {{- else}}
            countIf(described AND time < {to:DateTime64(3, 'UTC')}) > 0 AS described_before,
            {{- end}}
            argMaxIf(ended, time, time <= {from:DateTime64(3, 'UTC')})
                AND countIf(described AND time > {from:DateTime64(3, 'UTC')} AND time < {to:DateTime64(3, 'UTC')}) = 0 AS gone
            {{- end}}
        FROM {{.Name}}_moments
        GROUP BY entity_id
    )
)
