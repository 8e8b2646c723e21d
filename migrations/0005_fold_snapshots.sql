-- breaking: no
-- Up Migration

-- Every leader keeps snapshots of its fold, not only the assigners. An older process that is still running does not find the table: it
-- logs a warning and reads the log from its start.
ALTER TABLE baton.assigner_snapshots RENAME TO fold_snapshots;
ALTER TABLE baton.fold_snapshots RENAME CONSTRAINT assigner_snapshots_pkey TO fold_snapshots_pkey;
ALTER TABLE baton.fold_snapshots RENAME COLUMN pool TO fold;

UPDATE baton.fold_snapshots SET fold = CASE fold WHEN '#executions' THEN 'executions' ELSE 'pool:' || fold END;
