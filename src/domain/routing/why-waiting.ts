import { instantOf } from '../instant.ts';
import { ABILITY, type AgentState, AVAILABILITY, type Requirement, sortOut } from './eligibility.ts';

export const WAITING_REASONS = [
  'dependency',
  'retry_delay',
  'pool_paused',
  'pool_not_led',
  'no_agent_with_capability',
  'no_agent_with_version',
  'agents_draining',
  'agents_in_maintenance',
  'agents_warming',
  'agents_unhealthy',
  'agents_unreachable',
  'agents_paused',
  'agents_breaker_open',
  'agents_busy',
  'next_in_turn',
] as const;
export type WaitingReason = (typeof WAITING_REASONS)[number];

/** Why a task has no agent now, and how many agents each obstacle holds back. */
export type Waiting = {
  readonly reason: WaitingReason;
  /** ISO 8601 UTC. */
  readonly since: string;
  readonly message: string;
  /** Registered agents of the pool with the capability, in a version that the task accepts. */
  readonly able: number;
  readonly draining: number;
  readonly maintenance: number;
  readonly warming: number;
  readonly unhealthy: number;
  /** Could not be reached since they last answered; while they rest they count as unhealthy, too. */
  readonly unreachable: number;
  /** Asked not to be called for a while. */
  readonly paused: number;
  /** Kept out by their breaker for the capability. */
  readonly breaker: number;
  readonly busy: number;
  readonly free: number;
};

/** A task that must complete first, and its state; undefined where the read model does not show it yet. */
export type Dependency = { readonly taskId: string; readonly status: string | undefined };

export type WaitingTask = Requirement & {
  readonly pool: string;
  /** Set while people keep its agents from getting tasks. */
  readonly pausedPool?: { readonly since: string; readonly reason?: string | undefined } | undefined;
  /** Some process assigns the tasks of the pool. */
  readonly poolIsLed: boolean;
  readonly attempt: number;
  readonly submittedAt: string;
  /** What it waits for before any agent may get it; absent for a task that waits for an agent. */
  readonly dependencies?: readonly Dependency[];
  /** When the attempt may run, if it waits for a retry delay. */
  readonly retryAt: string | undefined;
};

/** The next to be tried again. */
const unreachableMessage = ({ capability }: WaitingTask, able: readonly AgentState[]): string => {
  const [next] = able.filter(({ rest }) => rest).sort((a, b) => (a.rest?.untilMs ?? 0) - (b.rest?.untilMs ?? 0));
  if (!next?.rest) return 'no able agent can be reached';
  const { sinceMs, error } = next.rest;
  const untilMs = Math.max(next.rest.untilMs, next.circuits?.[capability]?.untilMs ?? 0);
  return `no able agent can be reached: ${next.agentId} since ${instantOf(sinceMs)} (${error}), its next try is at ${instantOf(untilMs)}`;
};

const pauseMessage = (_: WaitingTask, able: readonly AgentState[]): string => {
  const untilMs = Math.min(...able.map(({ pausedUntilMs }) => pausedUntilMs ?? Number.POSITIVE_INFINITY));
  return `every able agent that takes work has asked not to be called for now (Retry-After); the first pause ends at ${instantOf(untilMs)}`;
};

const breakerMessage = ({ capability }: WaitingTask, able: readonly AgentState[]): string => {
  const untilMs = Math.min(...able.map(({ circuits }) => circuits?.[capability]?.untilMs ?? Number.POSITIVE_INFINITY));
  const next = Number.isFinite(untilMs)
    ? `one call tries the first of them at ${instantOf(untilMs)}`
    : 'one call is trying one of them';
  return `calls to every able agent that takes work went wrong, so their breakers are open: ${next}`;
};

const HINTS: Readonly<Record<string, string>> = {
  dead_lettered: ', which waits until someone redrives or cancels that one',
  indeterminate: ', of which nobody knows whether it took effect',
};

