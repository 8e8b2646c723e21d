CREATE TABLE rm_tasks_v5.dead_letters (
  tenant text NOT NULL,
  task_id uuid NOT NULL,
  pool text NOT NULL,
  capability text NOT NULL,
  agent_id text,
  status text NOT NULL,
  reason text NOT NULL,
  attempts integer NOT NULL,
  error jsonb NOT NULL,
  error_code text NOT NULL,
  dead_lettered_at timestamp with time zone NOT NULL,
  closed_at timestamp with time zone,
  "position" bigint NOT NULL,
  updated_position bigint NOT NULL,
  fingerprint text NOT NULL,
  CONSTRAINT dead_letters_pkey PRIMARY KEY (tenant, task_id)
);
CREATE TABLE rm_tasks_v5.task_attempts (
  tenant text NOT NULL,
  task_id uuid NOT NULL,
  attempt integer NOT NULL,
  pool text NOT NULL,
  capability text NOT NULL,
  agent_id text,
  outcome text NOT NULL,
  assigned_at timestamp with time zone,
  started_at timestamp with time zone,
  expires_at timestamp with time zone,
  ended_at timestamp with time zone,
  duration_ms double precision,
  error jsonb,
  cost jsonb,
  "position" bigint NOT NULL,
  updated_position bigint NOT NULL,
  CONSTRAINT task_attempts_pkey PRIMARY KEY (tenant, task_id, attempt)
);
CREATE TABLE rm_tasks_v5.task_payloads (
  tenant text NOT NULL,
  task_id uuid NOT NULL,
  kind text NOT NULL,
  payload jsonb,
  "position" bigint NOT NULL,
  CONSTRAINT task_payloads_pkey PRIMARY KEY (tenant, task_id, kind)
);
CREATE TABLE rm_tasks_v5.task_stats (
  tenant text NOT NULL,
  minute timestamp with time zone NOT NULL,
  capability text NOT NULL,
  submitted bigint NOT NULL,
  completed bigint NOT NULL,
  failed_attempts bigint NOT NULL,
  dead_lettered bigint NOT NULL,
  cancelled bigint NOT NULL,
  duration_sum_us bigint NOT NULL,
  duration_min_us bigint,
  duration_max_us bigint,
  duration_histogram bigint[] NOT NULL,
  end_to_end_sum_us bigint NOT NULL,
  end_to_end_min_us bigint,
  end_to_end_max_us bigint,
  end_to_end_histogram bigint[] NOT NULL,
  failed bigint NOT NULL,
  CONSTRAINT task_stats_pkey PRIMARY KEY (tenant, minute, capability)
);
CREATE TABLE rm_tasks_v5.tasks (
  tenant text NOT NULL,
  task_id uuid NOT NULL,
  pool text NOT NULL,
  capability text NOT NULL,
  version_range text,
  priority integer NOT NULL,
  strategy text NOT NULL,
  retry jsonb NOT NULL,
  timeout_ms double precision NOT NULL,
  tags text[] NOT NULL,
  status text NOT NULL,
  attempt integer NOT NULL,
  failures integer NOT NULL,
  redrives integer NOT NULL,
  agent_id text,
  submitted_at timestamp with time zone NOT NULL,
  deadline_at timestamp with time zone,
  retry_at timestamp with time zone,
  assigned_at timestamp with time zone,
  assigned_position bigint,
  started_at timestamp with time zone,
  expires_at timestamp with time zone,
  ended_at timestamp with time zone,
  duration_ms double precision,
  percent double precision,
  progress_message text,
  error jsonb,
  cost jsonb NOT NULL,
  cancel_reason text,
  dead_letter_reason text,
  dead_letter_attempts integer,
  dead_lettered_at timestamp with time zone,
  dead_letter_position bigint,
  actor text NOT NULL,
  correlation_id text NOT NULL,
  "position" bigint NOT NULL,
  updated_position bigint NOT NULL,
  execution_id uuid,
  unit text,
  complexity double precision,
  depends_on text[] NOT NULL,
  rule_name text,
  rule_version integer,
  rule_variant text,
  CONSTRAINT tasks_pkey PRIMARY KEY (tenant, task_id)
);
CREATE INDEX dead_letters_failures ON rm_tasks_v5.dead_letters USING btree (tenant, status, fingerprint);
CREATE INDEX dead_letters_newest ON rm_tasks_v5.dead_letters USING btree (tenant, status, "position" DESC);
CREATE INDEX task_attempts_agent ON rm_tasks_v5.task_attempts USING btree (tenant, agent_id, "position" DESC) WHERE (agent_id IS NOT NULL);
CREATE INDEX tasks_agent ON rm_tasks_v5.tasks USING btree (tenant, agent_id, "position" DESC) WHERE (agent_id IS NOT NULL);
CREATE INDEX tasks_capability ON rm_tasks_v5.tasks USING btree (tenant, capability, "position" DESC);
CREATE INDEX tasks_execution ON rm_tasks_v5.tasks USING btree (tenant, execution_id, "position" DESC) WHERE (execution_id IS NOT NULL);
CREATE INDEX tasks_newest ON rm_tasks_v5.tasks USING btree (tenant, "position" DESC);
CREATE INDEX tasks_not_completed ON rm_tasks_v5.tasks USING btree (tenant, status, "position" DESC) WHERE (status <> 'completed'::text);
CREATE INDEX tasks_rule ON rm_tasks_v5.tasks USING btree (tenant, rule_name) WHERE (rule_name IS NOT NULL);
CREATE INDEX tasks_tags ON rm_tasks_v5.tasks USING gin (tags) WHERE (tags <> '{}'::text[]);
