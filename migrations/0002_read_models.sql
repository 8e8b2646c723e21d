-- breaking: no
-- Up Migration

-- One procedure per projector version creates its tables in a schema of any name: for the live one, for a rebuild beside it, and
-- anew after someone dropped it.

CREATE PROCEDURE baton.create_agents_v1(target text) LANGUAGE plpgsql AS $$
DECLARE
  outer_path text := current_setting('search_path');
BEGIN
  EXECUTE format('CREATE SCHEMA %I', target);
  PERFORM set_config('search_path', quote_ident(target), true);
  CREATE TABLE agents (
    tenant text NOT NULL,
    agent_id text NOT NULL,
    pool text NOT NULL,
    name text NOT NULL,
    description text,
    capabilities jsonb NOT NULL, -- [{name, version}]
    capability_names text[] NOT NULL,
    transport text NOT NULL,
    card_url text,
    card jsonb,
    max_concurrency integer NOT NULL,
    delivery text NOT NULL,
    heartbeat_interval_ms integer,
    cost_per_call jsonb, -- {currency, micros}
    labels jsonb NOT NULL,
    status text NOT NULL, -- active, draining, deregistered
    health text NOT NULL,
    health_reason text,
    health_changed_at timestamptz,
    status_reason text,
    registered_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    drain_started_at timestamptz,
    deregistered_at timestamptz,
    position bigint NOT NULL, -- of the registration that holds
    updated_position bigint NOT NULL,
    PRIMARY KEY (tenant, agent_id)
  );
  CREATE INDEX agents_newest ON agents (tenant, position DESC);
  CREATE INDEX agents_capability ON agents USING gin (capability_names);
  PERFORM set_config('search_path', outer_path, true);
END $$;

-- Everything that follows from the lifecycle of a task.
CREATE PROCEDURE baton.create_tasks_v1(target text) LANGUAGE plpgsql AS $$
DECLARE
  outer_path text := current_setting('search_path');
BEGIN
  EXECUTE format('CREATE SCHEMA %I', target);
  PERFORM set_config('search_path', quote_ident(target), true);

  CREATE TABLE tasks (
    tenant text NOT NULL,
    task_id uuid NOT NULL,
    pool text NOT NULL,
    capability text NOT NULL,
    version_range text,
    priority integer NOT NULL,
    strategy text NOT NULL,
    retry jsonb NOT NULL,
    timeout_ms double precision NOT NULL, -- whole, and may exceed 32 bits
    tags text[] NOT NULL,
    status text NOT NULL, -- ready, assigned, completed, cancelled, dead_lettered, indeterminate
    attempt integer NOT NULL, -- the one that may run now, or ended the task
    failures integer NOT NULL, -- attempts that failed
    redrives integer NOT NULL,
    agent_id text, -- of the assignment that holds, or of the attempt that ended the task
    submitted_at timestamptz NOT NULL,
    deadline_at timestamptz,
    retry_at timestamptz, -- ready, but not before
    assigned_at timestamptz,
    assigned_position bigint,
    started_at timestamptz,
    expires_at timestamptz,
    ended_at timestamptz,
    duration_ms double precision, -- wall time of the call that completed it
    percent double precision,
    progress_message text,
    error jsonb, -- of the last attempt that did not complete
    cost jsonb NOT NULL, -- currency -> micros, over all attempts
    cancel_reason text,
    dead_letter_reason text,
    dead_letter_attempts integer,
    dead_lettered_at timestamptz,
    dead_letter_position bigint,
    actor text NOT NULL, -- who submitted it
    correlation_id text NOT NULL,
    position bigint NOT NULL, -- of its submission
    updated_position bigint NOT NULL,
    PRIMARY KEY (tenant, task_id)
  );
  CREATE INDEX tasks_newest ON tasks (tenant, position DESC);
  -- Few tasks are in these states at a time; completed ones are found through tasks_newest.
  CREATE INDEX tasks_not_completed ON tasks (tenant, status, position DESC) WHERE status <> 'completed';
  CREATE INDEX tasks_capability ON tasks (tenant, capability, position DESC);
  CREATE INDEX tasks_agent ON tasks (tenant, agent_id, position DESC) WHERE agent_id IS NOT NULL;
  CREATE INDEX tasks_tags ON tasks USING gin (tags) WHERE tags <> '{}';

  -- Apart from the task, so that a change of status does not rewrite up to 256 KiB.
  CREATE TABLE task_payloads (
    tenant text NOT NULL,
    task_id uuid NOT NULL,
    kind text NOT NULL, -- input, result, checkpoint
    payload jsonb, -- NULL stands for JSON null
    position bigint NOT NULL,
    PRIMARY KEY (tenant, task_id, kind)
  );

  CREATE TABLE task_attempts (
    tenant text NOT NULL,
    task_id uuid NOT NULL,
    attempt integer NOT NULL,
    pool text NOT NULL,
    capability text NOT NULL,
    agent_id text,
    outcome text NOT NULL, -- open, completed, failed, unknown, cancelled, abandoned
    assigned_at timestamptz,
    started_at timestamptz,
    expires_at timestamptz,
    ended_at timestamptz,
    duration_ms double precision,
    error jsonb,
    cost jsonb, -- {currency, micros}
    position bigint NOT NULL, -- of its assignment, or of its end where it was never assigned
    updated_position bigint NOT NULL,
    PRIMARY KEY (tenant, task_id, attempt)
  );
  CREATE INDEX task_attempts_agent ON task_attempts (tenant, agent_id, position DESC) WHERE agent_id IS NOT NULL;

  -- The last dead letter of each task that ever had one.
  CREATE TABLE dead_letters (
    tenant text NOT NULL,
    task_id uuid NOT NULL,
    pool text NOT NULL,
    capability text NOT NULL,
    agent_id text,
    status text NOT NULL, -- open, redriven, cancelled
    reason text NOT NULL,
    attempts integer NOT NULL,
    error jsonb NOT NULL,
    error_code text NOT NULL,
    dead_lettered_at timestamptz NOT NULL,
    closed_at timestamptz,
    position bigint NOT NULL,
    updated_position bigint NOT NULL,
    PRIMARY KEY (tenant, task_id)
  );
  CREATE INDEX dead_letters_newest ON dead_letters (tenant, status, position DESC);

  -- Sums, so that a minute is written with what happened in it since the last batch. Whole numbers only: the sum of whole numbers
  -- does not depend on how events fell into batches.
  CREATE TABLE task_stats (
    tenant text NOT NULL,
    minute timestamptz NOT NULL,
    capability text NOT NULL,
    submitted bigint NOT NULL,
    completed bigint NOT NULL,
    failed_attempts bigint NOT NULL,
    dead_lettered bigint NOT NULL,
    cancelled bigint NOT NULL,
    -- Of completed tasks: the call that completed it, and submission to completion.
    duration_sum_us bigint NOT NULL,
    duration_min_us bigint,
    duration_max_us bigint,
    duration_histogram bigint[] NOT NULL,
    end_to_end_sum_us bigint NOT NULL,
    end_to_end_min_us bigint,
    end_to_end_max_us bigint,
    end_to_end_histogram bigint[] NOT NULL,
    PRIMARY KEY (tenant, minute, capability)
  );
  PERFORM set_config('search_path', outer_path, true);
