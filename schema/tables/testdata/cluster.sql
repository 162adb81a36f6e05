-- Made from the migrations by `make generate`.

CREATE DATABASE IF NOT EXISTS rollcall_local ON CLUSTER `prod`;

CREATE DATABASE IF NOT EXISTS rollcall ON CLUSTER `prod`;

CREATE TABLE IF NOT EXISTS rollcall_local.migrations ON CLUSTER `prod`
(name String, checksum String, applied_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC'))
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/all/{database}/{table}', '{shard}-{replica}') ORDER BY name;

CREATE TABLE IF NOT EXISTS rollcall.migrations ON CLUSTER `prod` AS rollcall_local.migrations
ENGINE = Merge('rollcall_local', '^migrations$');

CREATE TABLE IF NOT EXISTS rollcall.shards ON CLUSTER `prod` (dummy UInt8)
ENGINE = Distributed('prod', 'system', 'one');

CREATE TABLE IF NOT EXISTS rollcall_local.events ON CLUSTER `prod`
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
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', version)
PARTITION BY toYYYYMM(day)
ORDER BY (org_id, day, type, event_id)
TTL toDateTime(day, 'UTC') + INTERVAL 13 MONTH + INTERVAL 1 DAY
SETTINGS merge_with_ttl_timeout = 3600, ttl_only_drop_parts = 0;

CREATE TABLE IF NOT EXISTS rollcall.events ON CLUSTER `prod` AS rollcall_local.events
ENGINE = Distributed('prod', 'rollcall_local', 'events', cityHash64(org_id));

CREATE TABLE IF NOT EXISTS rollcall_local.marks ON CLUSTER `prod`
(
    org_id    LowCardinality(String) CODEC(ZSTD(1)),
    day       Date                   CODEC(ZSTD(1)),
    writer    UUID                   CODEC(ZSTD(1)),
    seq       UInt64                 CODEC(ZSTD(1)),
    marked_at DateTime64(3, 'UTC')   DEFAULT now64(3, 'UTC') CODEC(ZSTD(1))
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', seq)
PARTITION BY toYYYYMM(day)
ORDER BY (org_id, day, writer)
TTL toDateTime(day, 'UTC') + INTERVAL 13 MONTH + INTERVAL 1 DAY
SETTINGS merge_with_ttl_timeout = 3600, ttl_only_drop_parts = 0;

CREATE TABLE IF NOT EXISTS rollcall.marks ON CLUSTER `prod` AS rollcall_local.marks
ENGINE = Distributed('prod', 'rollcall_local', 'marks', cityHash64(org_id));

CREATE TABLE IF NOT EXISTS rollcall_local.slices ON CLUSTER `prod`
(
    org_id        LowCardinality(String) CODEC(ZSTD(1)),
    day           Date                   CODEC(ZSTD(1)),
    generation    UUID                   CODEC(ZSTD(1)),
    revision      UInt32                 COMMENT 'the rollup logic that made it; another revision is another truth',
    covered       Map(UUID, UInt64)      COMMENT 'writer -> seq: the marks read before the log was',
    version       UInt256                COMMENT 'sum over the slice''s events of version + 1: grows strictly while the set grows',
    message_rows  UInt64                 COMMENT 'rows of this generation in message_daily',
    action_rows   UInt64,
    token_rows    UInt64,
    workflow_rows UInt64,
    dead          UInt8,
    written_at    DateTime64(3, 'UTC')   DEFAULT now64(3, 'UTC')
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', dead)
PARTITION BY toYYYYMM(day)
ORDER BY (org_id, day, generation)
TTL toDateTime(day, 'UTC') + INTERVAL 13 MONTH + INTERVAL 1 DAY
SETTINGS merge_with_ttl_timeout = 3600, ttl_only_drop_parts = 0;

CREATE TABLE IF NOT EXISTS rollcall.slices ON CLUSTER `prod` AS rollcall_local.slices
ENGINE = Distributed('prod', 'rollcall_local', 'slices', cityHash64(org_id));

CREATE TABLE IF NOT EXISTS rollcall_local.message_daily ON CLUSTER `prod`
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
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
PARTITION BY toYYYYMM(day)
ORDER BY (org_id, day, generation, user_id, channel, model)
TTL toDateTime(day, 'UTC') + INTERVAL 12 MONTH + INTERVAL 1 DAY
SETTINGS merge_with_ttl_timeout = 3600, ttl_only_drop_parts = 0;

CREATE TABLE IF NOT EXISTS rollcall.message_daily ON CLUSTER `prod` AS rollcall_local.message_daily
ENGINE = Distributed('prod', 'rollcall_local', 'message_daily', cityHash64(org_id));

CREATE TABLE IF NOT EXISTS rollcall_local.action_daily ON CLUSTER `prod`
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
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
PARTITION BY toYYYYMM(day)
ORDER BY (org_id, day, generation, user_id, action, model)
TTL toDateTime(day, 'UTC') + INTERVAL 12 MONTH + INTERVAL 1 DAY
SETTINGS merge_with_ttl_timeout = 3600, ttl_only_drop_parts = 0;

CREATE TABLE IF NOT EXISTS rollcall.action_daily ON CLUSTER `prod` AS rollcall_local.action_daily
ENGINE = Distributed('prod', 'rollcall_local', 'action_daily', cityHash64(org_id));

CREATE TABLE IF NOT EXISTS rollcall_local.token_daily ON CLUSTER `prod`
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
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
PARTITION BY toYYYYMM(day)
ORDER BY (org_id, day, generation, user_id, api_key_id, model)
TTL toDateTime(day, 'UTC') + INTERVAL 12 MONTH + INTERVAL 1 DAY
SETTINGS merge_with_ttl_timeout = 3600, ttl_only_drop_parts = 0;

CREATE TABLE IF NOT EXISTS rollcall.token_daily ON CLUSTER `prod` AS rollcall_local.token_daily
ENGINE = Distributed('prod', 'rollcall_local', 'token_daily', cityHash64(org_id));

CREATE TABLE IF NOT EXISTS rollcall_local.workflow_daily ON CLUSTER `prod`
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
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
PARTITION BY toYYYYMM(day)
ORDER BY (org_id, day, generation, workflow_id, user_id, status)
TTL toDateTime(day, 'UTC') + INTERVAL 12 MONTH + INTERVAL 1 DAY
SETTINGS merge_with_ttl_timeout = 3600, ttl_only_drop_parts = 0;

CREATE TABLE IF NOT EXISTS rollcall.workflow_daily ON CLUSTER `prod` AS rollcall_local.workflow_daily
ENGINE = Distributed('prod', 'rollcall_local', 'workflow_daily', cityHash64(org_id));

CREATE TABLE IF NOT EXISTS rollcall_local.entities ON CLUSTER `prod`
(
    org_id          LowCardinality(String) CODEC(ZSTD(1)),
    day             Date32                 CODEC(ZSTD(1)),
    event_id        FixedString(16)        CODEC(NONE),
    version         UInt64                 COMMENT 'hash of the content; the lowest bit is 1 for an erased event only' CODEC(NONE),
    kind            Enum8('workspace' = 1, 'user' = 2, 'assistant' = 3, 'workflow' = 4, 'project' = 5, 'api_key' = 6),
    entity_id       String                 CODEC(ZSTD(1)),
    time            DateTime64(3, 'UTC')   CODEC(ZSTD(1)),
    source          LowCardinality(String) CODEC(ZSTD(1)),
    id              String                 CODEC(ZSTD(1)),
    deleted         Bool                   CODEC(ZSTD(1)),
    name            String                 CODEC(ZSTD(1)),
    email           String                 CODEC(ZSTD(1)),
    role            LowCardinality(String) CODEC(ZSTD(1)),
    joined_at       Nullable(Date32)       CODEC(ZSTD(1)),
    department      String                 CODEC(ZSTD(1)),
    description     String                 CODEC(ZSTD(1)),
    url             String                 CODEC(ZSTD(1)),
    owner_id        String                 CODEC(ZSTD(1)),
    has_settings    Bool                   COMMENT 'a workspace event that carried settings; without, the four below say nothing',
    user_level_data Bool,
    byok            Bool,
    workflows       Bool,
    pseudonymize    Bool
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', version)
ORDER BY (org_id, day, event_id);

CREATE TABLE IF NOT EXISTS rollcall.entities ON CLUSTER `prod` AS rollcall_local.entities
ENGINE = Distributed('prod', 'rollcall_local', 'entities', cityHash64(org_id));

CREATE TABLE IF NOT EXISTS rollcall_local.rejects ON CLUSTER `prod`
(
    topic        LowCardinality(String)  CODEC(ZSTD(1)),
    partition    Int32                   CODEC(ZSTD(1)),
    offset       Int64                   CODEC(ZSTD(1)),
    value_sha256 FixedString(32)         CODEC(NONE),
    rejected_at  DateTime64(3, 'UTC')    CODEC(ZSTD(1)),
    record_time  DateTime64(3, 'UTC')    COMMENT 'the Kafka record''s own timestamp' CODEC(ZSTD(1)),
    reason       LowCardinality(String)  CODEC(ZSTD(1)),
    detail       String                  COMMENT 'one sentence: which rule, where, what to do' CODEC(ZSTD(1)),
    org_id       String                  COMMENT 'as far as it could be read, else empty' CODEC(ZSTD(1)),
    user_id      String                  COMMENT 'as far as it could be read, else empty; erasure finds the person''s rejects by it' CODEC(ZSTD(1)),
    key          String                  CODEC(ZSTD(1)),
    headers      Array(Tuple(String, String)) CODEC(ZSTD(1)),
    value        String                  COMMENT 'whole; only too_large keeps its first 64 KiB' CODEC(ZSTD(1)),
    value_size   UInt64                  COMMENT 'bytes as produced' CODEC(ZSTD(1))
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', rejected_at)
ORDER BY (topic, partition, offset, value_sha256)
TTL toDateTime(rejected_at, 'UTC') + INTERVAL 90 DAY
SETTINGS merge_with_ttl_timeout = 3600, ttl_only_drop_parts = 0;

CREATE TABLE IF NOT EXISTS rollcall.rejects ON CLUSTER `prod` AS rollcall_local.rejects
ENGINE = Distributed('prod', 'rollcall_local', 'rejects', cityHash64(topic, partition, offset));

CREATE TABLE IF NOT EXISTS rollcall_local.progress ON CLUSTER `prod`
(
    topic      LowCardinality(String),
    partition  Int32,
    through    DateTime64(3, 'UTC'),
    end_offset Int64,
    gone       UInt8 COMMENT '1: the partition no longer exists'
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', through)
ORDER BY (topic, partition);

CREATE TABLE IF NOT EXISTS rollcall.progress ON CLUSTER `prod` AS rollcall_local.progress
ENGINE = Distributed('prod', 'rollcall_local', 'progress', cityHash64(topic, partition));

CREATE TABLE IF NOT EXISTS rollcall_local.erasures ON CLUSTER `prod`
(
    org_id    LowCardinality(String),
    user_hash FixedString(32) COMMENT 'HMAC-SHA-256 of org and user id under the service secret',
    erased_at DateTime64(3, 'UTC') COMMENT 'events before it are dropped, should they come again',
    done_at   DateTime64(3, 'UTC') COMMENT '1970-01-01 until log, rollups, entities and rejects are clean',
    updated_at DateTime64(3, 'UTC')
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', updated_at)
ORDER BY (org_id, user_hash);

CREATE TABLE IF NOT EXISTS rollcall.erasures ON CLUSTER `prod` AS rollcall_local.erasures
ENGINE = Distributed('prod', 'rollcall_local', 'erasures', cityHash64(org_id));

CREATE TABLE IF NOT EXISTS rollcall_local.keys ON CLUSTER `prod`
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
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', updated_at)
ORDER BY key_id;

CREATE TABLE IF NOT EXISTS rollcall.keys ON CLUSTER `prod` AS rollcall_local.keys
ENGINE = Distributed('prod', 'rollcall_local', 'keys', cityHash64(key_id));

CREATE TABLE IF NOT EXISTS rollcall_local.export_audit ON CLUSTER `prod`
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
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', finished_at)
PARTITION BY toYYYYMM(started_at)
ORDER BY (org_id, started_at, request_id)
TTL toDateTime(started_at, 'UTC') + INTERVAL 24 MONTH
SETTINGS merge_with_ttl_timeout = 3600;

CREATE TABLE IF NOT EXISTS rollcall.export_audit ON CLUSTER `prod` AS rollcall_local.export_audit
ENGINE = Distributed('prod', 'rollcall_local', 'export_audit', cityHash64(org_id));

CREATE TABLE IF NOT EXISTS rollcall_local.service_secret ON CLUSTER `prod`
(
    fingerprint String,
    secret      String,
    created_at  DateTime64(6, 'UTC')
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
ORDER BY (created_at, fingerprint);

CREATE TABLE IF NOT EXISTS rollcall.service_secret ON CLUSTER `prod` AS rollcall_local.service_secret
ENGINE = Distributed('prod', 'rollcall_local', 'service_secret', cityHash64(fingerprint));

ALTER TABLE rollcall_local.events ON CLUSTER `prod` MODIFY SETTING min_bytes_for_wide_part = 134217728, merge_selector_base = 10;

ALTER TABLE rollcall_local.events ON CLUSTER `prod`
    MODIFY COLUMN org_id CODEC(LZ4), MODIFY COLUMN day CODEC(LZ4), MODIFY COLUMN type CODEC(LZ4), MODIFY COLUMN source CODEC(LZ4),
    MODIFY COLUMN channel CODEC(LZ4), MODIFY COLUMN action CODEC(LZ4), MODIFY COLUMN model CODEC(LZ4), MODIFY COLUMN client CODEC(LZ4),
    MODIFY COLUMN provider CODEC(LZ4), MODIFY COLUMN deployment CODEC(LZ4), MODIFY COLUMN byok CODEC(LZ4),
    MODIFY COLUMN status CODEC(LZ4), MODIFY COLUMN error_type CODEC(LZ4), MODIFY COLUMN trigger CODEC(LZ4);

CREATE TABLE IF NOT EXISTS rollcall_local.months ON CLUSTER `prod`
(
    org_id        LowCardinality(String) CODEC(ZSTD(1)),
    day           Date                   COMMENT 'the last of the month' CODEC(ZSTD(1)),
    generation    UUID                   CODEC(ZSTD(1)),
    revision      UInt32                 COMMENT 'as that of the slices it was merged from',
    versions      String                 COMMENT 'digest over the days of the month''s slices and their versions',
    message_rows  UInt64                 COMMENT 'rows of this generation in message_daily',
    action_rows   UInt64,
    token_rows    UInt64,
    workflow_rows UInt64,
    dead          UInt8,
    written_at    DateTime64(3, 'UTC')   DEFAULT now64(3, 'UTC')
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', dead)
ORDER BY (org_id, day, generation)
TTL toDateTime(day, 'UTC') + INTERVAL 13 MONTH + INTERVAL 1 DAY
SETTINGS merge_with_ttl_timeout = 3600, ttl_only_drop_parts = 0;

CREATE TABLE IF NOT EXISTS rollcall.months ON CLUSTER `prod` AS rollcall_local.months
ENGINE = Distributed('prod', 'rollcall_local', 'months', cityHash64(org_id));

INSERT INTO rollcall.keys (key_id, org_id, name, salt, hash, scopes, created_at, expires_at, revoked_at, updated_at)
SELECT key_id, org_id, name, salt, hash, scopes, created_at, expires_at, revoked_at, toDateTime64('2299-12-31 00:00:00', 6, 'UTC')
FROM rollcall.keys WHERE revoked_at IS NOT NULL;

CREATE TABLE IF NOT EXISTS rollcall_local.ended_sessions ON CLUSTER `prod`
(
    session_id String,
    expires_at DateTime64(3, 'UTC') COMMENT 'of the cookie; after that it is invalid by itself'
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
ORDER BY session_id
TTL toDateTime(expires_at, 'UTC') + INTERVAL 1 DAY
SETTINGS merge_with_ttl_timeout = 3600;

CREATE TABLE IF NOT EXISTS rollcall.ended_sessions ON CLUSTER `prod` AS rollcall_local.ended_sessions
ENGINE = Distributed('prod', 'rollcall_local', 'ended_sessions', cityHash64(session_id));

ALTER TABLE rollcall_local.progress ON CLUSTER `prod`
    ADD COLUMN IF NOT EXISTS complete_through DateTime64(3, 'UTC') DEFAULT through COMMENT 'everything below end_offset, the end at this time of ClickHouse''s clock, is stored',
    ADD COLUMN IF NOT EXISTS topic_id UUID COMMENT 'of the topic that was read; zero where brokers do not say';

ALTER TABLE rollcall.progress ON CLUSTER `prod`
    ADD COLUMN IF NOT EXISTS complete_through DateTime64(3, 'UTC') DEFAULT through COMMENT 'everything below end_offset, the end at this time of ClickHouse''s clock, is stored',
    ADD COLUMN IF NOT EXISTS topic_id UUID COMMENT 'of the topic that was read; zero where brokers do not say';

ALTER TABLE rollcall_local.progress ON CLUSTER `prod`
    COMMENT COLUMN through 'the order of publications: the greatest of a partition holds',
    COMMENT COLUMN gone '1: not waited for: its topic was made anew without it, or was retired';

ALTER TABLE rollcall.progress ON CLUSTER `prod`
    COMMENT COLUMN through 'the order of publications: the greatest of a partition holds',
    COMMENT COLUMN gone '1: not waited for: its topic was made anew without it, or was retired';

ALTER TABLE rollcall_local.erasures ON CLUSTER `prod` ADD COLUMN IF NOT EXISTS ahead Array(FixedString(16)) COMMENT 'event ids, erased though their time is not before erased_at';

ALTER TABLE rollcall.erasures ON CLUSTER `prod` ADD COLUMN IF NOT EXISTS ahead Array(FixedString(16)) COMMENT 'event ids, erased though their time is not before erased_at';

ALTER TABLE rollcall_local.months ON CLUSTER `prod` COMMENT COLUMN IF EXISTS versions 'digest over the days of the month''s slices and the generations that were merged';

ALTER TABLE rollcall.months ON CLUSTER `prod` COMMENT COLUMN IF EXISTS versions 'digest over the days of the month''s slices and the generations that were merged';

ALTER TABLE rollcall_local.marks ON CLUSTER `prod` ADD INDEX IF NOT EXISTS marked_at marked_at TYPE minmax GRANULARITY 1;

ALTER TABLE rollcall_local.marks ON CLUSTER `prod` MATERIALIZE INDEX marked_at;

ALTER TABLE rollcall_local.entities ON CLUSTER `prod`
    MODIFY COLUMN kind Enum8('workspace' = 1, 'user' = 2, 'assistant' = 3, 'workflow' = 4, 'project' = 5, 'api_key' = 6, 'group' = 7),
    ADD COLUMN IF NOT EXISTS company_name String,
    ADD COLUMN IF NOT EXISTS license_type LowCardinality(String),
    ADD COLUMN IF NOT EXISTS status Enum8('active' = 0, 'invited' = 1, 'suspended' = 2),
    ADD COLUMN IF NOT EXISTS group_ids Array(String);

ALTER TABLE rollcall.entities ON CLUSTER `prod`
    MODIFY COLUMN kind Enum8('workspace' = 1, 'user' = 2, 'assistant' = 3, 'workflow' = 4, 'project' = 5, 'api_key' = 6, 'group' = 7),
    ADD COLUMN IF NOT EXISTS company_name String,
    ADD COLUMN IF NOT EXISTS license_type LowCardinality(String),
    ADD COLUMN IF NOT EXISTS status Enum8('active' = 0, 'invited' = 1, 'suspended' = 2),
    ADD COLUMN IF NOT EXISTS group_ids Array(String);

ALTER TABLE rollcall_local.entities ON CLUSTER `prod`
    MODIFY COLUMN company_name CODEC(ZSTD(1)), MODIFY COLUMN license_type CODEC(ZSTD(1)), MODIFY COLUMN group_ids CODEC(ZSTD(1));
