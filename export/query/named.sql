-- What each entity of some kinds was called, from which UTC day on: as it stood at the end of that
-- day, so of the descriptions of one day the last one holds. The first name of all holds before it,
-- too.
named AS (
    SELECT named_kind, entity_id, spell.1 AS since, spell.2 AS name
    FROM (
        SELECT named_kind, entity_id, arraySort(groupArray((time, called))) AS said, arrayPopFront(said.1) AS later
        FROM (
            SELECT toString(kind) AS named_kind, entity_id, time, argMax(name, (source, id)) AS called
            FROM entities FINAL
            WHERE org_id = {plan_org:String} AND kind IN ({{.NamedKinds}}) AND bitAnd(version, 1) = 0 AND NOT deleted
            GROUP BY named_kind, entity_id, time
        )
        GROUP BY named_kind, entity_id
    )
    ARRAY JOIN arrayPushFront(
        arrayMap(x -> (greatest(toDate(x.1), toDate(1)), x.2),
            arrayFilter((x, next) -> toDate32(x.1) <= {plan_to:Date} AND toDate32(x.1) != next, said,
                arrayPushBack(arrayMap(t -> toDate32(t), later), toDate32('2299-12-31')))),
        (toDate(0), said[1].2)) AS spell
)
