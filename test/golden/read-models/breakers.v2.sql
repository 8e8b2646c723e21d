CREATE TABLE rm_breakers_v2.agent_pauses (
  tenant text NOT NULL,
  agent_id text NOT NULL,
  asked_at timestamp with time zone NOT NULL,
  ends_at timestamp with time zone NOT NULL,
  "position" bigint NOT NULL,
  CONSTRAINT agent_pauses_pkey PRIMARY KEY (tenant, agent_id)
);
CREATE TABLE rm_breakers_v2.breakers (
  tenant text NOT NULL,
  agent_id text NOT NULL,
  capability text NOT NULL,
  pool text NOT NULL,
  state text NOT NULL,
  cause text NOT NULL,
  failures integer NOT NULL,
  calls integer NOT NULL,
  changed_at timestamp with time zone NOT NULL,
  next_try_at timestamp with time zone,
  "position" bigint NOT NULL,
  CONSTRAINT breakers_pkey PRIMARY KEY (tenant, agent_id, capability)
);
CREATE INDEX breakers_state ON rm_breakers_v2.breakers USING btree (tenant, state, agent_id, capability);
