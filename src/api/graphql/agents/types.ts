import type { EnumRef, ObjectRef } from '@pothos/core';
import type { Constraints, Location, ServiceType, Sla } from '../../../domain/agent/descriptor.ts';
import type { Capability } from '../../../domain/agent/events.ts';
import { STATE_NAMES, type StateName, stateOf, VOCABULARY_NAMES } from '../../../domain/agent/vocabularies.ts';
import { instantOf } from '../../../domain/instant.ts';
import type { Rest } from '../../../domain/pool/rest.ts';
import type { Position } from '../../../eventstore/event-store.ts';
import { factsOfAgent } from '../../../projections/agents/queries.ts';
import { AGENT_STATUSES, type AgentRow } from '../../../projections/agents/table.ts';
import type { Builder, SchemaTypes } from '../kit/builder.ts';
import type { ApiContext } from '../kit/context.ts';
import { type Enums, enumValues } from '../kit/enums.ts';
import type { SharedTypes } from '../kit/shared-types.ts';

const loadAgent = async ({ reads }: ApiContext, id: string, atLeast?: Position | null): Promise<AgentRow | null> => {
  reads.atLeast(atLeast);
  return reads.agents.load(id);
};

const addDescriptorTypes = (builder: Builder) => ({
  Location: builder.objectRef<Location>('Location').implement({
    fields: (t) => ({ region: t.exposeString('region'), zone: t.exposeString('zone', { nullable: true }) }),
  }),
  Sla: builder.objectRef<Sla>('AgentSla').implement({
    description: 'What an agent undertakes.',
    fields: (t) => ({
      availability: t.exposeFloat('availability', { nullable: true }),
      p95Ms: t.exposeInt('p95Ms', { nullable: true }),
      errorRate: t.exposeFloat('errorRate', { nullable: true }),
    }),
  }),
  Constraints: builder.objectRef<Constraints>('AgentConstraints').implement({
    description: 'What an agent asks of its tasks. Declared; it does not keep tasks from the agent.',
    fields: (t) => ({
      maxInputBytes: t.exposeInt('maxInputBytes', { nullable: true }),
      maxTimeoutMs: t.exposeInt('maxTimeoutMs', { nullable: true }),
    }),
  }),
});

const addDescriptor = (builder: Builder, enums: Enums, Agent: ObjectRef<SchemaTypes, AgentRow>) => {
  const described = addDescriptorTypes(builder);
  builder.objectFields(Agent, (t) => ({
    version: t.exposeString('version', { nullable: true, description: 'Of its profile, else of its card.' }),
    serviceTypes: t.field({
      type: [enums.ServiceType],
      resolve: ({ serviceTypes }) => serviceTypes as ServiceType[],
    }),
    tags: t.stringList({ resolve: ({ tags }) => [...tags] }),
    location: t.expose('location', { type: described.Location, nullable: true }),
    weight: t.exposeFloat('weight', { nullable: true, description: 'Absent counts as 1.' }),
    costFactor: t.exposeFloat('costFactor', { nullable: true, description: 'Absent counts as 0.' }),
    standby: t.exposeBoolean('standby', {
      description: 'In reserve: it gets work only while no other able agent is free.',
    }),
    sla: t.expose('sla', { type: described.Sla, nullable: true }),
    constraints: t.expose('constraints', { type: described.Constraints, nullable: true }),
  }));
  return described;
};

const addUnreachable = (builder: Builder) =>
  builder.objectRef<Rest>('AgentUnreachable').implement({
    description:
      'The agent could not be reached since it last answered. It rests, and is then tried with one attempt at a time.',
    fields: (t) => ({
      since: t.field({ type: 'DateTime', resolve: ({ sinceMs }) => instantOf(sinceMs) }),
      restsUntil: t.field({
        type: 'DateTime',
        description: 'Until then it gets no work; the next attempt after that is its next try.',
        resolve: ({ untilMs }) => instantOf(untilMs),
      }),
      misses: t.exposeInt('misses', { description: 'Tries in a row that did not reach it.' }),
      error: t.exposeString('error', { description: 'What the last call met.' }),
    }),
  });

/** `registry:maintenance` is REGISTRY_MAINTENANCE. */
const stateValues = Object.fromEntries(
  STATE_NAMES.map((name) => [name.replace(':', '_').toUpperCase(), { value: name }]),
);

const addState = (builder: Builder, Agent: ObjectRef<SchemaTypes, AgentRow>) => {
  const AgentState = builder.enumType('AgentState', {
    description:
      'What an agent does, in the words of other systems: the vocabulary, then its word. See the guide on agents for what they mean.',
    values: stateValues as Record<string, { readonly value: StateName }>,
  });
  const AgentVocabulary = builder.enumType('AgentVocabulary', { values: enumValues(VOCABULARY_NAMES) });
  builder.objectFields(Agent, (t) => ({
    state: t.field({
      type: AgentState,
      description: 'What it does, in the words of a vocabulary; derived from its status, health, load and so on.',
      args: { vocabulary: t.arg({ type: AgentVocabulary, required: true, defaultValue: 'lifecycle' }) },
      resolve: async (agent, { vocabulary }, { reads }) => {
        const open = await reads.openTasks.load(agent.agentId);
        return `${vocabulary}:${stateOf(vocabulary, factsOfAgent(agent, open))}` as const;
      },
    }),
  }));
  return AgentState;
};

