-- Records that broke a rule, whole, for 90 days.
--
-- ORDER BY (topic, partition, offset, value_sha256): a redelivered record is one row; a re-created topic that starts again at offset 0 is another.
-- No partitions, so that a redelivery on the next day still meets its first copy.
CREATE TABLE IF NOT EXISTS rejects
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
ENGINE = ReplacingMergeTree(rejected_at)
ORDER BY (topic, partition, offset, value_sha256)
TTL toDateTime(rejected_at, 'UTC') + INTERVAL 90 DAY
SETTINGS merge_with_ttl_timeout = 3600, ttl_only_drop_parts = 0;

-- How far each partition is stored: everything below end_offset, which was the partition's end at `through`, is in the log, in rejects or counted as erased.
-- The watermark (Rollcall-Complete-Through) is the smallest `through` of all partitions that are not gone.
CREATE TABLE IF NOT EXISTS progress
(
    topic      LowCardinality(String),
    partition  Int32,
    through    DateTime64(3, 'UTC'),
    end_offset Int64,
    gone       UInt8 COMMENT '1: the partition no longer exists'
)
ENGINE = ReplacingMergeTree(through)
ORDER BY (topic, partition);

-- Persons erased. Ingest drops their events from before erased_at; only the keyed hash of the user id is kept.
CREATE TABLE IF NOT EXISTS erasures
(
    org_id    LowCardinality(String),
    user_hash FixedString(32) COMMENT 'HMAC-SHA-256 of org and user id under the service secret',
    erased_at DateTime64(3, 'UTC') COMMENT 'events before it are dropped, should they come again',
    done_at   DateTime64(3, 'UTC') COMMENT '1970-01-01 until log, rollups, entities and rejects are clean',
    updated_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(updated_at)
ORDER BY (org_id, user_hash);
