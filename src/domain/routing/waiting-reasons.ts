import { instantOf } from '../instant.ts';
import type { Exclusion } from '../pool/events.ts';
import type { AgentState, Requirement } from './eligibility.ts';
import type { Obstacle } from './obstacles.ts';

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
  /** When the attempt may run, if it waits for a retry delay. */
  readonly retryAt: string | undefined;
  readonly deadlineAt?: string | undefined;
  /** What it waits for before any agent may get it; absent for a task that waits for an agent. */
  readonly dependencies?: readonly Dependency[];
  /** What keeps the execution that it belongs to from giving it to agents. */
  readonly execution?: { readonly executionId: string; readonly state: 'paused' | 'aborting' } | undefined;
  /** Its stream holds an event that this build cannot read. */
  readonly unreadable?: boolean | undefined;
};

/** What the rows below are asked about. */
export type Situation = {
  readonly task: WaitingTask;
  readonly nowMs: number;
  /** Agents of the pool with the capability, in a version that the task accepts. */
  readonly able: readonly AgentState[];
  /** Some have the capability, in other versions only. */
  readonly hasOtherVersions: boolean;
  /** By id, of the able agents that come closest to taking the task: those that the latest rule leaves out, or the free ones. */
  readonly nearest: readonly AgentState[];
  /** That rule; undefined when an agent is free. */
  readonly rule: Exclusion | undefined;
};

type Row = {
  readonly obstacle: Obstacle;
  readonly holds: (situation: Situation) => boolean;
  readonly message: (situation: Situation) => string;
  /** The least that would have to change. */
  readonly unblock: (situation: Situation) => string;
  /** When it ends by itself, if that is known. */
  readonly untilMs?: (situation: Situation) => number | undefined;
};

const HINTS: Readonly<Record<string, string>> = {
  dead_lettered: ', which waits until someone redrives or cancels that one',
  indeterminate: ', of which nobody knows whether it took effect',
};

type Open = { readonly stuck: Dependency | undefined; readonly others: number };

/** Of those that have not completed, one for which a person must do something, or else the first. */
const openDependencies = ({ dependencies = [] }: WaitingTask): Open => {
  const open = dependencies.filter(({ status }) => status !== 'completed');
  const [stuck = open[0]] = open.filter(({ status }) => status !== undefined && status in HINTS);
  return { stuck, others: open.length - 1 };
};

const dependencyText = (task: WaitingTask): string => {
  const { stuck, others } = openDependencies(task);
  if (!stuck) return 'the tasks that it depends on have completed: it is ready as soon as its pool has recorded that';
  const status = stuck.status === undefined ? '' : ` (${stuck.status.replaceAll('_', ' ')})`;
  const more = others === 0 ? '' : ` and ${others} more`;
  return `waits for task ${stuck.taskId}${status}${more}${HINTS[stuck.status ?? ''] ?? ''}`;
};

const isBefore = (nowMs: number, at: string | undefined): boolean => at !== undefined && nowMs < Date.parse(at);

