import type { z } from 'zod';
import type { LeftOut } from '../../../domain/discovery/answer.ts';
import type { Candidate } from '../../../domain/discovery/candidate.ts';
import { classScore, freeSlotsOf } from '../../../domain/discovery/candidate.ts';
import { type DiscoverAgentsInput, READINESS } from '../../../domain/discovery/query.ts';
import { LEFT_OUT } from '../../../domain/discovery/rules.ts';
import type { Discovered } from '../../../processes/fleet/fleet-watch.ts';
import { discoverAgents } from '../../reads/discovery.ts';
import type { Builder } from '../kit/builder.ts';
import { atPointer, withoutNulls } from '../kit/command-field.ts';
import { AT_LEAST } from '../kit/connection.ts';
import { type Enums, enumValues } from '../kit/enums.ts';
import type { AgentInputs } from './inputs.ts';
import type { AgentTypes } from './types.ts';

const addDiscoveryInput = (builder: Builder, enums: Enums, { LocationInput }: AgentInputs) => {
  const Readiness = builder.enumType('Readiness', {
    description:
      'DISCOVERED: registered. REACHABLE: also not unhealthy, and its last call arrived. ABLE_NOW: also takes new work and has a free place.',
    values: enumValues(READINESS),
  });
  const RequiredCapabilityInput = builder.inputType('RequiredCapabilityInput', {
    fields: (t) => ({ name: t.string({ required: true }), versionRange: t.string({ description: 'Semver range.' }) }),
  });
  return builder.inputType('DiscoverAgentsInput', {
    description: 'What is absent or empty is not asked for.',
    fields: (t) => ({
      pool: t.string(),
      capabilities: t.field({ type: [RequiredCapabilityInput], description: 'All of them; at most 20.' }),
      serviceTypes: t.field({ type: [enums.ServiceType], description: 'Any of them.' }),
      tags: t.stringList({ description: 'Any of them; at most 64.' }),
      agentVersion: t.string({ description: 'Semver range of the version of the agent as a whole.' }),
      preferredLocation: t.field({ type: LocationInput, description: 'Agents there come first.' }),
      minHealth: t.float({ description: '0 to 1; 0.5 when absent.' }),
      readiness: t.field({ type: Readiness, description: 'DISCOVERED when absent.' }),
      limit: t.int({ description: '1 to 100; 10 when absent.' }),
    }),
  });
};

type InputOf = ReturnType<typeof addDiscoveryInput>;

const bodyOf = (input: InputOf['$inferInput']) => withoutNulls(input) satisfies z.input<typeof DiscoverAgentsInput>;

const addDiscoveryTypes = (
  builder: Builder,
  enums: Enums,
  { Agent, CapabilityType, Location, loadAgent }: AgentTypes,
) => {
  const DiscoveredAgent = builder.objectRef<Candidate>('DiscoveredAgent').implement({
    fields: (t) => ({
      agentId: t.exposeID('agentId'),
      pool: t.exposeString('pool'),
      version: t.exposeString('version', { nullable: true }),
      capabilities: t.field({ type: [CapabilityType], resolve: ({ capabilities }) => capabilities }),
      location: t.field({ type: Location, nullable: true, resolve: ({ location }) => location ?? null }),
      health: t.expose('health', { type: enums.Health }),
      healthScore: t.float({ description: '0 to 1.', resolve: classScore }),
      draining: t.exposeBoolean('draining'),
      maintenance: t.exposeBoolean('maintenance'),
      warming: t.exposeBoolean('warming'),
      freeSlots: t.int({ description: 'Attempts that it could take now.', resolve: freeSlotsOf }),
      agent: t.field({
        type: Agent,
        nullable: true,
        description: 'From the read model.',
        resolve: ({ agentId }, _, context) => loadAgent(context, agentId),
      }),
    }),
  });
  const LeftOutReason = builder.enumType('LeftOutReason', {
    description: 'The first of the conditions, in this order, that an agent does not meet.',
    values: enumValues(LEFT_OUT),
  });
  const LeftOutAgents = builder.objectRef<LeftOut>('LeftOutAgents').implement({
    fields: (t) => ({
      reason: t.expose('reason', { type: LeftOutReason }),
      count: t.exposeInt('count'),
      agentIds: t.idList({ description: 'The first 20 by id.', resolve: ({ agentIds }) => [...agentIds] }),
    }),
  });
  return { DiscoveredAgent, LeftOutAgents };
};

export const addAgentDiscovery = (builder: Builder, enums: Enums, types: AgentTypes, inputs: AgentInputs): void => {
  const Input = addDiscoveryInput(builder, enums, inputs);
  const { DiscoveredAgent, LeftOutAgents } = addDiscoveryTypes(builder, enums, types);
  const AgentDiscovery = builder.objectRef<Discovered>('AgentDiscovery').implement({
    fields: (t) => ({
      total: t.int({ description: 'Agents that meet all conditions.', resolve: ({ discovery }) => discovery.total }),
      agents: t.field({
        type: [DiscoveredAgent],
        description: 'The first of them: preferred location first, then by health, then by id.',
        resolve: ({ discovery }) => discovery.agents,
      }),
      leftOut: t.field({
        type: [LeftOutAgents],
        description: 'All other agents of the pool or tenant, by the reason for which they are left out.',
        resolve: ({ discovery }) => discovery.leftOut,
      }),
      position: t.expose('position', { type: 'Position', description: 'Position of the log that this reflects.' }),
    }),
  });
  builder.queryField('discoverAgents', (t) =>
    t.field({
      type: AgentDiscovery,
      description: 'Agents that fit, and why the others do not.',
      args: { input: t.arg({ type: Input, required: true }), atLeast: t.arg(AT_LEAST) },
      resolve: (_, { input, atLeast }, context) =>
        atPointer('/input', () => discoverAgents(context, bodyOf(input), atLeast)),
    }),
  );
};
