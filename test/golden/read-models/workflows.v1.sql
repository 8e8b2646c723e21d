CREATE TABLE rm_workflows_v1.workflow_versions (
  tenant text NOT NULL,
  name text NOT NULL,
  version text NOT NULL,
  digest text NOT NULL,
  status text NOT NULL,
  pattern text NOT NULL,
  description text,
  tags text[] NOT NULL,
  tasks integer NOT NULL,
  definition jsonb NOT NULL,
  published_at timestamp with time zone NOT NULL,
  retired_at timestamp with time zone,
  reason text,
  actor text NOT NULL,
  "position" bigint NOT NULL,
  updated_position bigint NOT NULL,
  CONSTRAINT workflow_versions_pkey PRIMARY KEY (tenant, name, version)
);
CREATE INDEX workflow_versions_newest ON rm_workflows_v1.workflow_versions USING btree (tenant, "position" DESC);
