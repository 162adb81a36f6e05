-- facts has all usage from the first day of the first window on.
facts AS (
    SELECT user_id AS person, local_day, messages, 0 AS requests FROM messages
    UNION ALL
    SELECT user_id, local_day, 0, 0 FROM actions
    UNION ALL
    SELECT user_id, local_day, 0, requests FROM tokens
    UNION ALL
    SELECT user_id, local_day, 0, 0 FROM workflow_runs
),
-- One row per person, with the days on which it used something: (start, date, messages, requests).
-- Dates are numbers of days since 1970.
people AS (
    SELECT person, arraySort(groupArray((local_day, {{.LocalDate}}, messages, requests))) AS used
    FROM (
        SELECT person, local_day, sum(facts.messages) AS messages, sum(facts.requests) AS requests
        FROM facts
        GROUP BY person, local_day
    )
    GROUP BY person
),
-- A spell is a day on which someone used something and the days after it until the next such day,
-- 30 days at most. So in a window of the days that end with a day, as many people used something as
-- have a spell that covers that day and began within the window.
spells AS (
    SELECT used.1 AS start, used.2 AS date, least(next - date, 30) AS lasts,
        countIf(person != '') AS people,
        countIf(person != '' AND previous < roundDown(start, {bucket_starts:Array(Int64)})) AS first_in_bucket,
        sum(used.3) AS messages,
        sum(used.4) AS requests
    FROM people
    ARRAY JOIN used, arrayPushBack(arrayPopFront(used.2), 1000000) AS next, arrayPushFront(arrayPopBack(used.1), -1) AS previous
    GROUP BY start, date, lasts
),
buckets AS (
    SELECT said.1 AS bucket, toInt32(toDate32(said.2)) AS last_day
    FROM (SELECT arrayJoin(arrayZip({bucket_starts:Array(Int64)}, {bucket_tos:Array(String)})) AS said)
),
usage AS (
    SELECT bucket,
        countIf(start >= bucket) > 0 AS active,
        sumIf(first_in_bucket, start >= bucket) AS active_users,
        sumIf(people, last_day - date < least(lasts, 7)) AS active_users_7d,
        sumIf(people, last_day - date < lasts) AS active_users_30d,
        sumIf(spells.messages, start >= bucket) AS messages,
        sumIf(spells.requests, start >= bucket) AS requests
    FROM buckets CROSS JOIN spells
    WHERE date <= last_day
    GROUP BY bucket
),
-- The members of each bucket: who used something, and who has a row in a users export without.
members AS (
    SELECT arrayJoin(all_buckets) AS bucket, count() AS members, countIf(bucket = joined_in) AS new_members
    FROM (
        SELECT arrayDistinct(arrayConcat(p.buckets, e.listed_in)) AS all_buckets, {{.JoinedIn}} AS joined_in
        FROM (SELECT person, groupArray(bucket) AS buckets FROM present WHERE person != '' GROUP BY person) AS p
        FULL JOIN user_entities AS e ON e.entity_id = p.person{{.MemberWhere}}
    )
    GROUP BY bucket
)
SELECT b.bucket AS bucket_start, members.members AS members, members.new_members AS new_members, usage.active_users AS active_users,
    if({{.Exportable 7}}, usage.active_users_7d, NULL) AS active_users_7d,
    if({{.Exportable 30}}, usage.active_users_30d, NULL) AS active_users_30d,
    if({{.Exportable 30}}, {{ratio "usage.active_users_30d" "members.members" 4}}, NULL) AS adoption_rate_30d,
    usage.messages AS messages, usage.requests AS requests
FROM buckets AS b
LEFT JOIN usage ON usage.bucket = b.bucket
LEFT JOIN members ON members.bucket = b.bucket
WHERE usage.active OR b.bucket IN (SELECT arrayJoin({listed_in:Array(Tuple(Int64, Int64, Date32))}).1)
