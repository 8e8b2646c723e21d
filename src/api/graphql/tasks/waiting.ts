import semver from 'semver';
import type { AgentRow } from '../../../projections/agents/table.ts';
import type { TaskRow } from '../../../projections/tasks/table.ts';

export const WAITING_REASONS = [
  'retry_delay',
  'no_agent_with_capability',
  'no_agent_with_version',
  'agents_draining',
  'agents_unhealthy',
  'agents_busy',
  'next_in_turn',
] as const;
export type WaitingReason = (typeof WAITING_REASONS)[number];

/** Why a task has no agent now, and how many agents each obstacle holds back. */
export type Waiting = {
  readonly reason: WaitingReason;
  readonly since: string;
  readonly message: string;
  /** Registered agents of the pool with the capability. */
  readonly able: number;
  readonly draining: number;
  readonly unhealthy: number;
  readonly busy: number;
  readonly free: number;
};

type Situation = {
  readonly task: Pick<TaskRow, 'capability' | 'versionRange' | 'pool' | 'retryAt' | 'submittedAt' | 'attempt'>;
  /** Registered agents of the task's pool that have its capability, in whatever version. */
  readonly agents: readonly Pick<AgentRow, 'agentId' | 'capabilities' | 'status' | 'health' | 'maxConcurrency'>[];
  readonly open: (agentId: string) => number;
  readonly nowMs: number;
};

const hasVersion = (agent: Situation['agents'][number], { capability, versionRange }: Situation['task']): boolean =>
  versionRange === null ||
  agent.capabilities.some(({ name, version }) => name === capability && semver.satisfies(version, versionRange));

const MESSAGES: Readonly<Record<WaitingReason, (situation: Situation) => string>> = {
  retry_delay: ({ task }) => `attempt ${task.attempt} waits for its retry delay until ${task.retryAt}`,
  no_agent_with_capability: ({ task }) => `no agent registered in pool ${task.pool} offers ${task.capability}`,
  no_agent_with_version: ({ task }) =>
    `no agent in pool ${task.pool} offers ${task.capability} in ${task.versionRange}`,
  agents_draining: () => 'every able agent is draining',
  agents_unhealthy: () => 'every able agent that takes work is unhealthy',
  agents_busy: () => 'every able and healthy agent is at its limit',
  next_in_turn: () => 'an agent is free: the task is assigned at the next decision of its pool',
};

/** Explains why a task that is ready has no agent. Reads the same facts as routing, as far as the read models hold them. */
export const explainWaiting = (situation: Situation): Waiting => {
  const { task, agents, open, nowMs } = situation;
  const able = agents.filter((agent) => hasVersion(agent, task));
  const taking = able.filter(({ status }) => status === 'active');
  const healthy = taking.filter(({ health }) => health !== 'unhealthy');
  const free = healthy.filter(({ agentId, maxConcurrency }) => open(agentId) < maxConcurrency);
  const reason = (): WaitingReason => {
    if (task.retryAt !== null && Date.parse(task.retryAt) > nowMs) return 'retry_delay';
    if (agents.length === 0) return 'no_agent_with_capability';
    if (able.length === 0) return 'no_agent_with_version';
    if (taking.length === 0) return 'agents_draining';
    if (healthy.length === 0) return 'agents_unhealthy';
    return free.length === 0 ? 'agents_busy' : 'next_in_turn';
  };
  const found = reason();
  return {
    reason: found,
    since: task.retryAt ?? task.submittedAt,
    message: MESSAGES[found](situation),
    able: able.length,
    draining: able.length - taking.length,
    unhealthy: taking.length - healthy.length,
    busy: healthy.length - free.length,
    free: free.length,
  };
};
