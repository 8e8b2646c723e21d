import type { Capability, Delivery, Health, Transport } from '../../domain/agent/events.ts';
import type { Json } from '../../domain/json.ts';
import type { Money } from '../../domain/money.ts';
import { defineTable } from '../projector.ts';

export type AgentStatus = 'active' | 'draining' | 'deregistered';

export type AgentRow = {
  tenant: string;
  agentId: string;
  pool: string;
  name: string;
  description: string | null;
  capabilities: readonly Capability[];
  capabilityNames: readonly string[];
  transport: Transport['kind'];
  cardUrl: string | null;
  /** The agent card as read at registration. Data of a third party. */
  card: Json;
  maxConcurrency: number;
  delivery: Delivery;
  heartbeatIntervalMs: number | null;
  costPerCall: Money | null;
  labels: Readonly<Record<string, string>>;
  status: AgentStatus;
  health: Health;
  healthReason: string | null;
  healthChangedAt: string | null;
  /** Why it drains or was deregistered. */
  statusReason: string | null;
  registeredAt: string;
  updatedAt: string;
  drainStartedAt: string | null;
  deregisteredAt: string | null;
  /** Of the registration that holds. */
  position: bigint;
  updatedPosition: bigint;
};

export const agentsTable = defineTable<AgentRow>()({
  name: 'agents',
  key: ['tenant', 'agentId'],
  columns: {
    tenant: 'text',
    agentId: 'text',
    pool: 'text',
    name: 'text',
    description: 'text',
    capabilities: 'jsonb',
    capabilityNames: 'text[]',
    transport: 'text',
    cardUrl: 'text',
    card: 'jsonb',
    maxConcurrency: 'integer',
    delivery: 'text',
    heartbeatIntervalMs: 'integer',
    costPerCall: 'jsonb',
    labels: 'jsonb',
    status: 'text',
    health: 'text',
    healthReason: 'text',
    healthChangedAt: 'timestamptz',
    statusReason: 'text',
    registeredAt: 'timestamptz',
    updatedAt: 'timestamptz',
    drainStartedAt: 'timestamptz',
    deregisteredAt: 'timestamptz',
    position: 'bigint',
    updatedPosition: 'bigint',
  },
});
