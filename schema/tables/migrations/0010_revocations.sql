-- A revoked key stays revoked whatever the clocks of the hosts say that made and revoked it. ReplacingMergeTree keeps the row with the greatest updated_at, so
-- updated_at is no time any more: a key is made with 1970-01-01 and revoked with 2299-12-31. Older binaries beside this one read the result as they always did.
-- Revocations from before that no merge has dropped yet get the same rank here.
INSERT INTO keys (key_id, org_id, name, salt, hash, scopes, created_at, expires_at, revoked_at, updated_at)
SELECT key_id, org_id, name, salt, hash, scopes, created_at, expires_at, revoked_at, toDateTime64('2299-12-31 00:00:00', 6, 'UTC')
FROM keys WHERE revoked_at IS NOT NULL;
