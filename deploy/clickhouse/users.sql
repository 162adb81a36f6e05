-- One role per stage, each with no more than it needs. Run once as an administrator; the database is named rollcall. Then make the users, with passwords of your own:
--
--   CREATE USER usage_export IDENTIFIED WITH sha256_password BY '…' HOST IP '10.0.0.0/8' DEFAULT ROLE rollcall_export;
--
-- and name them in --clickhouse-url. users_test.go runs every stage on a ClickHouse that grants exactly what stands here.
CREATE ROLE IF NOT EXISTS rollcall_migrate, rollcall_ingest, rollcall_rollup, rollcall_export;

GRANT CREATE DATABASE, CREATE TABLE, ALTER TABLE, SELECT, INSERT ON rollcall.* TO rollcall_migrate;

-- An erased person's rows are taken out again where a batch raced the erasure: hence ALTER DELETE.
GRANT INSERT, SELECT, ALTER DELETE ON rollcall.events TO rollcall_ingest;
GRANT INSERT, SELECT, ALTER DELETE ON rollcall.entities TO rollcall_ingest;
GRANT INSERT, SELECT, ALTER DELETE ON rollcall.rejects TO rollcall_ingest;
GRANT INSERT ON rollcall.marks TO rollcall_ingest;
GRANT INSERT, SELECT ON rollcall.progress TO rollcall_ingest;
GRANT SELECT ON rollcall.erasures TO rollcall_ingest;
GRANT SELECT ON rollcall.migrations TO rollcall_ingest;

-- Also verify, rebuild and forget, which makes a person's rows go.
GRANT SELECT, INSERT, ALTER DELETE ON rollcall.events TO rollcall_rollup;
GRANT SELECT, INSERT, ALTER DELETE ON rollcall.entities TO rollcall_rollup;
GRANT SELECT, INSERT, ALTER DELETE ON rollcall.slices TO rollcall_rollup;
GRANT SELECT, INSERT, ALTER DELETE ON rollcall.months TO rollcall_rollup;
GRANT SELECT, INSERT, ALTER DELETE ON rollcall.message_daily TO rollcall_rollup;
GRANT SELECT, INSERT, ALTER DELETE ON rollcall.action_daily TO rollcall_rollup;
GRANT SELECT, INSERT, ALTER DELETE ON rollcall.token_daily TO rollcall_rollup;
GRANT SELECT, INSERT, ALTER DELETE ON rollcall.workflow_daily TO rollcall_rollup;
GRANT SELECT, ALTER DELETE ON rollcall.rejects TO rollcall_rollup;
GRANT SELECT, INSERT ON rollcall.marks TO rollcall_rollup;
GRANT SELECT, INSERT ON rollcall.erasures TO rollcall_rollup;
GRANT SELECT ON rollcall.migrations TO rollcall_rollup;
GRANT SELECT ON system.disks TO rollcall_rollup;
GRANT SELECT ON system.mutations TO rollcall_rollup;

-- It reads; of all it can write only who asked (export_audit), who signed out (ended_sessions) and, for `rollcall keys`, the keys.
GRANT SELECT ON rollcall.* TO rollcall_export;
GRANT INSERT ON rollcall.keys TO rollcall_export;
GRANT INSERT ON rollcall.export_audit TO rollcall_export;
GRANT INSERT ON rollcall.ended_sessions TO rollcall_export;

GRANT SELECT, INSERT ON rollcall.service_secret TO rollcall_ingest, rollcall_rollup, rollcall_export;
GRANT SELECT ON system.tables TO rollcall_migrate, rollcall_ingest, rollcall_rollup, rollcall_export;

-- What is over a limit fails: the service asks for 'throw' with every statement, whatever stands here, so no limit ever cuts a result.
CREATE SETTINGS PROFILE IF NOT EXISTS rollcall_export SETTINGS
    max_memory_usage = 4000000000, max_bytes_before_external_group_by = 1000000000, max_bytes_before_external_sort = 1000000000,
    max_execution_time = 600, max_rows_to_read = 20000000000, max_result_rows = 50000000,
    result_overflow_mode = 'throw', read_overflow_mode = 'throw', group_by_overflow_mode = 'throw', timeout_overflow_mode = 'throw'
    TO rollcall_export;
