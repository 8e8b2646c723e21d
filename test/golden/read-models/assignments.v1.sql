CREATE TABLE rm_assignments_v1.assignments (
  tenant text NOT NULL,
  task_id uuid NOT NULL,
  attempt integer NOT NULL,
  "position" bigint NOT NULL,
  pool text NOT NULL,
  agent_id text NOT NULL,
  assigned_at timestamp with time zone NOT NULL,
  expires_at timestamp with time zone NOT NULL,
  waited_ms double precision NOT NULL,
  strategy text NOT NULL,
  reason jsonb NOT NULL,
  CONSTRAINT assignments_pkey PRIMARY KEY (tenant, task_id, attempt, "position")
);
CREATE INDEX assignments_agent ON rm_assignments_v1.assignments USING btree (tenant, agent_id, "position" DESC, task_id DESC);
CREATE INDEX assignments_newest ON rm_assignments_v1.assignments USING btree (tenant, "position" DESC, task_id DESC);
