CREATE TABLE rm_audit_log_v1.audit_log (
  tenant text NOT NULL,
  "position" bigint NOT NULL,
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
  at timestamp with time zone NOT NULL,
  hash text NOT NULL,
  CONSTRAINT audit_log_pkey PRIMARY KEY (tenant, "position")
);
CREATE INDEX audit_log_agent ON rm_audit_log_v1.audit_log USING btree (tenant, agent_id, "position" DESC) WHERE (agent_id IS NOT NULL);
CREATE INDEX audit_log_correlation ON rm_audit_log_v1.audit_log USING btree (tenant, correlation_id, "position" DESC);
CREATE INDEX audit_log_stream ON rm_audit_log_v1.audit_log USING btree (tenant, stream, "position" DESC);
CREATE INDEX audit_log_task ON rm_audit_log_v1.audit_log USING btree (tenant, task_id, "position" DESC) WHERE (task_id IS NOT NULL);
