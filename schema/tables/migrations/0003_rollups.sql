-- The daily rollups: what exports read of clean slices. Each row belongs to one generation of one slice; only the generation named by the plan is read.
--
-- ORDER BY (org_id, day, generation, ids…): an export reads (org, days, generations) as contiguous runs, already grouped by the id it groups by.
-- MergeTree, not Summing or Replacing: a generation is written once and counted against its manifest; nothing is left to a merge.
-- TTL 12 months and a day. The keys of the exports' maps (assistant, project, model, action, …) are key columns; the JSON is made in the export.
CREATE TABLE IF NOT EXISTS message_daily
(
    org_id        LowCardinality(String) CODEC(ZSTD(1)),
    day           Date                   CODEC(ZSTD(1)),
    generation    UUID                   CODEC(ZSTD(1)),
    user_id       String                 CODEC(ZSTD(1)),
    channel       LowCardinality(String) CODEC(ZSTD(1)),
    model         LowCardinality(String) CODEC(ZSTD(1)),
    assistant_id  String                 CODEC(ZSTD(1)),
    project_id    String                 CODEC(ZSTD(1)),
    workflow_id   String                 CODEC(ZSTD(1)),
    api_key_id    String                 CODEC(ZSTD(1)),
    messages      UInt64                 CODEC(ZSTD(1)),
    conversations AggregateFunction(uniqExact, String) COMMENT 'distinct conversation ids: a set, since days overlap' CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (org_id, day, generation, user_id, channel, model)
TTL toDateTime(day, 'UTC') + INTERVAL 12 MONTH + INTERVAL 1 DAY
SETTINGS merge_with_ttl_timeout = 3600, ttl_only_drop_parts = 0;

CREATE TABLE IF NOT EXISTS action_daily
(
    org_id       LowCardinality(String) CODEC(ZSTD(1)),
    day          Date                   CODEC(ZSTD(1)),
    generation   UUID                   CODEC(ZSTD(1)),
    user_id      String                 CODEC(ZSTD(1)),
    action       LowCardinality(String) CODEC(ZSTD(1)),
    model        LowCardinality(String) CODEC(ZSTD(1)),
    assistant_id String                 CODEC(ZSTD(1)),
    project_id   String                 CODEC(ZSTD(1)),
    workflow_id  String                 CODEC(ZSTD(1)),
    messages     UInt64                 COMMENT 'action events: each stands for one message' CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (org_id, day, generation, user_id, action, model)
TTL toDateTime(day, 'UTC') + INTERVAL 12 MONTH + INTERVAL 1 DAY
SETTINGS merge_with_ttl_timeout = 3600, ttl_only_drop_parts = 0;

CREATE TABLE IF NOT EXISTS token_daily
(
    org_id                LowCardinality(String) CODEC(ZSTD(1)),
    day                   Date                   CODEC(ZSTD(1)),
    generation            UUID                   CODEC(ZSTD(1)),
    user_id               String                 CODEC(ZSTD(1)),
    api_key_id            String                 CODEC(ZSTD(1)),
    model                 LowCardinality(String) CODEC(ZSTD(1)),
    provider              LowCardinality(String) CODEC(ZSTD(1)),
    deployment            LowCardinality(String) CODEC(ZSTD(1)),
    byok                  Bool                   CODEC(ZSTD(1)),
    client                LowCardinality(String) CODEC(ZSTD(1)),
    assistant_id          String                 CODEC(ZSTD(1)),
    project_id            String                 CODEC(ZSTD(1)),
    workflow_id           String                 CODEC(ZSTD(1)),
    requests              UInt64                 CODEC(ZSTD(1)),
    prompt_tokens         UInt64                 CODEC(ZSTD(1)),
    completion_tokens     UInt64                 CODEC(ZSTD(1)),
    cached_prompt_tokens  UInt64                 CODEC(ZSTD(1)),
    cache_creation_tokens UInt64                 CODEC(ZSTD(1)),
    cost_usd              Decimal(38, 9)         CODEC(ZSTD(1)),
    prompt_tokens_min     UInt32                 CODEC(ZSTD(1)),
    prompt_tokens_max     UInt32                 CODEC(ZSTD(1)),
    completion_tokens_min UInt32                 CODEC(ZSTD(1)),
    completion_tokens_max UInt32                 CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (org_id, day, generation, user_id, api_key_id, model)
TTL toDateTime(day, 'UTC') + INTERVAL 12 MONTH + INTERVAL 1 DAY
SETTINGS merge_with_ttl_timeout = 3600, ttl_only_drop_parts = 0;

-- duration_bucket: each bucket spans at most 1 % (one bucket per value up to 100 ms), so the nearest-rank p95 read as its bucket's mean is within 1 %.
CREATE TABLE IF NOT EXISTS workflow_daily
(
    org_id          LowCardinality(String) CODEC(ZSTD(1)),
    day             Date                   CODEC(ZSTD(1)),
    generation      UUID                   CODEC(ZSTD(1)),
    workflow_id     String                 CODEC(ZSTD(1)),
    user_id         String                 CODEC(ZSTD(1)),
    status          LowCardinality(String) CODEC(ZSTD(1)),
    error_type      LowCardinality(String) CODEC(ZSTD(1)),
    trigger         LowCardinality(String) CODEC(ZSTD(1)),
    duration_bucket UInt16                 CODEC(ZSTD(1)),
    runs            UInt64                 CODEC(ZSTD(1)),
    duration_ms_sum UInt64                 CODEC(ZSTD(1)),
    duration_ms_max UInt32                 CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (org_id, day, generation, workflow_id, user_id, status)
TTL toDateTime(day, 'UTC') + INTERVAL 12 MONTH + INTERVAL 1 DAY
SETTINGS merge_with_ttl_timeout = 3600, ttl_only_drop_parts = 0;
