-- The service's secret: its fingerprint, by which a process that was given another one is stopped; and the secret itself only where none was given.
-- MergeTree: the first row counts, and there is one.
CREATE TABLE IF NOT EXISTS service_secret
(
    fingerprint String,
    secret      String,
    created_at  DateTime64(6, 'UTC')
)
ENGINE = MergeTree
ORDER BY (created_at, fingerprint);
