-- The manifests of month generations: what a plan reads of a closed month in place of its days' generations. Their rows lie in the rollup tables under the month's
-- last day, merged from the generations of its slices; whoever does not know this table never meets them.
--
-- versions: a month's rows are read only while its slices have the very versions that it was merged from. So nothing ever has to be invalidated.
-- ORDER BY (org_id, day, generation), ReplacingMergeTree(dead) and TTL as those of slices, and for the same reasons.
-- No partitions: there are twelve rows a year and org, and every plan of a year reads them; from thirteen partitions that took it three times as long.
CREATE TABLE IF NOT EXISTS months
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
ENGINE = ReplacingMergeTree(dead)
ORDER BY (org_id, day, generation)
TTL toDateTime(day, 'UTC') + INTERVAL 13 MONTH + INTERVAL 1 DAY
SETTINGS merge_with_ttl_timeout = 3600, ttl_only_drop_parts = 0;
