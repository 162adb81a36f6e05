-- Which slices (one org, one UTC day) changed. A row says: writer has put rows of this slice into the log and was told so; seq counts its marks.
--
-- ORDER BY (org_id, day, writer), ReplacingMergeTree(seq): the highest seq of each writer stays; together they are the slice's vector clock. A writer is one
--   start of one ingest (or eraser) process, so a slice has as many rows as processes that touched it.
-- PARTITION BY and TTL as the log's: a mark is worth as much as the rows it speaks of.
CREATE TABLE IF NOT EXISTS marks
(
    org_id    LowCardinality(String) CODEC(ZSTD(1)),
    day       Date                   CODEC(ZSTD(1)),
    writer    UUID                   CODEC(ZSTD(1)),
    seq       UInt64                 CODEC(ZSTD(1)),
    marked_at DateTime64(3, 'UTC')   DEFAULT now64(3, 'UTC') CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(seq)
PARTITION BY toYYYYMM(day)
ORDER BY (org_id, day, writer)
TTL toDateTime(day, 'UTC') + INTERVAL 13 MONTH + INTERVAL 1 DAY
SETTINGS merge_with_ttl_timeout = 3600, ttl_only_drop_parts = 0;

-- The manifests: one row per finished recompute of a slice, and the commit point of it. Rollup rows whose generation has no manifest do not exist for a reader.
--
-- ORDER BY (org_id, day, generation): a generation is a fresh UUIDv7, so two workers on one slice never write the same key.
-- ReplacingMergeTree(dead): a generation that lost is written again with dead = 1, long before its rows go.
CREATE TABLE IF NOT EXISTS slices
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
ENGINE = ReplacingMergeTree(dead)
PARTITION BY toYYYYMM(day)
ORDER BY (org_id, day, generation)
TTL toDateTime(day, 'UTC') + INTERVAL 13 MONTH + INTERVAL 1 DAY
SETTINGS merge_with_ttl_timeout = 3600, ttl_only_drop_parts = 0;
