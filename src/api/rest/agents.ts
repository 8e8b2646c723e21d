import { z } from 'zod';
import { deregisterAgent } from '../../commands/agent/deregister-agent.ts';
import { drainAgent } from '../../commands/agent/drain-agent.ts';
import { reportAgentReady } from '../../commands/agent/end-warm-up.ts';
import { endMaintenance, startMaintenance } from '../../commands/agent/maintain-agent.ts';
import { ReasonInput } from '../../commands/agent/reason-input.ts';
import { MAX_AGENTS_PER_CALL, registerAgent, registerAgents } from '../../commands/agent/register-agent.ts';
import { undrainAgent } from '../../commands/agent/undrain-agent.ts';
import { updateAgent } from '../../commands/agent/update-agent.ts';
import type { Accepted } from '../../commands/context.ts';
import { DrainAgentInput, RegisterAgentInput, UpdateAgentInput } from '../../domain/agent/commands.ts';
import type { AgentRejection } from '../../domain/agent/decider.ts';
import { Constraints, Location, Sla } from '../../domain/agent/descriptor.ts';
import { Capability, Health } from '../../domain/agent/events.ts';
import { STATE_NAMES, stateOf, VOCABULARY_NAMES } from '../../domain/agent/vocabularies.ts';
import { AgentId, agentStream } from '../../domain/ids.ts';
import { instantOf } from '../../domain/instant.ts';
import { text } from '../../domain/json.ts';
import { Money } from '../../domain/money.ts';
import type { Result } from '../../domain/result.ts';
import { notFound } from '../../platform/errors.ts';
import { type AgentFilter, countAgents, factsOfAgent, listAgents } from '../../projections/agents/queries.ts';
import { AGENT_STATUSES, type AgentRow, agentsTable } from '../../projections/agents/table.ts';
import { discover } from './agent-discovery.ts';
import { bulkAnswer, bulkAnswerOf } from './bulk.ts';
import { AGENT } from './examples.ts';
import { textOf } from './filters.ts';
import { showHealth } from './health-summary.ts';
import { listOf, several } from './list.ts';
import {
  AtLeastQuery,
  COMMAND_REFUSALS,
  CREATION_REFUSALS,
  type Operation,
  operation,
  positionOf,
  RECORDED,
  REST_PATH,
  type Requested,
  SUBJECT_REFUSALS,
} from './operation.ts';
import { acceptedByAgent } from './rejection.ts';
import { viewOf } from './view.ts';

const AgentAccepted = z.strictObject({ agentId: AgentId, ...RECORDED });

const acceptedView = ({ id, position, repeated }: Accepted): z.output<typeof AgentAccepted> => ({
  agentId: id,
  position: String(position),
  repeated,
});

const accepted = (result: Result<Accepted, AgentRejection>): z.output<typeof AgentAccepted> =>
  acceptedView(acceptedByAgent(result));

const profile = viewOf(agentsTable, {
  hides: ['capabilityNames'],
  json: {
    capabilities: z.array(Capability),
    costPerCall: Money,
    labels: z.record(z.string(), z.string()),
    location: Location,
    sla: Sla,
    constraints: Constraints,
  },
});

export const AgentView = profile.schema.extend({
  states: z
    .record(z.enum(VOCABULARY_NAMES), z.string())
    .meta({ description: 'What it does, in the words of each vocabulary.' }),
  openTasks: z.int().min(0).meta({ description: 'Tasks that it holds now.' }),
  unreachable: z
    .strictObject({
      since: z.iso.datetime(),
      restsUntil: z.iso.datetime(),
      misses: z.int().min(1),
      error: z.string(),
    })
    .optional()
    .meta({ description: 'Set while it cannot be reached, whatever its health says.' }),
});

