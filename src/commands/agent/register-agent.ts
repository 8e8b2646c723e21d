import { z } from 'zod';
import { HEARTBEAT_MS, RegisterAgentInput } from '../../domain/agent/commands.ts';
import type { AgentRejection } from '../../domain/agent/decider.ts';
import { CapabilityName, DESCRIPTOR_FIELDS } from '../../domain/agent/descriptor.ts';
import type { AgentProfile, Transport } from '../../domain/agent/events.ts';
import { type BulkItem, performAll } from '../bulk.ts';
import { type AgentCardFacts, badInput, type Caller, type Commands, contextOf, parseInput } from '../context.ts';
import { AGENT, nowOf, run, unlessPoolsAreFull, unlessRecorded } from '../run.ts';

/** Cut to `length` UTF-16 units, without leaving half a character. */
const cut = (value: string, length: number): string => value.slice(0, length).replace(/[\ud800-\udbff]$/, '');

const MAX_CAPABILITIES = 200;

const capabilitiesOf = (input: RegisterAgentInput, card: AgentCardFacts | undefined): AgentProfile['capabilities'] => {
  if (input.capabilities) return input.capabilities;
  const skills = [...new Set(card?.skills)].filter((skill) => CapabilityName.safeParse(skill).success);
  if (skills.length === 0)
    throw badInput([
      {
        pointer: '/capabilities',
        code: 'REQUIRED',
        message: 'name at least one capability; the agent card has no usable skill',
      },
    ]);
  if (skills.length > MAX_CAPABILITIES)
    throw badInput([
      {
        pointer: '/capabilities',
        code: 'REQUIRED',
        message: `name at most ${MAX_CAPABILITIES} capabilities; the agent card has ${skills.length} skills`,
      },
    ]);
  return skills.map((name) => ({ name, version: '1.0.0' }));
};

const transportOf = (input: RegisterAgentInput, card: AgentCardFacts | undefined): Transport =>
  card && input.cardUrl !== undefined ? { kind: 'a2a', cardUrl: input.cardUrl, card: card.card } : { kind: 'local' };

const descriptorOf = (input: RegisterAgentInput): Partial<AgentProfile> =>
  Object.fromEntries(DESCRIPTOR_FIELDS.flatMap((field) => (input[field] === undefined ? [] : [[field, input[field]]])));

const heartbeatsOf = ({ heartbeats, heartbeatIntervalMs }: RegisterAgentInput): Partial<AgentProfile> => {
  if (heartbeats === false && heartbeatIntervalMs !== undefined)
    throw badInput([
      {
        pointer: '/heartbeats',
        code: 'CONFLICTING',
        message: 'must not be false beside heartbeatIntervalMs: leave one of them out',
      },
    ]);
  const everyMs = heartbeatIntervalMs ?? (heartbeats ? HEARTBEAT_MS : undefined);
  return everyMs === undefined ? {} : { heartbeatIntervalMs: everyMs };
};

const profileOf = (input: RegisterAgentInput, card: AgentCardFacts | undefined): AgentProfile => {
  const description = input.description ?? (card?.description === undefined ? undefined : cut(card.description, 2_000));
  return {
    pool: input.pool,
    name: input.name ?? (cut(card?.name.trim() ?? '', 200) || input.agentId),
    ...(description === undefined ? {} : { description }),
    capabilities: capabilitiesOf(input, card),
    transport: transportOf(input, card),
    maxConcurrency: input.maxConcurrency,
    delivery: input.delivery,
    ...heartbeatsOf(input),
    ...(input.warmUpMs === undefined ? {} : { warmUpMs: input.warmUpMs }),
    ...(input.costPerCall === undefined ? {} : { costPerCall: input.costPerCall }),
    labels: input.labels,
    ...descriptorOf(input),
  };
};

const register = (commands: Commands, caller: Caller, body: RegisterAgentInput, profile: AgentProfile) => {
  const { agentId, pool, replace } = body;
  const context = contextOf(commands, caller, `RegisterAgent/${agentId}`, body);
  const pools = [{ pointer: '/pool', pool }];
  const now = nowOf(commands);
  return unlessPoolsAreFull(commands, caller, AGENT, { id: agentId, context, pools }, () =>
    run(commands, caller, AGENT, {
      id: agentId,
      command: { type: 'RegisterAgent', agentId, profile, replace, now },
      now,
      context,
      // Who replaces expects to find one.
      assumeNew: !replace,
    }),
  );
};

const registerBody = (commands: Commands, caller: Caller, body: RegisterAgentInput) => {
  const { agentId, cardUrl } = body;
  const context = contextOf(commands, caller, `RegisterAgent/${agentId}`, body);
  return unlessRecorded(commands, caller, AGENT, { id: agentId, context }, async () => {
    const card = cardUrl === undefined ? undefined : await commands.cards.fetch(cardUrl);
    return register(commands, caller, body, profileOf(body, card));
  });
};

/**
 * Registers an agent. With a card URL the card is fetched and kept, and its skills are the capabilities unless the caller names them;
 * without one the agent is `local`: a function in a dispatcher's own process.
 */
export const registerAgent = async (commands: Commands, caller: Caller, input: unknown) =>
  registerBody(commands, caller, parseInput(RegisterAgentInput, input));

export const MAX_AGENTS_PER_CALL = 1_000;
/** Each may fetch a card, from whoever the caller names. */
const REGISTERED_AT_ONCE = 32;

const RegisterAgentsInput = z.strictObject({ agents: z.array(z.unknown()).min(1).max(MAX_AGENTS_PER_CALL) });

/** For callers that would convert the items first. Errors: those of `registerAgents` for a list of that length. */
export const checkAgentCount = (length: number): void => {
  parseInput(RegisterAgentsInput, { agents: Array.from({ length: Math.min(length, MAX_AGENTS_PER_CALL + 1) }) });
};

/** Outcome of one item of a bulk registration, in the order of the request. */
export type RegisteredItem = BulkItem<AgentRejection['reason']>;

/**
 * Registers up to `MAX_AGENTS_PER_CALL` agents, see `performAll`.
 *
 * Errors: `AppError` `BAD_USER_INPUT` only when the list itself, or the call's key, is unusable.
 */
export const registerAgents = async (commands: Commands, caller: Caller, input: unknown): Promise<RegisteredItem[]> => {
  const { agents } = parseInput(RegisterAgentsInput, input);
  return performAll(caller, agents, {
    schema: RegisterAgentInput,
    atOnce: REGISTERED_AT_ONCE,
    perform: (itemCaller, body) => registerBody(commands, itemCaller, body),
  });
};

/** Registers a function that this process offers, for as long as any process offers it; see `FunctionAgents`. */
export const registerFunctionAgent = (commands: Commands, caller: Caller, body: RegisterAgentInput) =>
  register(commands, caller, body, { ...profileOf(body, undefined), transport: { kind: 'local', offered: true } });
