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
-- A membership is a bucket with usage of someone, or with a row in a users export without usage.
-- Both are (start, date, days, people, people who had no day before in the bucket, messages,
-- requests, members, new members); a membership has no days.
everyone AS (
    SELECT
        arrayMap((day, next, previous) -> (day.1, day.2, least(next - day.2, 30), toUInt64(people.person != ''), toUInt64(people.person != '' AND previous < {{.BucketOf "day.1"}}), day.3, day.4, toUInt64(0), toUInt64(0)),
            used, arraySlice(arrayPushBack(used.2, 1000000), 2), arrayPopBack(arrayPushFront(used.1, -1))) AS spells,
        {{if .Filters}}p.buckets{{else}}if(people.person = '', [], arrayMap(day -> {{.BucketOf "day.1"}}, arrayFilter(day -> day.1 >= {bucket_starts:Array(Int64)}[1], used))){{end}} AS present_in,
        {{.JoinedIn}} AS joined_in,
        arrayMap(bucket -> (bucket, 0, 0, toUInt64(0), toUInt64(0), toUInt64(0), toUInt64(0), toUInt64(1), toUInt64(bucket = joined_in)),
            if({{.IsMember}}, arrayDistinct(arrayConcat(present_in, e.listed_in)), [])) AS memberships
    FROM people
    FULL JOIN user_entities AS e ON e.entity_id = people.person
    {{- if .Filters}}
    FULL JOIN (SELECT person AS present_person, groupArray(bucket) AS buckets FROM present WHERE person != '' GROUP BY person) AS p
        ON present_person = if(people.person = '', e.entity_id, people.person)
    {{- end}}
),
days AS (
    SELECT it.1 AS start, it.2 AS date, it.3 AS lasts, sum(it.4) AS people, sum(it.5) AS first_in_bucket,
        sum(it.6) AS messages, sum(it.7) AS requests, sum(it.8) AS members, sum(it.9) AS new_members
    FROM everyone
    ARRAY JOIN arrayConcat(spells, memberships) AS it
    GROUP BY start, date, lasts
),
buckets AS (
    SELECT said.1 AS bucket, toInt32(toDate32(said.2)) AS last_day
    FROM (SELECT arrayJoin(arrayZip({bucket_starts:Array(Int64)}, {bucket_tos:Array(String)})) AS said)
),
usage AS (
    SELECT bucket,
        countIf(start >= bucket AND lasts > 0) > 0 AS active,
        sumIf(days.members, start = bucket) AS members,
        sumIf(days.new_members, start = bucket) AS new_members,
        sumIf(first_in_bucket, start >= bucket) AS active_users,
        sumIf(people, last_day - date < least(lasts, 7)) AS active_users_7d,
        sumIf(people, last_day - date < lasts) AS active_users_30d,
        sumIf(days.messages, start >= bucket) AS messages,
        sumIf(days.requests, start >= bucket) AS requests
    FROM buckets CROSS JOIN days
    WHERE date <= last_day
    GROUP BY bucket
)
SELECT b.bucket AS bucket_start, usage.members AS members, usage.new_members AS new_members, usage.active_users AS active_users,
    if({{.Exportable 7}}, usage.active_users_7d, NULL) AS active_users_7d,
    if({{.Exportable 30}}, usage.active_users_30d, NULL) AS active_users_30d,
    if({{.Exportable 30}}, {{ratio "usage.active_users_30d" "usage.members" 4}}, NULL) AS adoption_rate_30d,
    usage.messages AS messages, usage.requests AS requests
FROM buckets AS b
LEFT JOIN usage ON usage.bucket = b.bucket
WHERE usage.active OR b.bucket IN (SELECT arrayJoin({listed_in:Array(Tuple(Int64, Int64, Date32))}).1)
