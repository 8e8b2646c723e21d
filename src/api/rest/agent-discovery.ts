import { z } from 'zod';
import { Location } from '../../domain/agent/descriptor.ts';
import { Capability, Health } from '../../domain/agent/events.ts';
import { type Candidate, classScore, freeSlotsOf } from '../../domain/discovery/candidate.ts';
import { DiscoverAgentsInput } from '../../domain/discovery/query.ts';
import { LEFT_OUT } from '../../domain/discovery/rules.ts';
import { AgentId, PoolId } from '../../domain/ids.ts';
import { PositionText } from '../edge/query-string.ts';
import { discoverAgents } from '../reads/discovery.ts';
import { AtLeastQuery, type Operation, operation, positionOf } from './operation.ts';

const DiscoveredView = z.strictObject({
  agentId: AgentId,
  pool: PoolId,
  version: z.string().optional(),
  capabilities: z.array(Capability),
  location: Location.optional(),
  health: Health,
  healthScore: z.number().min(0).max(1),
  draining: z.boolean(),
  maintenance: z.boolean(),
  warming: z.boolean(),
  freeSlots: z.int().min(0),
});

const DiscoveryView = z.strictObject({
  total: z.int().min(0).meta({ description: 'Agents that meet all conditions.' }),
  agents: z
    .array(DiscoveredView)
    .meta({ description: 'The first of them: preferred location first, then by health, then by id.' }),
  leftOut: z
    .array(z.strictObject({ reason: z.enum(LEFT_OUT), count: z.int().min(1), agentIds: z.array(AgentId) }))
    .meta({ description: 'All others, by the first condition that they do not meet; the first 20 of each by id.' }),
  position: PositionText,
});

const viewOf = (agent: Candidate): z.output<typeof DiscoveredView> => {
  const { agentId, pool, version, capabilities, location, health } = agent;
  const { draining, maintenance, warming } = agent;
  return {
    agentId,
    pool,
    ...(version === undefined ? {} : { version }),
    capabilities: [...capabilities],
    ...(location === undefined ? {} : { location }),
    health,
    healthScore: classScore(agent),
    draining,
    maintenance,
    warming,
    freeSlots: freeSlotsOf(agent),
  };
};

export const discover: Operation = operation({
  method: 'post',
  path: '/agents/discover',
  id: 'discoverAgents',
  summary: 'Find agents that fit, and why the others do not',
  description: 'A query: it records nothing. Members of the body that are absent or empty are not asked for.',
  query: AtLeastQuery,
  body: { schema: DiscoverAgentsInput, required: true },
  success: { status: 200, description: 'The answer', schema: DiscoveryView },
  refusals: [400, 413, 415, 503],
  example: { body: { capabilities: [{ name: 'footprint', versionRange: '^1.0.0' }], readiness: 'able_now' } },
  async run(request) {
    const { discovery, position } = await discoverAgents(request, request.body, positionOf(request.query));
    const { total, agents, leftOut } = discovery;
    return { body: { total, agents: agents.map(viewOf), leftOut, position: String(position) } };
  },
});
