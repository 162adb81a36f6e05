-- One user per stage, each with no more than it needs. Run once as an administrator, with passwords of your own; the database is named rollcall.
-- A quota or limit that is exceeded raises an error (overflow modes 'throw'): it never cuts a result.
CREATE ROLE IF NOT EXISTS rollcall_migrate, rollcall_ingest, rollcall_rollup, rollcall_export;

GRANT CREATE DATABASE, CREATE TABLE, ALTER TABLE, SELECT, INSERT ON rollcall.* TO rollcall_migrate;

GRANT INSERT, SELECT ON rollcall.events TO rollcall_ingest;
GRANT INSERT, SELECT ON rollcall.entities TO rollcall_ingest;
GRANT INSERT ON rollcall.marks TO rollcall_ingest;
GRANT INSERT, SELECT, ALTER DELETE ON rollcall.rejects TO rollcall_ingest; -- an erased person's reject is taken out again
GRANT INSERT, SELECT ON rollcall.progress TO rollcall_ingest;
GRANT SELECT ON rollcall.erasures TO rollcall_ingest;
GRANT SELECT, INSERT ON rollcall.service_secret TO rollcall_ingest, rollcall_export;

GRANT SELECT, INSERT, ALTER DELETE, ALTER UPDATE ON rollcall.* TO rollcall_rollup;

GRANT SELECT ON rollcall.* TO rollcall_export;
GRANT INSERT ON rollcall.keys TO rollcall_export;
GRANT INSERT ON rollcall.export_audit TO rollcall_export;

GRANT SELECT ON system.tables TO rollcall_migrate, rollcall_ingest, rollcall_rollup, rollcall_export;

CREATE SETTINGS PROFILE IF NOT EXISTS rollcall_export SETTINGS
    max_memory_usage = 4000000000, max_bytes_before_external_group_by = 1000000000, max_bytes_before_external_sort = 1000000000,
    max_execution_time = 600, result_overflow_mode = 'throw', read_overflow_mode = 'throw', group_by_overflow_mode = 'throw', timeout_overflow_mode = 'throw'
    TO rollcall_export;