END $$;

CREATE PROCEDURE baton.create_assignments_v1(target text) LANGUAGE plpgsql AS $$
DECLARE
  outer_path text := current_setting('search_path');
BEGIN
  EXECUTE format('CREATE SCHEMA %I', target);
  PERFORM set_config('search_path', quote_ident(target), true);
  -- Every decision of the pool's writer, also one that came too late to have an effect: that is in task_attempts.
  CREATE TABLE assignments (
    tenant text NOT NULL,
    task_id uuid NOT NULL,
    attempt integer NOT NULL,
    position bigint NOT NULL, -- shared by the assignments of one tick
    pool text NOT NULL,
    agent_id text NOT NULL,
    assigned_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    waited_ms double precision NOT NULL,
    strategy text NOT NULL,
    reason jsonb NOT NULL,
    PRIMARY KEY (tenant, task_id, attempt, position)
  );
  CREATE INDEX assignments_newest ON assignments (tenant, position DESC, task_id DESC);
  CREATE INDEX assignments_agent ON assignments (tenant, agent_id, position DESC, task_id DESC);
  PERFORM set_config('search_path', outer_path, true);
END $$;

CREATE PROCEDURE baton.create_audit_log_v1(target text) LANGUAGE plpgsql AS $$
DECLARE
  outer_path text := current_setting('search_path');
BEGIN
  EXECUTE format('CREATE SCHEMA %I', target);
  PERFORM set_config('search_path', quote_ident(target), true);
  -- Who did what, when and why. What exactly: the event itself, by stream and revision, in the log.
  CREATE TABLE audit_log (
    tenant text NOT NULL,
    position bigint NOT NULL,
    stream text NOT NULL,
    revision bigint NOT NULL,
    event_id uuid NOT NULL,
    type text NOT NULL,
    task_id text,
    agent_id text,
    actor text NOT NULL,
    command_id text NOT NULL,
    correlation_id text NOT NULL,
    causation_id text NOT NULL,
    at timestamptz NOT NULL,
    hash text NOT NULL,
    PRIMARY KEY (tenant, position)
  );
  CREATE INDEX audit_log_stream ON audit_log (tenant, stream, position DESC);
  CREATE INDEX audit_log_correlation ON audit_log (tenant, correlation_id, position DESC);
  CREATE INDEX audit_log_task ON audit_log (tenant, task_id, position DESC) WHERE task_id IS NOT NULL;
  CREATE INDEX audit_log_agent ON audit_log (tenant, agent_id, position DESC) WHERE agent_id IS NOT NULL;
  PERFORM set_config('search_path', outer_path, true);
END $$;

CALL baton.create_agents_v1('rm_agents_v1');
CALL baton.create_tasks_v1('rm_tasks_v1');
CALL baton.create_assignments_v1('rm_assignments_v1');
CALL baton.create_audit_log_v1('rm_audit_log_v1');

CREATE VIEW baton.agents AS TABLE rm_agents_v1.agents;
CREATE VIEW baton.tasks AS TABLE rm_tasks_v1.tasks;
CREATE VIEW baton.task_payloads AS TABLE rm_tasks_v1.task_payloads;
CREATE VIEW baton.task_attempts AS TABLE rm_tasks_v1.task_attempts;
CREATE VIEW baton.dead_letters AS TABLE rm_tasks_v1.dead_letters;
CREATE VIEW baton.task_stats AS TABLE rm_tasks_v1.task_stats;
CREATE VIEW baton.assignments AS TABLE rm_assignments_v1.assignments;
CREATE VIEW baton.audit_log AS TABLE rm_audit_log_v1.audit_log;

INSERT INTO baton.checkpoints (name, version, position, generation, status, events, unknown_events, updated_at)
SELECT name, 1, -1, 1, 'live', 0, 0, now()
FROM unnest(ARRAY['agents', 'tasks', 'assignments', 'audit_log']) AS names (name);
