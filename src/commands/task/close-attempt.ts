import type { Json } from '../../domain/json.ts';
import type { Money } from '../../domain/money.ts';
import type { AttemptError } from '../../domain/task/events.ts';
import type { Caller, Commands } from '../context.ts';
import { runOnTask } from '../run.ts';
import { runOnTaskOrExecution, type TaskRef } from './task-stream.ts';

/** One attempt of one task, and who ran it. Its commands are repeatable: the key is the attempt itself. */
export type AttemptRef = TaskRef & { readonly attempt: number; readonly agentId: string };

/** No agent: none was called. */
type FailedRef = Omit<AttemptRef, 'agentId'> & { readonly agentId?: string | undefined };

/** The part of an attempt that distinguishes a repeat from another call. */
const bodyOf = ({ taskId, attempt, agentId }: FailedRef) => ({ taskId, attempt, agentId });

const attemptCaller = (caller: Caller, { attempt }: FailedRef): Caller => ({
  ...caller,
  idempotencyKey: `attempt-${attempt}`,
});

/** Records a result. Refused as `StaleAttempt` or `TaskNotRunning` when the attempt no longer counts. */
export const completeAttempt = (
  commands: Commands,
  caller: Caller,
  attempt: AttemptRef,
  outcome: { readonly result: Json; readonly durationMs: number; readonly cost?: Money | undefined },
) =>
  runOnTaskOrExecution(commands, attemptCaller(caller, attempt), attempt, bodyOf(attempt), (now) => ({
    type: 'CompleteAttempt',
    attempt: attempt.attempt,
    agentId: attempt.agentId,
    result: outcome.result,
    durationMs: outcome.durationMs,
    ...(outcome.cost === undefined ? {} : { cost: outcome.cost }),
    now,
  }));

/** Records a failure or a timeout; the task's retry policy decides what follows, in the same append. */
export const failAttempt = (
  commands: Commands,
  caller: Caller,
  attempt: FailedRef,
  outcome: {
    readonly error: AttemptError;
    /** The agent asks not to be called for so long. */
    readonly retryAfterMs?: number | undefined;
    readonly unreachableLimitMs?: number | undefined;
    readonly durationMs?: number | undefined;
    readonly cost?: Money | undefined;
  },
) =>
  runOnTaskOrExecution(commands, attemptCaller(caller, attempt), attempt, bodyOf(attempt), (now) => ({
    type: 'FailAttempt',
    attempt: attempt.attempt,
    ...(attempt.agentId === undefined ? {} : { agentId: attempt.agentId }),
    error: outcome.error,
    random: commands.random(),
    ...(outcome.retryAfterMs === undefined ? {} : { retryAfterMs: outcome.retryAfterMs }),
    ...(outcome.unreachableLimitMs === undefined ? {} : { unreachableLimitMs: outcome.unreachableLimitMs }),
    ...(outcome.durationMs === undefined ? {} : { durationMs: outcome.durationMs }),
    ...(outcome.cost === undefined ? {} : { cost: outcome.cost }),
    now,
  }));

/**
 * Ends an attempt whose outcome nobody will report. Whether its call was started, and so may have taken effect, is decided on the stream:
 * a dispatcher may be about to record the start.
 */
export const giveUpAttempt = (commands: Commands, caller: Caller, attempt: AttemptRef, error: AttemptError) =>
  runOnTaskOrExecution(commands, attemptCaller(caller, attempt), attempt, bodyOf(attempt), (now) => ({
    type: 'GiveUpAttempt',
    attempt: attempt.attempt,
    agentId: attempt.agentId,
    error,
    random: commands.random(),
    now,
  }));

/**
 * Records that the call is about to be made. Only for agents that must not be called twice: a second delivery is refused as
 * `AttemptAlreadyStarted`. Not repeatable on purpose: a repeat could not tell its own record from another's.
 */
export const startAttempt = (commands: Commands, caller: Caller, attempt: AttemptRef) =>
  runOnTaskOrExecution(commands, caller, attempt, bodyOf(attempt), (now) => ({
    type: 'StartAttempt',
    attempt: attempt.attempt,
    agentId: attempt.agentId,
    now,
  }));

/** Records that nobody knows whether the call took effect. */
export const markOutcomeUnknown = (commands: Commands, caller: Caller, attempt: AttemptRef, error: AttemptError) =>
  runOnTaskOrExecution(commands, attemptCaller(caller, attempt), attempt, bodyOf(attempt), (now) => ({
    type: 'MarkOutcomeUnknown',
    attempt: attempt.attempt,
    agentId: attempt.agentId,
    error,
    now,
  }));

/** Ends a task whose deadline has passed. `heldBy` is the agent that has its current attempt. */
export const expireTask = (commands: Commands, caller: Caller, taskId: string, heldBy: string | undefined) =>
  runOnTask(commands, caller, taskId, { heldBy }, (now) => ({ type: 'ExpireTask', heldBy, now }));
