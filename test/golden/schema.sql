CREATE TABLE public.schema_migrations (
  id integer NOT NULL DEFAULT nextval('schema_migrations_id_seq'::regclass),
  name character varying(255) NOT NULL,
  run_on timestamp without time zone NOT NULL,
  sha256 text,
  CONSTRAINT schema_migrations_pkey PRIMARY KEY (id)
);

CREATE TABLE baton.checkpoints (
  name text NOT NULL,
  version integer NOT NULL,
  "position" bigint NOT NULL,
  generation bigint NOT NULL,
  status text NOT NULL,
  halted_by text,
  reason text,
  target bigint,
  events bigint NOT NULL,
  unknown_events bigint NOT NULL,
  event_stream text,
  event_revision bigint,
  event_position bigint,
  event_hash text,
  event_at timestamp with time zone,
  updated_at timestamp with time zone NOT NULL,
  CONSTRAINT checkpoints_halted_by_check CHECK ((halted_by = ANY (ARRAY['log'::text, 'parked'::text]))),
  CONSTRAINT checkpoints_pkey PRIMARY KEY (name),
  CONSTRAINT checkpoints_status_check CHECK ((status = ANY (ARRAY['building'::text, 'live'::text, 'halted'::text])))
);
CREATE TABLE baton.cluster_identity (
  only_row boolean NOT NULL DEFAULT true,
  cluster_id uuid NOT NULL,
  CONSTRAINT cluster_identity_only_row_check CHECK (only_row),
  CONSTRAINT cluster_identity_pkey PRIMARY KEY (only_row)
);
CREATE TABLE baton.fold_snapshot_parts (
  tenant text NOT NULL,
  fold text NOT NULL,
  part integer NOT NULL,
  items text NOT NULL,
  CONSTRAINT fold_snapshot_parts_pkey PRIMARY KEY (tenant, fold, part)
);
CREATE TABLE baton.fold_snapshots (
  tenant text NOT NULL,
  fold text NOT NULL,
  version integer NOT NULL,
  "position" bigint NOT NULL,
  state jsonb NOT NULL,
  taken_at timestamp with time zone NOT NULL DEFAULT now(),
  token uuid NOT NULL DEFAULT gen_random_uuid(),
  CONSTRAINT fold_snapshots_pkey PRIMARY KEY (tenant, fold)
);
CREATE TABLE baton.leases (
  name text NOT NULL,
  holder text NOT NULL,
  epoch bigint NOT NULL,
  expires_at timestamp with time zone NOT NULL,
  CONSTRAINT leases_pkey PRIMARY KEY (name)
);
CREATE TABLE baton.parked_events (
  projection text NOT NULL,
  "position" bigint NOT NULL,
  table_name text NOT NULL,
  row_key text NOT NULL,
  event_id uuid NOT NULL,
  stream text NOT NULL,
  revision bigint NOT NULL,
  type text NOT NULL,
  cause text NOT NULL,
  parked_at timestamp with time zone NOT NULL,
  CONSTRAINT parked_events_pkey PRIMARY KEY (projection, "position", table_name, row_key)
);

CREATE OR REPLACE FUNCTION baton.add_arrays(a bigint[], b bigint[])
 RETURNS bigint[]
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  SELECT coalesce(array_agg(coalesce(x, 0) + coalesce(y, 0) ORDER BY i), '{}')
  FROM unnest(a, b) WITH ORDINALITY AS s (x, y, i)
$function$
;
CREATE PROCEDURE baton.create_agents_v1(IN target text);
CREATE PROCEDURE baton.create_assignments_v1(IN target text);
CREATE PROCEDURE baton.create_audit_log_v1(IN target text);
CREATE PROCEDURE baton.create_executions_v1(IN target text);
CREATE PROCEDURE baton.create_tasks_v1(IN target text);
CREATE PROCEDURE baton.create_tasks_v2(IN target text);
CREATE PROCEDURE baton.create_workflows_v1(IN target text);
CREATE OR REPLACE FUNCTION baton.fence(moved bigint, expected integer)
 RETURNS boolean
 LANGUAGE plpgsql
AS $function$
BEGIN
  IF moved <> expected THEN
    RAISE EXCEPTION 'fenced: % of % checkpoints were where the writer believed them', moved, expected USING ERRCODE = 'BT001';
  END IF;
  RETURN true;
END $function$
;
CREATE AGGREGATE baton.sum_arrays(bigint[]);
