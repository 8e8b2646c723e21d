import { z } from 'zod';
import type { EventOf } from '../event-definition.ts';
import { AgentId, ExecutionId, PoolId, TaskId } from '../ids.ts';
import { Instant } from '../instant.ts';
import { BuiltPayload, JsonPayload } from '../json.ts';
import { Money } from '../money.ts';
import { RetryPolicy } from '../retry.ts';
import { RuleRef } from '../rules/rule-ref.ts';
import { ROUTING_HINTS } from './routing-hints.ts';

const Attempt = z.int().min(1);

/** 1 critical, 2 high, 3 normal, 4 low, 5 background (requirements 1.2). */
export const Priority = z.int().min(1).max(5);

/** Those of its dependencies that had not completed: no agent gets the task before `TaskUnblocked`. */
const WaitsFor = z.array(TaskId).min(1);

/** How a task ended without a result, for those that depend on it. */
export const LOST_DEPENDENCY = ['cancelled', 'failed'] as const;
export type LostDependency = (typeof LOST_DEPENDENCY)[number];

/** What went wrong in an attempt. `source` is whose fault it is: only `destination` counts against the agent's reachability. */
export const AttemptError = z.strictObject({
  code: z.string().min(1).max(100),
  message: z.string().max(2_000),
  source: z.enum(['agent', 'destination', 'timeout', 'baton']),
  retryable: z.boolean(),
  /** The agent may have done its work all the same: a time limit, a connection that was cut, an answer of no use. */
  outcomeUnknown: z.literal(true).optional(),
  /** The agent was provably never called: no failure of the agent, none of the task's attempts is used up, and there is nothing to compensate. */
  notSent: z.literal(true).optional(),
  /** The agent fell silent or went away with the attempt: no failure of the task, so that none of its attempts is used up. */
  agentGone: z.literal(true).optional(),
});
export type AttemptError = z.output<typeof AttemptError>;

/** The call never reached its agent, which is down or cut off: the task waits, or goes to another agent. */
export const isUnreachable = ({ notSent, source }: AttemptError): boolean =>
  notSent === true && source === 'destination';

/** What ends a task for which no agent was reached for so long. */
export const agentsUnreachable = (limitMs: number | undefined, error: string) => ({
  code: 'AGENTS_UNREACHABLE',
  message: `no agent was reached for ${limitMs} ms; ${error}`.slice(0, 2_000),
  retryable: false,
});