/** What happens to an agent, other than that it describes itself anew. */
const addLifecycle = (
  builder: Builder,
  enums: Enums,
  Agent: ObjectRef<SchemaTypes, AgentRow>,
  AgentStatus: EnumRef<SchemaTypes, AgentRow['status']>,
) => {
  const AgentUnreachable = addUnreachable(builder);
  builder.objectFields(Agent, (t) => ({
    status: t.expose('status', { type: AgentStatus }),
    statusReason: t.exposeString('statusReason', { nullable: true }),
    health: t.expose('health', { type: enums.Health }),
    healthReason: t.exposeString('healthReason', { nullable: true }),
    healthChangedAt: t.expose('healthChangedAt', { type: 'DateTime', nullable: true }),
    unreachable: t.field({
      type: AgentUnreachable,
      nullable: true,
      description: 'Set while it cannot be reached, whatever its health says.',
      resolve: async (agent, _, { reads }) => (await reads.restOf(agent)) ?? null,
    }),
    warmUpMs: t.exposeInt('warmUpMs', { nullable: true }),
    drainStartedAt: t.expose('drainStartedAt', { type: 'DateTime', nullable: true }),
    drainsUntil: t.expose('drainsUntil', {
      type: 'DateTime',
      nullable: true,
      description: 'What it holds then is given up.',
    }),
    maintenanceStartedAt: t.expose('maintenanceStartedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'Set while a person keeps it from new work.',
    }),
    maintenanceReason: t.exposeString('maintenanceReason', { nullable: true }),
    silentSince: t.expose('silentSince', {
      type: 'DateTime',
      nullable: true,
      description: 'Set while it is unhealthy because it sends no heartbeats.',
    }),
    deregisteredAt: t.expose('deregisteredAt', { type: 'DateTime', nullable: true }),
  }));
};

export const addAgentTypes = (builder: Builder, enums: Enums, { Money }: SharedTypes) => {
  const AgentStatus = builder.enumType('AgentStatus', {
    description:
      'WARMING has not said yet that it is ready, ACTIVE takes work, DRAINING finishes what it holds, DEREGISTERED has left its pool.',
    values: enumValues(AGENT_STATUSES),
  });
  const CapabilityType = builder.objectRef<Capability>('Capability').implement({
    fields: (t) => ({
      name: t.exposeString('name'),
      version: t.exposeString('version'),
      confidence: t.exposeFloat('confidence', { nullable: true, description: '0 to 1.' }),
      specialisations: t.stringList({ resolve: ({ specialisations = [] }) => [...specialisations] }),
    }),
  });
  const Agent = builder.objectRef<AgentRow>('Agent').implement({
    fields: (t) => ({
      id: t.exposeID('agentId'),
      pool: t.exposeString('pool'),
      name: t.exposeString('name'),
      description: t.exposeString('description', { nullable: true }),
      capabilities: t.field({ type: [CapabilityType], resolve: (agent) => agent.capabilities }),
      transport: t.exposeString('transport', { description: '`a2a` over the network, or `local`.' }),
      cardUrl: t.exposeString('cardUrl', { nullable: true }),
      card: t.expose('card', {
        type: 'JSON',
        nullable: true,
        description: 'The agent card as it was read at registration. Data of a third party.',
      }),
      delivery: t.expose('delivery', { type: enums.Delivery }),
      maxConcurrency: t.exposeInt('maxConcurrency'),
      openTasks: t.int({
        description: 'Tasks that it holds now.',
        resolve: ({ agentId }, _, { reads }) => reads.openTasks.load(agentId),
      }),
      heartbeatIntervalMs: t.exposeInt('heartbeatIntervalMs', { nullable: true }),
      costPerCall: t.expose('costPerCall', { type: Money, nullable: true }),
      labels: t.expose('labels', { type: 'JSON' }),
      registeredAt: t.expose('registeredAt', { type: 'DateTime' }),
      updatedAt: t.expose('updatedAt', { type: 'DateTime' }),
      position: t.expose('updatedPosition', {
        type: 'Position',
        description: 'Position of the last event of this agent.',
      }),
    }),
  });
  addLifecycle(builder, enums, Agent, AgentStatus);
  const described = addDescriptor(builder, enums, Agent);
  const AgentState = addState(builder, Agent);
  return { Agent, AgentState, AgentStatus, CapabilityType, Location: described.Location, loadAgent };
};

export type AgentTypes = ReturnType<typeof addAgentTypes>;
