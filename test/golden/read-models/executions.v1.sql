CREATE TABLE rm_executions_v1.compensation_debts (
  tenant text NOT NULL,
  execution_id uuid NOT NULL,
  unit text NOT NULL,
  workflow text NOT NULL,
  strategy text NOT NULL,
  status text NOT NULL,
  task_id uuid,
  handed_over_to text,
  note text,
  error jsonb,
  reason text,
  parked_at timestamp with time zone,
  closed_at timestamp with time zone,
  "position" bigint NOT NULL,
  updated_position bigint NOT NULL,
  CONSTRAINT compensation_debts_pkey PRIMARY KEY (tenant, execution_id, unit)
);
CREATE TABLE rm_executions_v1.execution_payloads (
  tenant text NOT NULL,
  execution_id uuid NOT NULL,
  kind text NOT NULL,
  payload jsonb,
  "position" bigint NOT NULL,
  CONSTRAINT execution_payloads_pkey PRIMARY KEY (tenant, execution_id, kind)
);
CREATE TABLE rm_executions_v1.executions (
  tenant text NOT NULL,
  execution_id uuid NOT NULL,
  workflow text NOT NULL,
  version text NOT NULL,
  digest text NOT NULL,
  status text NOT NULL,
  phase text NOT NULL,
  paused_at timestamp with time zone,
  pause_reason text,
  abort_reason text,
  cancel_reason text,
  tags text[] NOT NULL,
  parent_execution_id uuid,
  parent_step text,
  forked_from uuid,
  forked_revision integer,
  started_at timestamp with time zone NOT NULL,
  updated_at timestamp with time zone NOT NULL,
  ended_at timestamp with time zone,
  deadline_at timestamp with time zone,
  steps_total integer NOT NULL,
  steps_completed integer NOT NULL,
  steps_failed integer NOT NULL,
  steps_skipped integer NOT NULL,
  items_extra integer NOT NULL,
  error jsonb,
  duration_ms double precision,
  agent_ms double precision,
  wait_ms double precision,
  overhead_ms double precision,
  compensation_strategy text,
  compensation_position bigint,
  debts_open integer NOT NULL,
  debts_parked integer NOT NULL,
  undos jsonb,
  actor text NOT NULL,
  correlation_id text NOT NULL,
  "position" bigint NOT NULL,
  updated_position bigint NOT NULL,
  CONSTRAINT executions_pkey PRIMARY KEY (tenant, execution_id)
);
CREATE INDEX compensation_debts_newest ON rm_executions_v1.compensation_debts USING btree (tenant, status, "position" DESC);
CREATE INDEX executions_forked ON rm_executions_v1.executions USING btree (tenant, forked_from) WHERE (forked_from IS NOT NULL);
CREATE INDEX executions_newest ON rm_executions_v1.executions USING btree (tenant, "position" DESC);
CREATE INDEX executions_not_completed ON rm_executions_v1.executions USING btree (tenant, status, "position" DESC) WHERE (status <> 'completed'::text);
CREATE INDEX executions_parent ON rm_executions_v1.executions USING btree (tenant, parent_execution_id) WHERE (parent_execution_id IS NOT NULL);
CREATE INDEX executions_tags ON rm_executions_v1.executions USING gin (tags) WHERE (tags <> '{}'::text[]);
CREATE INDEX executions_workflow ON rm_executions_v1.executions USING btree (tenant, workflow, "position" DESC);