const agent = {
  schema: AgentView,
  async of(row: AgentRow, { reads }: Pick<Requested, 'reads'>): Promise<unknown> {
    const [openTasks, rest] = await Promise.all([reads.openTasks.load(row.agentId), reads.restOf(row)]);
    const facts = factsOfAgent(row, openTasks);
    const states = Object.fromEntries(VOCABULARY_NAMES.map((vocabulary) => [vocabulary, stateOf(vocabulary, facts)]));
    const shown = { ...profile.of(row), states, openTasks };
    if (rest === undefined) return shown;
    const { sinceMs, untilMs, misses, error } = rest;
    const unreachable = { since: instantOf(sinceMs), restsUntil: instantOf(untilMs), misses, error };
    return { ...shown, unreachable };
  },
};

const register = operation({
  method: 'post',
  path: '/agents',
  id: 'registerAgent',
  summary: 'Register an agent',
  description: 'Its card is fetched at once. Without `cardUrl` it is a function that a process of Baton offers.',
  body: { schema: RegisterAgentInput, required: true },
  success: { status: 201, description: 'Registered; `Location` is the agent', schema: AgentAccepted },
  refusals: CREATION_REFUSALS,
  example: {
    body: {
      agentId: AGENT,
      capabilities: [{ name: 'footprint', version: '1.2.0', confidence: 0.9 }],
      serviceTypes: ['computation'],
      tags: ['carbon'],
      location: { region: 'eu-west' },
      maxConcurrency: 5,
      replace: true,
    },
  },
  async run({ commands, caller, body }) {
    const answer = accepted(await registerAgent(commands, caller, body));
    return { body: answer, location: `${REST_PATH}/agents/${answer.agentId}` };
  },
});

/** What the list contains is checked item by item: each succeeds or fails on its own. */
const RegisterAgentsInput = z.strictObject({
  agents: z
    .array(
      RegisterAgentInput.extend({
        idempotencyKey: z
          .string()
          .optional()
          .meta({ description: 'Without one: that of the request, `/` and the index of the item.' }),
      }),
    )
    .min(1)
    .max(MAX_AGENTS_PER_CALL),
});

const registerMany = operation({
  method: 'post',
  path: '/agents/bulk',
  id: 'registerAgents',
  summary: `Register up to ${MAX_AGENTS_PER_CALL} agents`,
  description: 'Each succeeds or fails on its own: look at `items`. All bad items together report at most 20 issues.',
  body: { schema: RegisterAgentsInput, required: true },
  success: { status: 200, description: 'What became of each', schema: bulkAnswerOf(AgentAccepted, 'agent') },
  refusals: CREATION_REFUSALS,
  example: {
    body: { agents: ['reader-1', 'reader-2'].map((agentId) => ({ agentId, capabilities: [{ name: 'read' }] })) },
  },
  async run({ commands, caller, body }) {
    const items = await registerAgents(commands, caller, body);
    return { body: bulkAnswer(items, acceptedView) };
  },
});

const LABEL = /^[^=]{1,63}=.*$/s;

const list = listOf({
  path: '/agents',
  id: 'listAgents',
  summary: 'List agents, newest registration first',
  filter: {
    status: several(z.enum(AGENT_STATUSES), 'Any of them.'),
    state: several(z.enum(STATE_NAMES), 'Any of them: a vocabulary, and one of its words.'),
    health: several(Health, 'Any of them.'),
    pool: textOf('Pool of agents.'),
    capability: textOf('Name of a capability that it offers.'),
    label: several(text({ max: 320 }).regex(LABEL, 'must be a name and a value, as in zone=eu'), 'All of them.'),
    text: textOf('Part of its id, name or description; case does not matter.'),
  },
  filterOf: ({ status, state, health, label, ...filter }) =>
    ({
      ...filter,
      statuses: status,
      states: state,
      healths: health,
      labels: label && Object.fromEntries(label.map((each) => each.split(/=(.*)/s, 2))),
    }) satisfies AgentFilter,
  item: agent,
  list: listAgents,
  count: countAgents,
  example: { query: { capability: 'footprint' } },
});

