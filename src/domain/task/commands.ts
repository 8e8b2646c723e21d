import semver from 'semver';
import { z } from 'zod';
import { CapabilityName } from '../agent/descriptor.ts';
import { DEFAULT_POOL, PoolId, TaskId } from '../ids.ts';
import type { Json } from '../json.ts';
import { JsonPayload, text } from '../json.ts';
import type { Money } from '../money.ts';
import { DEFAULT_RETRY, RetryPolicy } from '../retry.ts';
import { StrategyName } from '../routing/strategies.ts';
import type { RuleRef } from '../rules/rule-ref.ts';
import { type AttemptError, type LostDependency, Priority } from './events.ts';
import { ROUTING_HINTS } from './routing-hints.ts';

/** `''` and `'1 ||'` mean any version to semver and are refused; so are ranges that nothing can satisfy. */
const rangeIssue = (range: string): string | undefined => {
  if (range.split('||').some((part) => part.trim() === ''))
    return 'an empty range or alternative means any version: leave the field out';
  if (semver.validRange(range) === null) return 'is not a semver range';
  const comparators = new semver.Range(range).set;
  const empty = comparators.every(
    (set) => semver.minVersion(set.map((comparator) => comparator.value).join(' ')) === null,
  );
  return empty ? 'no version satisfies it' : undefined;
};

export const VersionRange = z
  .string()
  // Checked first: the time semver takes grows with the length.
  .max(200, { abort: true })
  .superRefine((range, context) => {
    const message = rangeIssue(range);
    if (message)
      context.addIssue({
        code: 'custom',
        message: `BAD_VERSION_RANGE: ${message}`,
        params: { code: 'BAD_VERSION_RANGE' },
      });
  });

const LAST_INSTANT_MS = Date.parse('9999-12-31T23:59:59.999Z');

/** With any offset; instants of the log are UTC with a year of four digits. */
export const Deadline = z.iso
  .datetime({ offset: true, abort: true })
  .refine((at) => Date.parse(at) <= LAST_INSTANT_MS, 'must be before the year 10000 in UTC');

/** Each is read at the submission, and again whenever one of them ends. */
const MAX_DEPENDENCIES = 20;

/** What a caller sends to submit a task. */
export const SubmitTaskInput = z.strictObject({
  capability: CapabilityName,
  versionRange: VersionRange.optional(),
  input: JsonPayload.default(null),
  pool: PoolId.default(DEFAULT_POOL),
  priority: Priority.default(3),
  /** How its agents are chosen. Absent: as a rule says, else `DEFAULT_STRATEGY`. */
  strategy: StrategyName.optional(),
  ...ROUTING_HINTS,
  retry: RetryPolicy.default(DEFAULT_RETRY),
  /** Node timers end at 2^31-1 ms. Absent: by the complexity. */
  timeoutMs: z.int().min(1).max(2_147_483_647).optional(),
  /** How much work it is; 1 is usual. */
  complexity: z.number().min(0.01).max(1_000).optional(),
  deadlineAt: Deadline.optional(),
  /** Tasks that must complete first. */
  dependsOn: z
    .array(TaskId.toLowerCase())
    .min(1)
    .max(MAX_DEPENDENCIES)
    .refine((ids) => new Set(ids).size === ids.length, 'must not repeat a task')
    .optional(),
  tags: z
    .array(text({ min: 1, max: 100 }))
    .max(20)
    .default([]),
});
export type SubmitTaskInput = z.output<typeof SubmitTaskInput>;

const USUAL_TIMEOUT_MS = 300_000;
const MAX_TIMEOUT_BY_COMPLEXITY_MS = 3_600_000;

/** The limit of an attempt whose submitter states none: 300 s · complexity, at most 3,600 s (requirements 1.2). */
export const timeoutByComplexity = (complexity = 1): number =>
  Math.min(Math.round(USUAL_TIMEOUT_MS * complexity), MAX_TIMEOUT_BY_COMPLEXITY_MS);

export type SubmitTask = Omit<SubmitTaskInput, 'strategy'> & {
  readonly type: 'SubmitTask';
  readonly strategy: StrategyName;
  /** What decided about the strategy and the like. */
  readonly rule?: RuleRef | undefined;
  readonly taskId: string;
  readonly timeoutMs: number;
  /** Those of its dependencies that have not completed. */
  readonly waitsFor?: readonly string[];
  readonly now: string;
};

type AttemptOutcome = { readonly attempt: number; readonly now: string };

/** An attempt ended well. */
export type CompleteAttempt = AttemptOutcome & {
  readonly type: 'CompleteAttempt';
  readonly agentId: string;
  readonly result: Json;
  readonly durationMs: number;
  readonly cost?: Money;
};

/** An attempt ended badly, or timed out. `random` in [0, 1) spreads the retry. */
export type FailAttempt = AttemptOutcome & {
  readonly type: 'FailAttempt';
  readonly agentId?: string;
  readonly error: AttemptError;
  readonly random: number;
  /** The agent asks for this pause: it gets no work meanwhile, and the task may go to another. */
  readonly retryAfterMs?: number;
  /** For how long a task without a deadline may go on without reaching any agent. */
  readonly unreachableLimitMs?: number;
  /** Wall time of the call. */
  readonly durationMs?: number;
  readonly cost?: Money;
  /** No further attempt, even where the policy allows one: the result is no longer wanted. */
  readonly final?: boolean;
};

/** Recorded before the call of an agent that must not be called twice. */
export type StartAttempt = AttemptOutcome & { readonly type: 'StartAttempt'; readonly agentId: string };

/**
 * Ends an attempt without word from whoever made its call. Where the call was recorded as started, which it is only for agents that must
 * not be called twice, nobody knows what became of it; otherwise the attempt has failed.
 */
export type GiveUpAttempt = Omit<FailAttempt, 'type' | 'agentId'> & {
  readonly type: 'GiveUpAttempt';
  readonly agentId: string;
};

export type MarkOutcomeUnknown = AttemptOutcome & {
  readonly type: 'MarkOutcomeUnknown';
  readonly agentId: string;
  readonly error: AttemptError;
};

export const ProgressInput = z.strictObject({
  percent: z.number().min(0).max(100).optional(),
  message: text({ max: 1_000 }).optional(),
  checkpoint: JsonPayload.optional(),
});
export type ProgressInput = z.output<typeof ProgressInput>;

export type ReportProgress = AttemptOutcome & ProgressInput & { readonly type: 'ReportProgress' };

export type CancelTask = {
  readonly type: 'CancelTask';
  readonly reason?: string | undefined;
  /** An agent holds it. */
  readonly interrupted?: true;
  readonly now: string;
};
export type RedriveTask = {
  readonly type: 'RedriveTask';
  readonly deadlineAt?: string | undefined;
  readonly now: string;
};

/** What has become of the tasks that it waits for; those that are not named may still complete. */
export type SettleDependencies = {
  readonly type: 'SettleDependencies';
  readonly ended: Readonly<Record<string, 'completed' | LostDependency>>;
  readonly now: string;
};

/** The deadline has passed. */
export type ExpireTask = {
  readonly type: 'ExpireTask';
  /** The agent that has the current attempt, which must be closed first. */
  readonly heldBy: string | undefined;
  readonly now: string;
};

export type TaskCommand =
  | SubmitTask
  | CompleteAttempt
  | FailAttempt
  | GiveUpAttempt
  | StartAttempt
  | MarkOutcomeUnknown
  | ReportProgress
  | CancelTask
  | RedriveTask
  | SettleDependencies
  | ExpireTask;
