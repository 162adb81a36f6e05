-- The users who have a row in a users export with inactive ones.
members AS (
    SELECT {{.Split}}person FROM present WHERE person != ''
    UNION DISTINCT
    SELECT {{.Split}}entity_id FROM {{.Listed "user"}}
)