const show = operation({
  method: 'get',
  path: '/agents/{id}',
  id: 'showAgent',
  summary: 'Show an agent',
  target: AgentId,
  query: AtLeastQuery,
  success: { status: 200, description: 'The agent', schema: AgentView },
  refusals: SUBJECT_REFUSALS,
  example: { target: AGENT },
  async run(request) {
    const { reads, target: id, query } = request;
    reads.atLeast(positionOf(query));
    const row = await reads.existing({ schema: AgentId, streamOf: agentStream, id }, () => reads.agents.load(id));
    if (row === null) throw notFound('agent', JSON.stringify(id));
    return { body: await agent.of(row, request) };
  },
});

type AgentCommand = Pick<Operation, 'method' | 'path' | 'id' | 'summary' | 'description' | 'body' | 'example'> & {
  readonly success: string;
  readonly command: typeof undrainAgent;
};

const onAgent = ({ success, command, ...documented }: AgentCommand): Operation =>
  operation({
    ...documented,
    target: AgentId,
    success: { status: 200, description: success, schema: AgentAccepted },
    refusals: COMMAND_REFUSALS,
    run: async ({ commands, caller, target, body }) => ({
      body: accepted(await command(commands, caller, target, body)),
    }),
  });

const update = onAgent({
  method: 'patch',
  path: '/agents/{id}',
  id: 'updateAgent',
  summary: 'Change the profile of an agent',
  description: 'Members that are absent do not change.',
  body: { schema: UpdateAgentInput, required: true },
  success: 'Changed',
  example: { target: AGENT, body: { maxConcurrency: 8, labels: { zone: 'eu' } } },
  command: updateAgent,
});

const drain = onAgent({
  method: 'post',
  path: '/agents/{id}/drain',
  id: 'drainAgent',
  summary: 'Give an agent no new work',
  description: 'It finishes what it holds; what it still holds after `limitMs` (300,000 by default) is given up.',
  body: { schema: DrainAgentInput, required: false },
  success: 'Draining',
  example: { target: AGENT, body: { reason: 'a new version', limitMs: 60_000 } },
  command: drainAgent,
});

const undrain = onAgent({
  method: 'post',
  path: '/agents/{id}/undrain',
  id: 'undrainAgent',
  summary: 'Give an agent that drains new work again',
  body: { schema: ReasonInput, required: false },
  success: 'Takes work again',
  example: { target: AGENT, body: { reason: 'the new version waits' } },
  command: undrainAgent,
});

const ready = onAgent({
  method: 'post',
  path: '/agents/{id}/ready',
  id: 'reportAgentReady',
  summary: 'Say that an agent has warmed up',
  description: 'It gets work from now on. Records nothing when the agent does not warm up.',
  success: 'Ready',
  example: { target: AGENT },
  command: reportAgentReady,
});

const maintain = onAgent({
  method: 'post',
  path: '/agents/{id}/maintenance',
  id: 'startAgentMaintenance',
  summary: 'Keep an agent from new work, also when it registers again',
  description: 'It may finish what it holds.',
  body: { schema: ReasonInput, required: false },
  success: 'Under maintenance',
  example: { target: AGENT, body: { reason: 'disks are replaced' } },
  command: startMaintenance,
});

const stopMaintenance = onAgent({
  method: 'post',
  path: '/agents/{id}/end-maintenance',
  id: 'endAgentMaintenance',
  summary: 'End the maintenance of an agent',
  body: { schema: ReasonInput, required: false },
  success: 'No longer under maintenance',
  example: { target: AGENT, body: { reason: 'disks are replaced' } },
  command: endMaintenance,
});

const deregister = onAgent({
  method: 'post',
  path: '/agents/{id}/deregister',
  id: 'deregisterAgent',
  summary: 'Take an agent out of its pool',
  description: 'Its open attempts may still end; it may register again.',
  body: { schema: ReasonInput, required: false },
  success: 'Deregistered',
  example: { target: AGENT },
  command: deregisterAgent,
});

export const AGENT_OPERATIONS: readonly Operation[] = [
  register,
  registerMany,
  list,
  discover,
  showHealth,
  show,
  update,
  drain,
  undrain,
  ready,
  maintain,
  stopMaintenance,
  deregister,
];
