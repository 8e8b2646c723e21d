import type { Constraints, Location, Sla } from '../../domain/agent/descriptor.ts';
import { type Capability, Delivery, Health, type Transport } from '../../domain/agent/events.ts';
import { AGENT_FACTS } from '../../domain/agent/vocabularies.ts';
import type { Json } from '../../domain/json.ts';
import type { Money } from '../../domain/money.ts';
import {
  bigint,
  boolean,
  defineTable,
  double,
  integer,
  json,
  nullable,
  oneOf,
  type RowOf,
  tenant,
  text,
  texts,
  timestamptz,
} from '../define-table.ts';

export const AGENT_STATUSES = AGENT_FACTS.status;
export type AgentStatus = (typeof AGENT_STATUSES)[number];

export const agentsTable = defineTable({
  name: 'agents',
  columns: {
    tenant: tenant(),
    agentId: text(),
    pool: text(),
    name: text(),
    description: nullable(text()),
    capabilities: json<readonly Capability[]>(),
    capabilityNames: texts(),
    transport: text<Transport['kind']>(),
    cardUrl: nullable(text()),
    /** The agent card as read at registration. Data of a third party. */
    card: nullable(json<Json>()),
    maxConcurrency: integer(),
    delivery: oneOf(Delivery.options),
    heartbeatIntervalMs: nullable(integer()),
    costPerCall: nullable(json<Money>()),
    labels: json<Readonly<Record<string, string>>>(),
    status: oneOf(AGENT_STATUSES),
    health: oneOf(Health.options),
    healthReason: nullable(text()),
    healthChangedAt: nullable(timestamptz()),
    /** Why it drains or was deregistered. */
    statusReason: nullable(text()),
    registeredAt: timestamptz(),
    updatedAt: timestamptz(),
    drainStartedAt: nullable(timestamptz()),
    deregisteredAt: nullable(timestamptz()),
    /** Of the current registration. */
    position: bigint(),
    updatedPosition: bigint(),
    /** Stated by its profile or its card. */
    version: nullable(text()),
    serviceTypes: texts(),
    tags: texts(),
    location: nullable(json<Location>()),
    weight: nullable(double()),
    costFactor: nullable(double()),
    sla: nullable(json<Sla>()),
    constraints: nullable(json<Constraints>()),
    warmUpMs: nullable(integer()),
    /** Until when it may finish what it holds. */
    drainsUntil: nullable(timestamptz()),
    maintenanceStartedAt: nullable(timestamptz()),
    maintenanceReason: nullable(text()),
    /** Since when it is unhealthy because nothing is heard of it. */
    silentSince: nullable(timestamptz()),
    /** It is kept in reserve. */
    standby: boolean(),
  },
  key: ['tenant', 'agentId'],
  indexes: {
    newest: { on: ['tenant', 'position DESC'] },
    capability: { using: 'gin', on: ['capabilityNames'] },
  },
});

export type AgentRow = RowOf<typeof agentsTable>;
