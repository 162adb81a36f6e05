-- An erasure ends at the moment it is asked for: what the person does later is theirs again. What was stored by then with a later time (a producer's clock that was
-- ahead, a description that holds from next year on) is erased too, and known by its id, should it come again.
ALTER TABLE erasures ADD COLUMN IF NOT EXISTS ahead Array(FixedString(16)) COMMENT 'event ids, erased though their time is not before erased_at';

-- A month stands for the very generations of its days that were merged, not for all of the same versions: a rebuild of days takes their month with it.
ALTER TABLE months COMMENT COLUMN IF EXISTS versions 'digest over the days of the month''s slices and the generations that were merged';
