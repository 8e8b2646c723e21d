import { executionTaskIdOf } from '../ids.ts';
import type { Json } from '../json.ts';
import type { RetryPolicy } from '../retry.ts';
import { DEFAULT_STRATEGY, type StrategyName } from '../routing/strategies.ts';
import { type Route, routeOf } from '../rules/rule.ts';
import type { RuleRef } from '../rules/rule-ref.ts';
import { decideTask } from '../task/decider.ts';
import type { TaskEvent } from '../task/events.ts';
import { hintsOf, specialisationOf } from '../task/routing-hints.ts';
import type { AgentNeed } from '../workflow/compile.ts';
import type { Running } from './state.ts';
import type { Turn } from './turn.ts';
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

/**
 * What the role says about the agent. A definition is published with its defaults, so that of a strategy which is the default it is not known
 * whether somebody has named it: it counts as not named.
 */
const statedBy = ({ strategy, targets, versionRange }: AgentNeed): Route =>
  routeOf({
    strategy: strategy === DEFAULT_STRATEGY ? undefined : (strategy as StrategyName),
    targets,
    versionRange,
  });

/** What the role says about the agent, and what a rule adds to it. */
const routingOf = ({ routing, state }: Turn, { agent, ...work }: Work): Route & { readonly rule?: RuleRef } => {
  const stated = statedBy(agent);
  if (routing === undefined) return stated;
  const { tenant, rules } = routing;
  const { capability, pool } = agent;
  const { priority, tags, input } = work;
  const task = { capability, pool, tenant, priority, tags, input, stated, key: state.executionId };
  const routed = rules.route(task);
  return routed === undefined ? stated : { ...stated, ...routed.route, rule: routed.rule };
};

export const taskSubmitted = (turn: Turn, work: Work, generation: number): TaskEvent => {
  const { state: execution, now } = turn;
  const { rule, strategy = DEFAULT_STRATEGY, targets, versionRange } = routingOf(turn, work);
  return {
    type: 'TaskSubmitted',
    data: {
      taskId: executionTaskIdOf(execution.executionId, nameOf(execution, work.key), generation),
      pool: work.agent.pool,
      capability: work.agent.capability,
      ...(versionRange === undefined ? {} : { versionRange }),
      input: work.input,
      priority: work.priority,
      strategy,
      ...hintsOf({ targets }),
      ...specialisationOf(strategy, work.input),
      ...(rule === undefined ? {} : { rule }),
      retry: work.retry,
      timeoutMs: work.timeoutMs,
      tags: [...work.tags],
      executionId: execution.executionId,
      unit: work.key,
      submittedAt: now,
    },
  };
};

/** Sends a task that has ended without a result back to work, as the same task. */
export const taskRedriven = ({ task }: UnitState, now: string): TaskEvent | undefined => {
  const decision = task && decideTask({ type: 'RedriveTask', now }, task);
  return decision?.ok ? decision.value[0] : undefined;
};
