import { instantOf } from '../instant.ts';
import { ABILITY, type AgentState, AVAILABILITY, sortOut } from './eligibility.ts';
import type { Obstacle } from './obstacles.ts';
import { type Situation, WAITING, type WaitingReason, type WaitingTask, waitingReason } from './waiting-reasons.ts';

/** Why a task has no agent now, and how many agents each obstacle holds back. */
export type Waiting = {
  readonly reason: WaitingReason;
  readonly obstacle: Obstacle;
  /** ISO 8601 UTC. */
  readonly since: string;
  readonly message: string;
  /** The least that would have to change. */
  readonly unblock: string;
  /** ISO 8601 UTC; null unless it is known when the reason ends by itself. */
  readonly until: string | null;
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

/** The rules are asked one after the other: who is left out by a later one has passed more of them. */
const rankOf = (task: WaitingTask, agent: AgentState): number => {
  const rank = AVAILABILITY.findIndex(({ excludes }) => excludes(agent, task));
  return rank === -1 ? AVAILABILITY.length : rank;
};

const nearestTo = (task: WaitingTask, able: readonly AgentState[]): Pick<Situation, 'nearest' | 'rule'> => {
  const ranked = able.map((agent) => ({ agent, rank: rankOf(task, agent) }));
  const best = ranked.reduce((most, { rank }) => Math.max(most, rank), -1);
  const nearest = ranked.filter(({ rank }) => rank === best).map(({ agent }) => agent);
  return { nearest: nearest.sort((a, b) => (a.agentId < b.agentId ? -1 : 1)), rule: AVAILABILITY[best]?.name };
};

/**
 * Explains why a task that is open has no agent, by the rules that routing follows: always exactly one reason.
 *
 * @param agents registered agents of the task's pool
 */
export const explainWaiting = (task: WaitingTask, agents: readonly AgentState[], nowMs: number): Waiting => {
  const { eligible: able, excluded: unable } = sortOut(agents, ABILITY, task);
  const { eligible: free, excluded } = sortOut(able, AVAILABILITY, task);
  const hasOtherVersions = (unable.version ?? 0) > 0;
  const situation: Situation = { task, nowMs, able, hasOtherVersions, ...nearestTo(task, able) };
  const reason = waitingReason(situation);
  const { obstacle, message, unblock, untilMs } = WAITING[reason];
  const endsMs = untilMs?.(situation);
  const { draining = 0, maintenance = 0, warming = 0, unhealthy = 0, paused = 0, breaker = 0 } = excluded;
  return {
    reason,
    obstacle,
    since: task.retryAt ?? task.submittedAt,
    message: message(situation),
    unblock: unblock(situation),
    until: endsMs === undefined ? null : instantOf(endsMs),
    able: able.length,
    draining,
    maintenance,
    warming,
    unhealthy,
    unreachable: able.filter(({ rest }) => rest).length,
    paused,
    breaker,
    busy: excluded.no_slot ?? 0,
    free: free.length,
  };
};
