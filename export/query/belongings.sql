-- What each user belonged to, from which UTC day on: as it stood at the end of that day, so of the
-- descriptions of one day the last one holds. What the first of all says holds before it, too.
belongings AS (
    SELECT entity_id AS person, spell.1 AS since, spell.2 AS department, spell.3 AS group_ids
    FROM (
        SELECT entity_id, arraySort(groupArray((time, place.1, place.2))) AS said, arrayPopFront(said.1) AS later
        FROM (
            SELECT entity_id, time, argMax((department, group_ids), (source, id)) AS place
            FROM entities FINAL
            WHERE org_id = {plan_org:String} AND kind = 'user' AND bitAnd(version, 1) = 0 AND NOT deleted
            GROUP BY entity_id, time
        )
        GROUP BY entity_id
    )
    ARRAY JOIN arrayPushFront(
        arrayMap(x -> (greatest(toDate(x.1), toDate(1)), x.2, x.3),
            arrayFilter((x, next) -> toDate32(x.1) <= {plan_to:Date} AND toDate32(x.1) != next, said,
                arrayPushBack(arrayMap(t -> toDate32(t), later), toDate32('2299-12-31')))),
        (toDate(0), said[1].2, said[1].3)) AS spell
)
