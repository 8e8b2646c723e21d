-- breaking: no
-- Up Migration

-- Before anything else: whoever locks the checkpoints after the tables waits for a runner that waits for them.
LOCK TABLE baton.checkpoints IN SHARE ROW EXCLUSIVE MODE;

CREATE PROCEDURE baton.create_workflows_v1(target text) LANGUAGE plpgsql AS $$
DECLARE
  outer_path text := current_setting('search_path');
BEGIN
  EXECUTE format('CREATE SCHEMA %I', target);
  PERFORM set_config('search_path', quote_ident(target), true);
  CREATE TABLE workflow_versions (
    tenant text NOT NULL,
    name text NOT NULL,
    version text NOT NULL,
    digest text NOT NULL,
    status text NOT NULL, -- published, deprecated, archived
    pattern text NOT NULL,
    description text,
    tags text[] NOT NULL,
    tasks integer NOT NULL,
    definition jsonb NOT NULL,
    published_at timestamptz NOT NULL,
    retired_at timestamptz, -- deprecated or archived
    reason text,
    actor text NOT NULL, -- who published it
    position bigint NOT NULL, -- of its publication
    updated_position bigint NOT NULL,
    PRIMARY KEY (tenant, name, version)
  );
  CREATE INDEX workflow_versions_newest ON workflow_versions (tenant, position DESC);
  PERFORM set_config('search_path', outer_path, true);
END $$;

CREATE PROCEDURE baton.create_executions_v1(target text) LANGUAGE plpgsql AS $$
DECLARE
  outer_path text := current_setting('search_path');
BEGIN
  EXECUTE format('CREATE SCHEMA %I', target);
  PERFORM set_config('search_path', quote_ident(target), true);

  CREATE TABLE executions (
    tenant text NOT NULL,
    execution_id uuid NOT NULL,
    workflow text NOT NULL,
    version text NOT NULL,
    digest text NOT NULL,
    status text NOT NULL, -- executing, paused, compensating, completed, failed, compensated, compensation_failed, cancelled
    phase text NOT NULL, -- the same without paused: what it comes back to
    paused_at timestamptz, -- while it is paused
    pause_reason text,
    abort_reason text, -- step_failed, cancelled, deadline_passed
    cancel_reason text,
    tags text[] NOT NULL,
    parent_execution_id uuid,
    parent_step text,
    forked_from uuid,
    forked_revision integer,
    started_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    ended_at timestamptz,
    deadline_at timestamptz,
    -- A step that runs for each item of a list counts as its items.
    steps_total integer NOT NULL,
    steps_completed integer NOT NULL,
    steps_failed integer NOT NULL,
    steps_skipped integer NOT NULL,
    items_extra integer NOT NULL, -- of steps_total, what is there because of lists
    error jsonb,
    duration_ms double precision,
    agent_ms double precision,
    wait_ms double precision,
    overhead_ms double precision,
    compensation_strategy text,
    compensation_position bigint,
    debts_open integer NOT NULL,
    debts_parked integer NOT NULL,
    undos jsonb, -- while it compensates: {running: task -> unit, parked: [unit]}
    actor text NOT NULL, -- who started it
    correlation_id text NOT NULL,
    position bigint NOT NULL, -- of its start
    updated_position bigint NOT NULL,
    PRIMARY KEY (tenant, execution_id)
  );
  CREATE INDEX executions_newest ON executions (tenant, position DESC);
  -- Few are in these states at a time; completed ones are found through executions_newest.
  CREATE INDEX executions_not_completed ON executions (tenant, status, position DESC) WHERE status <> 'completed';
  CREATE INDEX executions_workflow ON executions (tenant, workflow, position DESC);
  CREATE INDEX executions_parent ON executions (tenant, parent_execution_id) WHERE parent_execution_id IS NOT NULL;
  CREATE INDEX executions_forked ON executions (tenant, forked_from) WHERE forked_from IS NOT NULL;
  CREATE INDEX executions_tags ON executions USING gin (tags) WHERE tags <> '{}';

  -- Apart from the execution, so that a step that ends does not rewrite up to 256 KiB.
  CREATE TABLE execution_payloads (
    tenant text NOT NULL,
    execution_id uuid NOT NULL,
    kind text NOT NULL, -- input, output
    payload jsonb, -- NULL stands for JSON null
    position bigint NOT NULL,
    PRIMARY KEY (tenant, execution_id, kind)
  );

  -- What is owed an undo, from the moment compensation began. Empty for executions that undo nothing.
  CREATE TABLE compensation_debts (
    tenant text NOT NULL,
    execution_id uuid NOT NULL,
    unit text NOT NULL, -- what is undone: a step or an item of one
    workflow text NOT NULL,
    strategy text NOT NULL,
    status text NOT NULL, -- owed, running, parked, handed_over, completed, skipped
    task_id uuid, -- of the undo
    handed_over_to text,
    note text,
    error jsonb, -- why it was parked last
    reason text, -- why it was skipped
    parked_at timestamptz,
    closed_at timestamptz,
    position bigint NOT NULL, -- of the beginning of the compensation
    updated_position bigint NOT NULL,
    PRIMARY KEY (tenant, execution_id, unit)
  );
  CREATE INDEX compensation_debts_newest ON compensation_debts (tenant, status, position DESC);
  PERFORM set_config('search_path', outer_path, true);
