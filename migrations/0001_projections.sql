-- breaking: no
-- Up Migration

-- What Baton keeps in Postgres is derived from the log and can be built anew from it. Schema baton holds the bookkeeping of the
-- projections and the views that queries read; the tables of a read model are in a schema named for the projector and its version.
CREATE SCHEMA baton;

-- A claim on a job for a limited time. It saves wasted work; what a stale holder writes is refused by the checkpoint (or the log).
CREATE TABLE baton.leases (
  name text PRIMARY KEY,
  holder text NOT NULL,
  epoch bigint NOT NULL, -- grows with each claim
  expires_at timestamptz NOT NULL -- by Postgres's clock
);

-- Where a projection stands. Moved in the statement that writes the rows, and only from where its writer believes it to be.
CREATE TABLE baton.checkpoints (
  name text PRIMARY KEY,
  version integer NOT NULL,
  position bigint NOT NULL, -- in $all; -1 before the first event
  generation bigint NOT NULL, -- grows whenever somebody else than the runner changed rows, so that the runner reads anew
  status text NOT NULL CHECK (status IN ('building', 'live', 'halted')),
  halted_by text CHECK (halted_by IN ('log', 'parked')), -- the log is another one; too many events are parked
  reason text, -- why it is halted, for people
  target bigint, -- while building: the position from which on it is live
  events bigint NOT NULL, -- handled since the first
  unknown_events bigint NOT NULL, -- of these, of a type that the build did not know
  -- The last event handled, to see that the log is still the one the rows were folded from.
  event_stream text,
  event_revision bigint,
  event_position bigint,
  event_hash text,
  event_at timestamptz,
  updated_at timestamptz NOT NULL
);

-- What a projection could not fold. One row of a read model takes no further events until its parked ones were retried, so that
-- their order holds; table_name is empty where the event could not even be read, which blocks its stream.
CREATE TABLE baton.parked_events (
  projection text NOT NULL,
  position bigint NOT NULL,
  table_name text NOT NULL,
  row_key text NOT NULL,
  event_id uuid NOT NULL,
  stream text NOT NULL,
  revision bigint NOT NULL,
  type text NOT NULL,
  cause text NOT NULL,
  parked_at timestamptz NOT NULL,
  PRIMARY KEY (projection, position, table_name, row_key)
);

-- Aborts the statement of a writer that was overtaken: with it go its rows.
CREATE FUNCTION baton.fence(moved bigint, expected integer) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  IF moved <> expected THEN
    RAISE EXCEPTION 'fenced: % of % checkpoints were where the writer believed them', moved, expected USING ERRCODE = 'BT001';
  END IF;
  RETURN true;
END $$;

-- Sums two arrays element by element; a missing element counts as 0.
CREATE FUNCTION baton.add_arrays(a bigint[], b bigint[]) RETURNS bigint[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT coalesce(array_agg(coalesce(x, 0) + coalesce(y, 0) ORDER BY i), '{}')
  FROM unnest(a, b) WITH ORDINALITY AS s (x, y, i)
$$;

CREATE AGGREGATE baton.sum_arrays(bigint[]) (sfunc = baton.add_arrays, stype = bigint[], initcond = '{}');
