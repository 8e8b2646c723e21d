-- breaking: no
-- Up Migration

-- The folded state of a pool at a position, per assigner. Disposable: without it the assigner reads the log from its start.
CREATE TABLE baton.assigner_snapshots (
  tenant   text        NOT NULL,
  pool     text        NOT NULL,
  version  integer     NOT NULL,
  position bigint      NOT NULL,
  state    jsonb       NOT NULL,
  taken_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant, pool)
);

-- Which log this database belongs to; one row.
CREATE TABLE baton.cluster_identity (
  only_row   boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  cluster_id uuid    NOT NULL
);