/** The lifecycle of a task, except assignment, which is in its pool's ledger. */
export const taskEvents = {
  TaskSubmitted: {
    schemaVersion: 1,
    schema: z.strictObject({
      taskId: TaskId,
      pool: PoolId,
      capability: z.string(),
      /** Semver range the agent's capability version must satisfy; absent accepts any. */
      versionRange: z.string().optional(),
      input: BuiltPayload,
      priority: Priority,
      strategy: z.string(),
      ...ROUTING_HINTS,
      /** The rule that chose strategy, targets and range, where one did. */
      rule: RuleRef.optional(),
      retry: RetryPolicy,
      /** Limit of one attempt, from its assignment. */
      timeoutMs: z.int().min(1),
      deadlineAt: Instant.optional(),
      /** How much work it is, where its submitter said so: 1 is usual. */
      complexity: z.number().positive().optional(),
      /** Tasks that must complete first. */
      dependsOn: z.array(TaskId).min(1).optional(),
      waitsFor: WaitsFor.optional(),
      tags: z.array(z.string()),
      /** The execution whose stream this is, and what the task is for in it (see `execution/unit.ts`); absent for a task of its own. */
      executionId: ExecutionId.optional(),
      unit: z.string().min(1).max(140).optional(),
      submittedAt: Instant,
    }),
  },
  /** Only for agents that are called at most once: recorded before the call, so that a second delivery knows of it. */
  TaskAttemptStarted: {
    schemaVersion: 1,
    schema: z.strictObject({ taskId: TaskId, attempt: Attempt, agentId: AgentId, startedAt: Instant }),
  },
  TaskProgressReported: {
    schemaVersion: 1,
    schema: z.strictObject({
      taskId: TaskId,
      attempt: Attempt,
      percent: z.number().min(0).max(100).optional(),
      message: z.string().max(1_000).optional(),
      /** Handed to the next attempt, so that it can go on from here. */
      checkpoint: JsonPayload.optional(),
      reportedAt: Instant,
    }),
  },
  TaskAttemptFailed: {
    schemaVersion: 1,
    schema: z.strictObject({
      taskId: TaskId,
      attempt: Attempt,
      agentId: AgentId.optional(),
      error: AttemptError,
      failedAt: Instant,
      /** When the next attempt may start; absent when there is none. */
      retryAt: Instant.optional(),
      /** The agent asked not to be called for so long: its pool gives it no work meanwhile. */
      retryAfterMs: z.int().min(1).max(86_400_000).optional(),
      /** Wall time of the call, when there was one. */
      durationMs: z.number().min(0).optional(),
      cost: Money.optional(),
    }),
  },
  /** The call's outcome is unknown and the agent must not be called twice: a person or a late answer decides. */
  TaskOutcomeUnknown: {
    schemaVersion: 1,
    schema: z.strictObject({
      taskId: TaskId,
      attempt: Attempt,
      agentId: AgentId,
      error: AttemptError,
      occurredAt: Instant,
    }),
  },
  TaskCompleted: {
    schemaVersion: 1,
    schema: z.strictObject({
      taskId: TaskId,
      attempt: Attempt,
      agentId: AgentId,
      result: JsonPayload,
      /** Wall time of the call as the dispatcher measured it. */
      durationMs: z.number().min(0),
      completedAt: Instant,
      cost: Money.optional(),
    }),
  },
  /** All tasks that it depends on have completed: from here on agents may get it. */
  TaskUnblocked: {
    schemaVersion: 1,
    schema: z.strictObject({ taskId: TaskId, unblockedAt: Instant }),
  },
  TaskCancelled: {
    schemaVersion: 1,
    schema: z.strictObject({
      taskId: TaskId,
      reason: z.string().max(1_000).optional(),
      /** The task that it depends on, and that will never complete: its pool cancelled it for that. */
      dependency: z.strictObject({ taskId: TaskId, ended: z.enum(LOST_DEPENDENCY) }).optional(),
      /** An agent held it, and may have done its work all the same. */
      interrupted: z.literal(true).optional(),
      cancelledAt: Instant,
    }),
  },
  /** The end of a task of an execution that failed permanently: the execution decides what follows, so it is not a dead letter. */
  TaskFailed: {
    schemaVersion: 1,
    schema: z.strictObject({
      taskId: TaskId,
      reason: z.enum(['attempts_exhausted', 'not_retryable', 'execution_aborting']),
      /** Attempts closed so far. */
      attempts: z.int().min(0),
      error: AttemptError,
      failedAt: Instant,
    }),
  },
  TaskDeadLettered: {
    schemaVersion: 1,
    schema: z.strictObject({
      taskId: TaskId,
      reason: z.enum(['attempts_exhausted', 'not_retryable', 'deadline_passed']),
      /** Attempts closed so far. */
      attempts: z.int().min(0),
      error: AttemptError,
      deadLetteredAt: Instant,
    }),
  },
  /** Sent back to work with a fresh retry budget; attempt numbers go on. Repeats what routing needs, since parked tasks are not kept in memory. */
  TaskRedriven: {
    schemaVersion: 1,
    schema: z.strictObject({
      taskId: TaskId,
      pool: PoolId,
      capability: z.string(),
      versionRange: z.string().optional(),
      priority: Priority,
      strategy: z.string(),
      ...ROUTING_HINTS,
      rule: RuleRef.optional(),
      timeoutMs: z.int().min(1),
      nextAttempt: Attempt,
      complexity: z.number().positive().optional(),
      waitsFor: WaitsFor.optional(),
      /** A new deadline; the old one no longer holds. */
      deadlineAt: Instant.optional(),
      executionId: ExecutionId.optional(),
      unit: z.string().min(1).max(140).optional(),
      redrivenAt: Instant,
    }),
  },
} as const;

export type TaskEvent = EventOf<typeof taskEvents>;

/** Events that end a task: no attempt of it may run afterwards, unless it is redriven. An unknown outcome may still be settled by a late answer. */
export const TASK_ENDING_EVENTS = [
  'TaskCompleted',
  'TaskCancelled',
  'TaskFailed',
  'TaskDeadLettered',
  'TaskOutcomeUnknown',
] as const satisfies readonly TaskEvent['type'][];

const ENDING: ReadonlySet<string> = new Set(TASK_ENDING_EVENTS);
export const endsTask = (type: string): boolean => ENDING.has(type);