END $$;

-- As version 1, with execution_id, unit and status failed of tasks that executions run, and how many failed.
CREATE PROCEDURE baton.create_tasks_v2(target text) LANGUAGE plpgsql AS $$
DECLARE
  outer_path text := current_setting('search_path');
BEGIN
  CALL baton.create_tasks_v1(target);
  PERFORM set_config('search_path', quote_ident(target), true);
  ALTER TABLE tasks ADD COLUMN execution_id uuid, ADD COLUMN unit text;
  CREATE INDEX tasks_execution ON tasks (tenant, execution_id, position DESC) WHERE execution_id IS NOT NULL;
  ALTER TABLE task_stats ADD COLUMN failed bigint NOT NULL;
  PERFORM set_config('search_path', outer_path, true);
END $$;

CALL baton.create_workflows_v1('rm_workflows_v1');
CALL baton.create_executions_v1('rm_executions_v1');
CALL baton.create_tasks_v2('rm_tasks_v2');

CREATE VIEW baton.workflow_versions AS TABLE rm_workflows_v1.workflow_versions;
CREATE VIEW baton.executions AS TABLE rm_executions_v1.executions;
CREATE VIEW baton.execution_payloads AS TABLE rm_executions_v1.execution_payloads;
CREATE VIEW baton.compensation_debts AS TABLE rm_executions_v1.compensation_debts;

DROP VIEW baton.tasks, baton.task_payloads, baton.task_attempts, baton.dead_letters, baton.task_stats;
CREATE VIEW baton.tasks AS TABLE rm_tasks_v2.tasks;
CREATE VIEW baton.task_payloads AS TABLE rm_tasks_v2.task_payloads;
CREATE VIEW baton.task_attempts AS TABLE rm_tasks_v2.task_attempts;
CREATE VIEW baton.dead_letters AS TABLE rm_tasks_v2.dead_letters;
CREATE VIEW baton.task_stats AS TABLE rm_tasks_v2.task_stats;
DROP SCHEMA IF EXISTS rm_tasks_v1 CASCADE;

-- The new tables are empty. Where events were handled before, they are not shown until they have come as far.
INSERT INTO baton.checkpoints (name, version, position, generation, status, target, events, unknown_events, updated_at)
SELECT n.name, 1, -1, 1, CASE WHEN h.head < 0 THEN 'live' ELSE 'building' END, nullif(h.head, -1), 0, 0, now()
FROM unnest(ARRAY['workflows', 'executions']) AS n (name), (SELECT coalesce(max(position), -1) AS head FROM baton.checkpoints) AS h;

UPDATE baton.checkpoints
SET version = 2, position = -1, generation = generation + 1, status = CASE WHEN position < 0 THEN 'live' ELSE 'building' END,
  target = nullif(position, -1), halted_by = NULL, reason = NULL, events = 0, unknown_events = 0, event_stream = NULL,
  event_revision = NULL, event_position = NULL, event_hash = NULL, event_at = NULL, updated_at = now()
WHERE name = 'tasks';
DELETE FROM baton.parked_events WHERE projection = 'tasks';
