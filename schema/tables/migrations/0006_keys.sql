-- Workspace keys. The key itself is shown once; here rests a salted hash of it.
CREATE TABLE IF NOT EXISTS keys
(
    key_id     String,
    org_id     String,
    name       String,
    salt       FixedString(16),
    hash       FixedString(32) COMMENT 'SHA-256 of salt and secret; the secret is 256 random bits',
    scopes     Array(LowCardinality(String)),
    created_at DateTime64(3, 'UTC'),
    expires_at Nullable(DateTime64(3, 'UTC')),
    revoked_at Nullable(DateTime64(3, 'UTC')),
    updated_at DateTime64(6, 'UTC')
)
ENGINE = ReplacingMergeTree(updated_at)
ORDER BY key_id;

-- Who asked for which data. The row with outcome 'started' is written before the first byte; the end replaces it.
CREATE TABLE IF NOT EXISTS export_audit
(
    request_id   UUID,
    org_id       LowCardinality(String),
    credential   Enum8('key' = 1, 'session' = 2, 'link' = 3),
    key_id       String,
    key_name     String,
    data_type    LowCardinality(String),
    format       LowCardinality(String),
    period_start Date32,
    period_end   Date32,
    request      String COMMENT 'method, path and query',
    started_at   DateTime64(3, 'UTC'),
    finished_at  DateTime64(3, 'UTC') COMMENT '1970-01-01 while it runs',
    outcome      LowCardinality(String) COMMENT 'started, complete, not_modified, refused, failed, aborted',
    status       UInt16,
    bytes        UInt64 COMMENT 'of the body as sent before compression',
    rows         Nullable(UInt64) COMMENT 'where known'
)
ENGINE = ReplacingMergeTree(finished_at)
PARTITION BY toYYYYMM(started_at)
ORDER BY (org_id, started_at, request_id)
TTL toDateTime(started_at, 'UTC') + INTERVAL 24 MONTH
SETTINGS merge_with_ttl_timeout = 3600;
