import { agentVersionOf } from '../../domain/agent/descriptor.ts';
import type { AgentEvent, AgentProfile } from '../../domain/agent/events.ts';
import { instantOf } from '../../domain/instant.ts';
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
  | 'warmUpMs'
  | 'standby'
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
  warmUpMs: profile.warmUpMs ?? null,
  standby: profile.standby ?? false,
});

const maintenanceOf = ({ maintenanceStartedAt, maintenanceReason, registeredAt }: AgentRow) => ({
  maintenanceStartedAt: maintenanceStartedAt ?? registeredAt,
  maintenanceReason,
});

type DataOf<Type extends AgentEvent['type']> = Extract<AgentEvent, { type: Type }>['data'];

const freshRow = ({ tenant, position, data }: Handled<Extract<AgentEvent, { type: 'AgentRegistered' }>>): AgentRow => ({
  tenant,
  agentId: data.agentId,
  ...columnsOf(data),
  status: data.warmUpMs === undefined ? 'active' : 'warming',
  health: 'healthy',
  healthReason: null,
  healthChangedAt: null,
  silentSince: null,
  statusReason: null,
  registeredAt: instant(data.registeredAt),
  updatedAt: instant(data.registeredAt),
  drainStartedAt: null,
  drainsUntil: null,
  maintenanceStartedAt: null,
  maintenanceReason: null,
  deregisteredAt: null,
  position,
  updatedPosition: position,
});

const drainsUntilOf = ({ startedAt, limitMs }: DataOf<'AgentDrainStarted'>): string | null =>
  limitMs === undefined ? null : instant(instantOf(Date.parse(startedAt) + limitMs));

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
  version: 4,
  tables: [agentsTable],
  on: {
    AgentRegistered: (event, fold) => {
      const fresh = freshRow(event);
      if (event.data.maintenance)
        fold.change(agentsTable, fresh, (before = fresh) => ({ ...fresh, ...maintenanceOf(before) }));
      else fold.put(agentsTable, fresh);
    },
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
        silentSince: event.data.callsLost ? instant(event.data.changedAt) : null,
        updatedAt: instant(event.data.changedAt),
      })),
    AgentWarmUpEnded: (event, fold) =>
      changeAgent(fold, event, (agent) => ({
        ...agent,
        status: agent.status === 'warming' ? 'active' : agent.status,
        updatedAt: instant(event.data.endedAt),
      })),
    AgentMaintenanceStarted: (event, fold) =>
      changeAgent(fold, event, (agent) => ({
        ...agent,
        maintenanceStartedAt: instant(event.data.startedAt),
        maintenanceReason: event.data.reason ?? null,
        updatedAt: instant(event.data.startedAt),
      })),
    AgentMaintenanceEnded: (event, fold) =>
      changeAgent(fold, event, (agent) => ({
        ...agent,
        maintenanceStartedAt: null,
        maintenanceReason: null,
        updatedAt: instant(event.data.endedAt),
      })),
    AgentDrainStarted: (event, fold) =>
      changeAgent(fold, event, (agent) => ({
        ...agent,
        status: 'draining',
        statusReason: event.data.reason ?? null,
        drainStartedAt: instant(event.data.startedAt),
        drainsUntil: drainsUntilOf(event.data),
        updatedAt: instant(event.data.startedAt),
      })),
    AgentDrainEnded: (event, fold) =>
      changeAgent(fold, event, (agent) => ({
        ...agent,
        status: 'active',
        statusReason: event.data.reason ?? null,
        drainStartedAt: null,
        drainsUntil: null,
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
