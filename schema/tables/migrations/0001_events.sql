-- The event log: a set of events, whatever the order, batching, retries or replays that filled it.
--
-- ORDER BY (org_id, day, type, event_id): identity. event_id is a 128-bit hash of (type, source, id), so one key is one event; type stands before it only so that
--   a reader of one type skips the others by the primary index. An export or a recompute reads one org and a range of days: one contiguous run of granules.
-- ReplacingMergeTree(version): of copies that differ in content, the highest content hash wins, the same one in every order of arrival.
-- PARTITION BY month: FINAL never has to look across partitions (the day is part of the key), and a replay of a year is 13 partitions, not 400.
-- TTL 13 months and a day: one month longer than the rollups, so that every exportable day can still be recomputed or read live.
-- Codecs: hashes do not compress (NONE); everything else is short, repetitive text in hash order, where ZSTD(1) takes about half of LZ4's space.
CREATE TABLE IF NOT EXISTS events
(
    org_id                LowCardinality(String)  CODEC(ZSTD(1)),
    day                   Date                    CODEC(ZSTD(1)),
    type                  Enum8('message' = 1, 'action' = 2, 'token' = 3, 'workflow_run' = 4) CODEC(ZSTD(1)),
    event_id              FixedString(16)         CODEC(NONE),
    version               UInt64                  COMMENT 'hash of the content; the lowest bit is 1 for an erased event only' CODEC(NONE),

    time                  DateTime64(3, 'UTC')    CODEC(ZSTD(1)),
    source                LowCardinality(String)  CODEC(ZSTD(1)),
    id                    String                  CODEC(ZSTD(1)),

    user_id               String                  CODEC(ZSTD(1)),
    channel               LowCardinality(String)  CODEC(ZSTD(1)),
    action                LowCardinality(String)  CODEC(ZSTD(1)),
    assistant_id          String                  CODEC(ZSTD(1)),
    project_id            String                  CODEC(ZSTD(1)),
    workflow_id           String                  CODEC(ZSTD(1)),
    conversation_id       String                  CODEC(ZSTD(1)),
    api_key_id            String                  CODEC(ZSTD(1)),
    model                 LowCardinality(String)  CODEC(ZSTD(1)),
    client                LowCardinality(String)  CODEC(ZSTD(1)),

    provider              LowCardinality(String)  CODEC(ZSTD(1)),
    deployment            LowCardinality(String)  CODEC(ZSTD(1)),
    byok                  Bool                    CODEC(ZSTD(1)),
    prompt_tokens         UInt32                  CODEC(ZSTD(1)),
    completion_tokens     UInt32                  CODEC(ZSTD(1)),
    cached_prompt_tokens  UInt32                  CODEC(ZSTD(1)),
    cache_creation_tokens UInt32                  CODEC(ZSTD(1)),
    cost_usd              Decimal(38, 9)          CODEC(ZSTD(1)),

    run_id                String                  CODEC(ZSTD(1)),
    status                LowCardinality(String)  CODEC(ZSTD(1)),
    error_type            LowCardinality(String)  CODEC(ZSTD(1)),
    trigger               LowCardinality(String)  CODEC(ZSTD(1)),
    duration_ms           UInt32                  CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(day)
ORDER BY (org_id, day, type, event_id)
TTL toDateTime(day, 'UTC') + INTERVAL 13 MONTH + INTERVAL 1 DAY
SETTINGS merge_with_ttl_timeout = 3600, ttl_only_drop_parts = 0;
