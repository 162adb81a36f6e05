-- What the roles of users.sql need besides on a cluster (../CLUSTER.md): a statement to a table of rollcall runs as the same user on the shard's own table
-- in rollcall_local, and ON CLUSTER is a right of its own. Run both files on every node, or once with users in the keeper (../CLUSTER.md, "Users").
GRANT CLUSTER ON *.* TO rollcall_migrate, rollcall_ingest, rollcall_rollup;
GRANT SELECT ON system.one TO rollcall_migrate, rollcall_ingest, rollcall_rollup, rollcall_export;
GRANT SELECT ON system.clusters TO rollcall_migrate, rollcall_ingest, rollcall_rollup, rollcall_export;
GRANT SELECT ON system.replicas TO rollcall_migrate, rollcall_ingest, rollcall_rollup, rollcall_export;
GRANT SELECT ON rollcall.shards TO rollcall_ingest, rollcall_rollup;

GRANT TABLE ENGINE ON Distributed TO rollcall_migrate;
GRANT TABLE ENGINE ON Merge TO rollcall_migrate;
GRANT CREATE DATABASE, CREATE TABLE, ALTER TABLE, SELECT, INSERT ON rollcall_local.* TO rollcall_migrate;

GRANT INSERT, SELECT, ALTER DELETE ON rollcall_local.events TO rollcall_ingest;
GRANT INSERT, SELECT, ALTER DELETE ON rollcall_local.entities TO rollcall_ingest;
GRANT INSERT, SELECT, ALTER DELETE ON rollcall_local.rejects TO rollcall_ingest;
GRANT INSERT ON rollcall_local.marks TO rollcall_ingest;
GRANT INSERT, SELECT ON rollcall_local.progress TO rollcall_ingest;
GRANT SELECT ON rollcall_local.erasures TO rollcall_ingest;
GRANT SELECT ON rollcall_local.migrations TO rollcall_ingest;

GRANT SELECT, INSERT, ALTER DELETE ON rollcall_local.events TO rollcall_rollup;
GRANT SELECT, INSERT, ALTER DELETE ON rollcall_local.entities TO rollcall_rollup;
GRANT SELECT, INSERT, ALTER DELETE ON rollcall_local.slices TO rollcall_rollup;
GRANT SELECT, INSERT, ALTER DELETE ON rollcall_local.months TO rollcall_rollup;
GRANT SELECT, INSERT, ALTER DELETE ON rollcall_local.message_daily TO rollcall_rollup;
GRANT SELECT, INSERT, ALTER DELETE ON rollcall_local.action_daily TO rollcall_rollup;
GRANT SELECT, INSERT, ALTER DELETE ON rollcall_local.token_daily TO rollcall_rollup;
GRANT SELECT, INSERT, ALTER DELETE ON rollcall_local.workflow_daily TO rollcall_rollup;
GRANT SELECT, ALTER DELETE ON rollcall_local.rejects TO rollcall_rollup;
GRANT SELECT, INSERT ON rollcall_local.marks TO rollcall_rollup;
GRANT SELECT, INSERT ON rollcall_local.erasures TO rollcall_rollup;
GRANT SELECT ON rollcall_local.migrations TO rollcall_rollup;

GRANT SELECT ON rollcall_local.* TO rollcall_export;
GRANT INSERT ON rollcall_local.keys TO rollcall_export;
GRANT INSERT ON rollcall_local.export_audit TO rollcall_export;
GRANT INSERT ON rollcall_local.ended_sessions TO rollcall_export;

GRANT SELECT, INSERT ON rollcall_local.service_secret TO rollcall_ingest, rollcall_rollup, rollcall_export;
