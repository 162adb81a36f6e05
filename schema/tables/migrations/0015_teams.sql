-- What users belong to, over time: departments, which descriptions had before, and groups, which are things of their own and have names. A row from before, or of an
-- older binary beside this one, belongs to no group, and is active. The same event sent again is a copy with a higher version (schema/identity.go), so it wins with
-- its fields.
--
-- status: active is the value of rows that say nothing, tombstones among them. group_ids: sorted by bytes, each once, so that equal sets are equal arrays.
ALTER TABLE entities
    MODIFY COLUMN kind Enum8('workspace' = 1, 'user' = 2, 'assistant' = 3, 'workflow' = 4, 'project' = 5, 'api_key' = 6, 'group' = 7),
    ADD COLUMN IF NOT EXISTS company_name String,
    ADD COLUMN IF NOT EXISTS license_type LowCardinality(String),
    ADD COLUMN IF NOT EXISTS status Enum8('active' = 0, 'invited' = 1, 'suspended' = 2),
    ADD COLUMN IF NOT EXISTS group_ids Array(String);
ALTER TABLE entities
    MODIFY COLUMN company_name CODEC(ZSTD(1)), MODIFY COLUMN license_type CODEC(ZSTD(1)), MODIFY COLUMN group_ids CODEC(ZSTD(1));
