-- The worker asks every few seconds which slices were marked lately. With this index that reads the granules that have such a mark, not the marks of thirteen months.
ALTER TABLE marks ADD INDEX IF NOT EXISTS marked_at marked_at TYPE minmax GRANULARITY 1;
ALTER TABLE marks MATERIALIZE INDEX marked_at;
