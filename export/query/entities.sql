-- What the events say about the entities of one kind, per moment. Events are ordered by (time,
-- source, id): of several with the same time, the one with the greatest (source, id) holds.
-- attributes are those of the last description at that moment. ended says whether the last event of
-- that moment deletes the entity.
{{.Name}}_moments AS (
    SELECT entity_id, time,
        countIf(NOT deleted) > 0 AS described,
        argMaxIf(tuple({{.Values}}), (source, id), NOT deleted) AS attributes
        {{- if or .Listed .Removed}},
        argMax(deleted, (source, id)) AS ended
        {{- end}}
    FROM entities FINAL
    WHERE org_id = {plan_org:String} AND kind = '{{.Kind}}' AND bitAnd(version, 1) = 0
    GROUP BY entity_id, time
),
-- One row per entity: its attributes at {at}, or else the earliest known ones; and listed, which
-- says whether the entity has a row in the export without usage.
{{.Name}}_entities AS (
    SELECT entity_id, {{.Shown}}{{if .Removed}}, removed{{end}}
        {{- if .InBuckets}},
        -- the buckets (start, end, last day) in which the entity has a row without usage; said has
        -- (time, described, ended) of its moments
        arrayFilter(b -> {{if eq .Kind "user"}}if(isNull(joined_at), said[1].1 < b.2, assumeNotNull(joined_at) <= b.3){{else}}arrayExists(x -> x.2 AND x.1 < b.2, said){{end}}
            AND NOT (arrayLast(x -> x.1 <= b.1, said).3 AND NOT arrayExists(x -> x.2 AND x.1 > b.1 AND x.1 < b.2, said)),
            {listed_in:Array(Tuple(Int64, Int64, Date32))}).1 AS listed_in
        {{- if .First}}, said[1].1 AS first_event{{end}}
        {{- else if and .Listed (eq .Kind "user")}},
        NOT gone AND if(isNull(joined_at), first_event < {to:DateTime64(3, 'UTC')}, assumeNotNull(joined_at) <= {end:Date32}) AS listed
        {{- else if .Listed}},
        NOT gone AND described_before AS listed
        {{- end}}
    FROM (
        SELECT entity_id,
            argMaxIf(attributes, (time <= {at:DateTime64(3, 'UTC')}, if(time <= {at:DateTime64(3, 'UTC')}, 1, -1) * toUnixTimestamp64Milli(time)), described) AS shown
            {{- if .Removed}},
            argMaxIf(ended, time, time <= {at:DateTime64(3, 'UTC')}) AS removed
            {{- end}}
            {{- if .InBuckets}},
            arraySort(groupArray((toUnixTimestamp64Milli(time), described, ended))) AS said
            {{- else if .Listed}},
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
