-- breaking: no
-- Up Migration

-- What is large in a fold is kept in parts, of which a snapshot writes those that changed. The token names one writing: whoever wants to
-- change parts must know the one that is there.
ALTER TABLE baton.fold_snapshots ADD COLUMN token uuid NOT NULL DEFAULT gen_random_uuid();

CREATE TABLE baton.fold_snapshot_parts (
  tenant text    NOT NULL,
  fold   text    NOT NULL,
  part   integer NOT NULL,
  items  text    NOT NULL,
  PRIMARY KEY (tenant, fold, part)
);
