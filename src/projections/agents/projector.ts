import { agentVersionOf } from '../../domain/agent/descriptor.ts';
import type { AgentEvent, AgentProfile } from '../../domain/agent/events.ts';
import { instant } from '../instant.ts';
import type { Fold, Handled, Projector } from '../projector.ts';
import { type AgentRow, agentsTable } from './table.ts';

type ProfileColumns = Pick<
  AgentRow,
  | 'pool'
  | 'name'
  | 'description'
  | 'capabilities'
  | 'capabilityNames'
  | 'transport'
  | 'cardUrl'
  | 'card'
  | 'maxConcurrency'
  | 'delivery'
  | 'heartbeatIntervalMs'
  | 'costPerCall'
  | 'labels'
  | 'version'
  | 'serviceTypes'
  | 'tags'
  | 'location'
  | 'weight'
  | 'costFactor'
  | 'sla'
  | 'constraints'
>;

const columnsOf = (profile: AgentProfile): ProfileColumns => ({
  pool: profile.pool,
  name: profile.name,
  description: profile.description ?? null,
  capabilities: profile.capabilities,
  capabilityNames: profile.capabilities.map(({ name }) => name),
  transport: profile.transport.kind,
  cardUrl: profile.transport.kind === 'a2a' ? profile.transport.cardUrl : null,
  card: profile.transport.kind === 'a2a' ? profile.transport.card : null,
  maxConcurrency: profile.maxConcurrency,
  delivery: profile.delivery,
  heartbeatIntervalMs: profile.heartbeatIntervalMs ?? null,
  costPerCall: profile.costPerCall ?? null,
  labels: profile.labels,
  version: agentVersionOf(profile) ?? null,
  serviceTypes: profile.serviceTypes ?? [],
  tags: profile.tags ?? [],
  location: profile.location ?? null,
  weight: profile.weight ?? null,
  costFactor: profile.costFactor ?? null,
  sla: profile.sla ?? null,
  constraints: profile.constraints ?? null,
});

const changeAgent = (
  fold: Fold,
  { tenant, position, data }: Handled<AgentEvent>,
  change: (agent: AgentRow) => AgentRow,
): void =>
  fold.change(
    agentsTable,
    { tenant, agentId: data.agentId },
    (agent) => agent && { ...change(agent), updatedPosition: position },
  );

/** Agents, from their own events. How busy an agent is follows from the tasks assigned to it. */
export const agentsProjector = {
  name: 'agents',
  version: 2,
  tables: [agentsTable],
  on: {
    AgentRegistered: ({ tenant, position, data }, fold) =>
      fold.put(agentsTable, {
        tenant,
        agentId: data.agentId,
        ...columnsOf(data),
        status: 'active',
        health: 'healthy',
        healthReason: null,
        healthChangedAt: null,
        statusReason: null,
        registeredAt: instant(data.registeredAt),
        updatedAt: instant(data.registeredAt),
        drainStartedAt: null,
        deregisteredAt: null,
        position,
        updatedPosition: position,
      }),
    AgentReconfigured: (event, fold) =>
      changeAgent(fold, event, (agent) => ({
        ...agent,
        ...columnsOf(event.data),
        updatedAt: instant(event.data.reconfiguredAt),
      })),
    AgentHealthChanged: (event, fold) =>
      changeAgent(fold, event, (agent) => ({
        ...agent,
        health: event.data.to,
        healthReason: event.data.reason,
        healthChangedAt: instant(event.data.changedAt),
        updatedAt: instant(event.data.changedAt),
      })),
    AgentDrainStarted: (event, fold) =>
      changeAgent(fold, event, (agent) => ({
        ...agent,
        status: 'draining',
        statusReason: event.data.reason ?? null,
        drainStartedAt: instant(event.data.startedAt),
        updatedAt: instant(event.data.startedAt),
      })),
    AgentDrainEnded: (event, fold) =>
      changeAgent(fold, event, (agent) => ({
        ...agent,
        status: 'active',
        statusReason: event.data.reason ?? null,
        drainStartedAt: null,
        updatedAt: instant(event.data.endedAt),
      })),
    AgentDeregistered: (event, fold) =>
      changeAgent(fold, event, (agent) => ({
        ...agent,
        status: 'deregistered',
        statusReason: event.data.reason ?? null,
        deregisteredAt: instant(event.data.deregisteredAt),
        updatedAt: instant(event.data.deregisteredAt),
      })),
  },
} as const satisfies Projector;
