import { executionTaskIdOf } from '../ids.ts';
import type { Json } from '../json.ts';
import type { RetryPolicy } from '../retry.ts';
import { decideTask } from '../task/decider.ts';
import type { TaskEvent } from '../task/events.ts';
import { hintsOf, specialisationOf } from '../task/routing-hints.ts';
import type { AgentNeed } from '../workflow/compile.ts';
import type { Running } from './state.ts';
import type { UnitState } from './unit-state.ts';

/** What a task is made from. */
export type Work = {
  readonly key: string;
  readonly agent: AgentNeed;
  readonly input: Json;
  readonly timeoutMs: number;
  readonly retry: RetryPolicy;
  readonly priority: number;
  readonly tags: readonly string[];
};

/** What ids are made from. After a migration a name may be that of what was another step before. */
export const nameOf = ({ migrations }: Running, key: string): string =>
  migrations === 0 ? key : `${key}@${migrations}`;

export const taskSubmitted = (execution: Running, work: Work, generation: number, now: string): TaskEvent => ({
  type: 'TaskSubmitted',
  data: {
    taskId: executionTaskIdOf(execution.executionId, nameOf(execution, work.key), generation),
    pool: work.agent.pool,
    capability: work.agent.capability,
    ...(work.agent.versionRange === undefined ? {} : { versionRange: work.agent.versionRange }),
    input: work.input,
    priority: work.priority,
    strategy: work.agent.strategy,
    ...hintsOf({ targets: work.agent.targets }),
    ...specialisationOf(work.agent.strategy, work.input),
    retry: work.retry,
    timeoutMs: work.timeoutMs,
    tags: [...work.tags],
    executionId: execution.executionId,
    unit: work.key,
    submittedAt: now,
  },
});

/** Sends a task that has ended without a result back to work, as the same task. */
export const taskRedriven = ({ task }: UnitState, now: string): TaskEvent | undefined => {
  const decision = task && decideTask({ type: 'RedriveTask', now }, task);
  return decision?.ok ? decision.value[0] : undefined;
};