const earliest = (times: readonly (number | undefined)[]): number | undefined => {
  const known = times.filter((time) => time !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
};

const first = ({ nearest }: Situation): string => nearest[0]?.agentId ?? '';

const breakerEndMs = ({ task, nearest }: Situation): number | undefined =>
  earliest(nearest.map(({ circuits }) => circuits?.[task.capability]?.untilMs));
const pauseEndMs = ({ nearest }: Situation): number | undefined =>
  earliest(nearest.map(({ pausedUntilMs }) => pausedUntilMs));

type Unreached = AgentState & { readonly rest: NonNullable<AgentState['rest']> };

const hasRest = (agent: AgentState): agent is Unreached => agent.rest !== undefined;

/** The one that is tried again first. */
const nextTry = ({ task, able }: Situation): { readonly agent: Unreached; readonly atMs: number } | undefined => {
  const [agent] = able.filter(hasRest).sort((a, b) => a.rest.untilMs - b.rest.untilMs);
  return agent && { agent, atMs: Math.max(agent.rest.untilMs, agent.circuits?.[task.capability]?.untilMs ?? 0) };
};

const unreachableText = (situation: Situation): string => {
  const next = nextTry(situation);
  if (!next) return 'no able agent can be reached';
  const { agentId, rest } = next.agent;
  return `no able agent can be reached: ${agentId} since ${instantOf(rest.sinceMs)} (${rest.error}), its next try is at ${instantOf(next.atMs)}`;
};

/** None that takes work has answered. */
const isUnreachable = ({ able, rule }: Situation): boolean => {
  if (rule === undefined || rule === 'draining' || rule === 'maintenance' || rule === 'warming') return false;
  const takers = able.filter(
    ({ draining, maintenance, warming, health }) => !draining && !maintenance && !warming && health !== 'unhealthy',
  );
  return able.some(hasRest) && takers.every(hasRest);
};

const leftOutBy =
  (wanted: Exclusion) =>
  ({ rule }: Situation): boolean =>
    rule === wanted;

/**
 * Every reason for which a task that is open has no agent, in the order in which they are looked for: the first that holds is the one that is
 * given, and the last always holds. They are sorted by their obstacles. A new reason is a row here.
 */
const ROWS = {
  dependency: {
    obstacle: 'dependency',
    holds: ({ task }) => task.dependencies !== undefined,
    message: ({ task }) => dependencyText(task),
    unblock: ({ task }) => {
      const { stuck } = openDependencies(task);
      if (!stuck) return 'nothing: it comes by itself';
      return stuck.status !== undefined && stuck.status in HINTS
        ? `redrive task ${stuck.taskId}`
        : `let task ${stuck.taskId} complete`;
    },
  },
  execution_aborting: {
    obstacle: 'dependency',
    holds: ({ task }) => task.execution?.state === 'aborting',
    message: ({ task }) => `execution ${task.execution?.executionId} ends early: its tasks are withdrawn`,
    unblock: ({ task }) =>
      `nothing: the task ends by itself; if execution ${task.execution?.executionId} has failed then, retry it`,
  },
  stream_unreadable: {
    obstacle: 'human',
    holds: ({ task }) => task.unreadable === true,
    message: () => 'a newer build has written an event of it that this one cannot read',
    unblock: () => 'run the newer build',
  },
  execution_paused: {
    obstacle: 'human',
    holds: ({ task }) => task.execution?.state === 'paused',
    message: ({ task }) => `execution ${task.execution?.executionId} is paused: its tasks are not assigned`,
    unblock: ({ task }) => `resume execution ${task.execution?.executionId}`,
  },
  deadline_passed: {
    obstacle: 'timer',
    holds: ({ task, nowMs }) => task.deadlineAt !== undefined && !isBefore(nowMs, task.deadlineAt),
    message: ({ task }) => `its deadline passed at ${task.deadlineAt}: no agent gets it any more, and it is given up`,
    unblock: () => 'nothing: it ends by itself; redriven, it goes on without that deadline',
  },
  retry_delay: {
    obstacle: 'timer',
    holds: ({ task, nowMs }) => isBefore(nowMs, task.retryAt),
    message: ({ task }) => `attempt ${task.attempt} waits for its retry delay until ${task.retryAt}`,
    unblock: ({ task }) => `nothing: the delay ends at ${task.retryAt}`,
    untilMs: ({ task }) => (task.retryAt === undefined ? undefined : Date.parse(task.retryAt)),
  },
  pool_paused: {
    obstacle: 'admission',
    holds: ({ task }) => task.pausedPool !== undefined,
    message: ({ task: { pool, pausedPool } }) =>
      `pool ${pool} is paused since ${pausedPool?.since}${pausedPool?.reason === undefined ? '' : ` (${pausedPool.reason})`}: resume it`,
    unblock: ({ task }) => `resume pool ${task.pool}`,
  },
  pool_not_led: {
    obstacle: 'admission',
    holds: ({ task }) => !task.poolIsLed,
    message: ({ task }) =>
      `no process leads pool ${task.pool}, so nothing in it is assigned: start one with the role assigner whose BATON_POOLS, if set, names it`,
    unblock: ({ task }) => `start a process with the role assigner that may lead pool ${task.pool}`,
  },
  no_agent_with_version: {
    obstacle: 'no_capable_agent',
    holds: ({ able, hasOtherVersions }) => able.length === 0 && hasOtherVersions,
    message: ({ task }) => `no agent in pool ${task.pool} offers ${task.capability} in ${task.versionRange}`,
    unblock: ({ task }) =>
      `register an agent in pool ${task.pool} that offers ${task.capability} in ${task.versionRange}`,
  },
  no_agent_with_capability: {
    obstacle: 'no_capable_agent',
    holds: ({ able }) => able.length === 0,
    message: ({ task }) => `no agent registered in pool ${task.pool} offers ${task.capability}`,
    unblock: ({ task }) => `register an agent in pool ${task.pool} that offers ${task.capability}`,
  },
  agents_unreachable: {
    obstacle: 'breaker',
    holds: isUnreachable,
    message: unreachableText,
    unblock: (situation) => `let agent ${nextTry(situation)?.agent.agentId} answer again`,
    untilMs: (situation) => nextTry(situation)?.atMs,
  },
  agents_paused: {
    obstacle: 'breaker',
    holds: leftOutBy('paused'),
    message: (situation) =>
      `every able agent that takes work has asked not to be called for now (Retry-After); the first pause ends at ${instantOf(pauseEndMs(situation) ?? situation.nowMs)}`,
    unblock: (situation) => `nothing: the pause of agent ${first(situation)} ends by itself`,
    untilMs: pauseEndMs,
  },
  agents_breaker_open: {
    obstacle: 'breaker',
    holds: leftOutBy('breaker'),
    message: (situation) => {
      const untilMs = breakerEndMs(situation);
      const next =
        untilMs === undefined
          ? 'one call is trying one of them'
          : `one call tries the first of them at ${instantOf(untilMs)}`;
      return `calls to every able agent that takes work went wrong, so their breakers are open: ${next}`;
    },
    unblock: (situation) => `let a call of agent ${first(situation)} for ${situation.task.capability} succeed`,
    untilMs: breakerEndMs,
  },
  agents_draining: {
    obstacle: 'capacity',
    holds: leftOutBy('draining'),
    message: () => 'every able agent is draining',
    unblock: (situation) => `end the drain of agent ${first(situation)}, or register another`,
  },
  agents_in_maintenance: {
    obstacle: 'capacity',
    holds: leftOutBy('maintenance'),
    message: () => 'every able agent is under maintenance or draining',
    unblock: (situation) => `end the maintenance of agent ${first(situation)}`,
  },
  agents_warming: {
    obstacle: 'capacity',
    holds: leftOutBy('warming'),
    message: () => 'every able agent that stays is warming up',
    unblock: (situation) => `nothing: agent ${first(situation)} says when it is warm, or end its warm-up`,
  },
  agents_unhealthy: {
    obstacle: 'capacity',
    holds: leftOutBy('unhealthy'),
    message: () => 'every able agent that takes work is unhealthy',
    unblock: (situation) => `let agent ${first(situation)} be healthy again`,
  },
  agents_busy: {
    obstacle: 'capacity',
    holds: leftOutBy('no_slot'),
    message: () => 'every able and healthy agent is at its limit',
    unblock: (situation) => `let one attempt of agent ${first(situation)} end, or raise its maxConcurrency`,
  },
  next_in_turn: {
    obstacle: 'capacity',
    holds: () => true,
    message: () =>
      'an agent is free: the task is assigned at the next decision of its pool, once a dispatcher has a place for the call',
    unblock: () => 'nothing: it comes next; if it stays so, start another process with the role dispatcher',
  },
} satisfies Readonly<Record<string, Row>>;

export type WaitingReason = keyof typeof ROWS;
export const WAITING_REASONS = Object.keys(ROWS) as [WaitingReason, ...WaitingReason[]];

/** The table by name. */
export const WAITING: Readonly<Record<WaitingReason, Row>> = ROWS;

export const waitingReason = (situation: Situation): WaitingReason =>
  WAITING_REASONS.find((reason) => WAITING[reason].holds(situation)) ?? 'next_in_turn';
