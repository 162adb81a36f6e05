-- What is said of a partition is no longer what orders the rows: `through` counts up with each publication, so that the last one holds even if it says less. A
-- row that a host with a wrong clock wrote is replaced by the next one. Rows of binaries that do not know complete_through say what they always said.
ALTER TABLE progress
    ADD COLUMN IF NOT EXISTS complete_through DateTime64(3, 'UTC') DEFAULT through COMMENT 'everything below end_offset, the end at this time of ClickHouse''s clock, is stored',
    ADD COLUMN IF NOT EXISTS topic_id UUID COMMENT 'of the topic that was read; zero where brokers do not say';
ALTER TABLE progress
    COMMENT COLUMN through 'the order of publications: the greatest of a partition holds',
    COMMENT COLUMN gone '1: not waited for: its topic was made anew without it, or was retired';
