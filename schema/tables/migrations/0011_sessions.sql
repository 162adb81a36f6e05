-- The page's sessions that were signed out. A session itself is a signed cookie and stored nowhere; a row here ends it, on every process, with its next request.
-- A row is kept a day longer than its cookie lives, since hosts' clocks differ.
CREATE TABLE IF NOT EXISTS ended_sessions
(
    session_id String,
    expires_at DateTime64(3, 'UTC') COMMENT 'of the cookie; after that it is invalid by itself'
)
ENGINE = ReplacingMergeTree
ORDER BY session_id
TTL toDateTime(expires_at, 'UTC') + INTERVAL 1 DAY
SETTINGS merge_with_ttl_timeout = 3600;
