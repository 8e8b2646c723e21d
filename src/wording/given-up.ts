import type { Exclusion } from '../domain/pool/events.ts';
import type { RetryPolicy } from '../domain/retry.ts';
import type { AttemptError } from '../domain/task/events.ts';
import { milliseconds, numberOf } from './sentences.ts';

/** Why a task ended without a result. */
export const END_REASONS = {
  attempts_exhausted: 'its retry policy allows no more',
  not_retryable: 'the last failure cannot be retried',
  deadline_passed: 'its deadline has passed',
  execution_aborting: 'its execution is aborting',
  outcome_unknown: 'nobody knows whether the last attempt took effect',
} as const;
export type EndReason = keyof typeof END_REASONS;

/** A reason as it is stored, in words; null when there is none. */
export const endReasonText = (reason: string | null): string | undefined =>
  reason === null ? undefined : (END_REASONS[reason as EndReason] ?? reason);

/** What is known of a task that ended without a result. */
export type GivenUp = {
  readonly reason: EndReason;
  /** Attempts that have ended, over all retry budgets. */
  readonly attempts: number;
  readonly redrives: number;
  readonly retry: RetryPolicy;
  readonly error: AttemptError;
  /** Of the last attempt. */
  readonly agentId: string | null;
  /** ISO 8601 UTC. */
  readonly deadlineAt: string | null;
  readonly executionId: string | null;
};

const delaysText = ({ kind, baseMs, factor, maxDelayMs }: RetryPolicy): string => {
  const most = `at most ${milliseconds(maxDelayMs)}`;
  switch (kind) {
    case 'immediate':
      return 'without delays';
    case 'fixed':
      return `${milliseconds(Math.min(baseMs, maxDelayMs))} apart`;
    case 'linear':
      return `with delays that grow by ${milliseconds(baseMs)}, ${most}`;
    case 'exponential':
      return `with delays from ${milliseconds(baseMs)} on, each ${factor} times the last, ${most}`;
  }
};

/** A redrive gives a task all attempts of its policy again. */
const budgetText = ({ retry, redrives }: GivenUp): string =>
  `its retry policy allows ${numberOf(retry.maxAttempts, 'attempt')}${redrives === 0 ? '' : ' after each redrive'}${retry.maxAttempts === 1 ? '' : ` (${delaysText(retry)})`}`;

const WHY: { readonly [Reason in EndReason]: (task: GivenUp) => string } = {
  attempts_exhausted: (task) =>
    `${budgetText(task)}, and ${task.retry.maxAttempts === 1 ? 'it has failed' : 'all of them have failed'}`,
  not_retryable: (task) =>
    task.error.code === 'AGENTS_UNREACHABLE'
      ? 'no attempt has reached an agent for as long as BATON_UNREACHABLE_MS allows'
      : `its last failure cannot be retried, whatever is left of the attempts: ${budgetText(task)}`,
  deadline_passed: ({ deadlineAt, attempts }) =>
    `its deadline${deadlineAt === null ? '' : ` ${deadlineAt}`} passed ${attempts === 0 ? 'before any attempt had ended' : `after ${numberOf(attempts, 'attempt')}`}`,
  execution_aborting: () => 'its execution is aborting: a task that fails then is not tried again',
  outcome_unknown: ({ agentId }) =>
    `nobody knows whether the last attempt took effect, and ${agentId ?? 'its agent'} must not be called twice for one task`,
};

/** Why the task was given up, with the limit that ended it. */
export const givenUpText = (task: GivenUp): string => WHY[task.reason](task);

/** What a person can do about it. */
export const givenUpAdvice = ({ reason, retry, executionId }: GivenUp): string => {
  if (reason === 'outcome_unknown')
    return 'find out whether it took effect; a late answer settles it, and a redrive calls the agent again';
  if (executionId !== null) return 'mend the cause, then retry or skip the step: its execution decides what follows';
  const again = `redrive the task: it gets ${numberOf(retry.maxAttempts, 'new attempt')}`;
  return reason === 'deadline_passed'
    ? `${again}, and a new deadline if you give one`
    : `mend the cause, then ${again}`;
};

const EXCLUDED: Readonly<Record<Exclusion, string>> = {
  capability: 'without the capability',
  version: 'with the capability in another version only',
  unhealthy: 'unhealthy or out of reach',
  draining: 'draining',
  maintenance: 'under maintenance',
  warming: 'warming up',
  paused: 'that asked for a pause',
  breaker: 'kept out by their breaker after failed calls',
  no_slot: 'without a free slot',
  failed_before: 'on which the task had failed before',
  degraded: 'degraded, while a healthy one was free',
  standby: 'in reserve, while another was free',
};

/** Agents that were left out of a decision, and why. */
export const excludedText = (reason: Exclusion, agents: number): string =>
  `${numberOf(agents, 'agent')} ${EXCLUDED[reason]}`;