const dependencyMessage = ({ dependencies = [] }: WaitingTask): string => {
  const open = dependencies.filter(({ status }) => status !== 'completed');
  const [stuck = open[0]] = open.filter(({ status }) => status !== undefined && status in HINTS);
  if (!stuck) return 'the tasks that it depends on have completed: it is ready as soon as its pool has recorded that';
  const status = stuck.status === undefined ? '' : ` (${stuck.status.replaceAll('_', ' ')})`;
  const others = open.length === 1 ? '' : ` and ${open.length - 1} more`;
  return `waits for task ${stuck.taskId}${status}${others}${HINTS[stuck.status ?? ''] ?? ''}`;
};

const MESSAGES: Readonly<Record<WaitingReason, (task: WaitingTask, able: readonly AgentState[]) => string>> = {
  dependency: dependencyMessage,
  pool_paused: ({ pool, pausedPool }) =>
    `pool ${pool} is paused since ${pausedPool?.since}${pausedPool?.reason === undefined ? '' : ` (${pausedPool.reason})`}: resume it`,
  pool_not_led: ({ pool }) =>
    `no process leads pool ${pool}, so nothing in it is assigned: start one with the role assigner whose BATON_POOLS, if set, names it`,
  retry_delay: ({ attempt, retryAt }) => `attempt ${attempt} waits for its retry delay until ${retryAt}`,
  no_agent_with_capability: ({ pool, capability }) => `no agent registered in pool ${pool} offers ${capability}`,
  no_agent_with_version: ({ pool, capability, versionRange }) =>
    `no agent in pool ${pool} offers ${capability} in ${versionRange}`,
  agents_draining: () => 'every able agent is draining',
  agents_in_maintenance: () => 'every able agent is under maintenance or draining',
  agents_warming: () => 'every able agent that stays is warming up',
  agents_unhealthy: () => 'every able agent that takes work is unhealthy',
  agents_unreachable: unreachableMessage,
  agents_paused: pauseMessage,
  agents_breaker_open: breakerMessage,
  agents_busy: () => 'every able and healthy agent is at its limit',
  next_in_turn: () =>
    'an agent is free: the task is assigned at the next decision of its pool, once a dispatcher has a place for the call',
};

/**
 * Explains why a task that is ready has no agent, by the rules that routing follows.
 *
 * @param agents registered agents of the task's pool
 */
export const explainWaiting = (task: WaitingTask, agents: readonly AgentState[], nowMs: number): Waiting => {
  const { eligible: able, excluded: unable } = sortOut(agents, ABILITY, task);
  const { eligible: free, excluded } = sortOut(able, AVAILABILITY, task);
  const {
    draining = 0,
    maintenance = 0,
    warming = 0,
    unhealthy = 0,
    paused = 0,
    breaker = 0,
    no_slot: busy = 0,
  } = excluded;
  /** Those that would take work if they could be reached. */
  const takers = able.filter(
    (agent) => !agent.draining && !agent.maintenance && !agent.warming && agent.health !== 'unhealthy',
  );
  const unreachable = able.filter(({ rest }) => rest).length;
  const reason = (): WaitingReason => {
    if (task.dependencies) return 'dependency';
    if (task.retryAt !== undefined && Date.parse(task.retryAt) > nowMs) return 'retry_delay';
    if (task.pausedPool) return 'pool_paused';
    if (!task.poolIsLed) return 'pool_not_led';
    if (able.length === 0) return (unable.version ?? 0) > 0 ? 'no_agent_with_version' : 'no_agent_with_capability';
    if (draining === able.length) return 'agents_draining';
    if (draining + maintenance === able.length) return 'agents_in_maintenance';
    if (draining + maintenance + warming === able.length) return 'agents_warming';
    if (free.length === 0 && unreachable > 0 && takers.every(({ rest }) => rest)) return 'agents_unreachable';
    if (draining + maintenance + warming + unhealthy === able.length) return 'agents_unhealthy';
    if (draining + maintenance + warming + unhealthy + paused === able.length) return 'agents_paused';
    if (draining + maintenance + warming + unhealthy + paused + breaker === able.length) return 'agents_breaker_open';
    return free.length === 0 ? 'agents_busy' : 'next_in_turn';
  };
  const found = reason();
  const counts = {
    able: able.length,
    draining,
    maintenance,
    warming,
    unhealthy,
    unreachable,
    paused,
    breaker,
    busy,
    free: free.length,
  };
  return { reason: found, since: task.retryAt ?? task.submittedAt, message: MESSAGES[found](task, able), ...counts };
};
