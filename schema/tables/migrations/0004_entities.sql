-- What things are called, from when on: every entity event, kept for good (an entity may have been described years before the period that is exported).
--
-- ORDER BY (org_id, day, event_id), ReplacingMergeTree(version): identity and conflict rule of the log, whatever kind and entity the copies speak of.
-- No partitions: an entity's time may lie anywhere from 1970 on, and FINAL must see all copies of one identity together.
CREATE TABLE IF NOT EXISTS entities
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
ENGINE = ReplacingMergeTree(version)
ORDER BY (org_id, day, event_id);
