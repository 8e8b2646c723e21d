import type { Caller, Commands } from '../../commands/context.ts';
import { expireTask, failAttempt, giveUpAttempt } from '../../commands/task/close-attempt.ts';
import { settleDependencies } from '../../commands/task/dependencies.ts';
import { releaseTask } from '../../commands/task/release-task.ts';
import type { Withdrawn } from '../../dispatch/queues/attempt-queue.ts';
import type { Lost, OpenAssignment } from '../../domain/pool/task-entry.ts';
import type { DueTimer } from '../../domain/pool/timers.ts';
import { type AttemptError, agentsUnreachable } from '../../domain/task/events.ts';

const TIMED_OUT: AttemptError = {
  code: 'ATTEMPT_EXPIRED',
  message: 'the attempt did not close within its timeout',
  source: 'timeout',
  retryable: true,
  outcomeUnknown: true,
};

const AGENT_GONE: AttemptError = {
  code: 'AGENT_GONE',
  message: 'the agent fell silent, or the last process that offered it ended, before the attempt did',
  source: 'baton',
  retryable: true,
  outcomeUnknown: true,
  agentGone: true,
};

const LOST: Readonly<Record<Lost, AttemptError>> = {
  gone: AGENT_GONE,
  drained: {
    ...AGENT_GONE,
    code: 'AGENT_DRAINED',
    message: 'the agent drained, and its time to finish what it held was over',
  },
};

const NOT_SENT: AttemptError = {
  code: 'ATTEMPT_NOT_SENT',
  message: 'no dispatcher took the attempt, so the agent was not called',
  source: 'baton',
  retryable: true,
  notSent: true,
};

const RECALLED: AttemptError = {
  code: 'ATTEMPT_RECALLED',
  message: 'calls to the agent went wrong, so the attempt was taken back before the agent was called',
  source: 'baton',
  retryable: true,
  notSent: true,
};

const unreachableFor = (limitMs: number | undefined, { error }: { readonly error: string }): AttemptError => ({
  ...agentsUnreachable(limitMs, error),
  source: 'destination',
  notSent: true,
});

/** A job that is missing is offered again within seconds. One that is still missing after this long was lost by whoever took it. */
const MISSING_MS = 60_000;

export type TimerDeps = {
  readonly commands: Commands;
  readonly caller: Caller;
  /** How long tasks without a deadline wait for agents that cannot be reached. */
  readonly unreachableLimitMs?: number | undefined;
  /** Takes the job of the task's open assignment back from the dispatchers, if none has taken it. */
  readonly withdraw: (taskId: string) => Promise<Withdrawn>;
};

type Expired = Extract<DueTimer, { kind: 'attemptExpired' }>;

/** A stamp of its clock that is further ahead than this is wrong. */
const TOLERATED_MS = 1_000;

/** When a dispatcher took the attempt, by the leader's clock. A stamp that cannot be right counts as the assignment. */
const takenMs = ({ expiresMs, limitMs }: Expired, sinceMs: number, nowMs: number): number =>
  sinceMs > nowMs + TOLERATED_MS ? expiresMs - limitMs : sinceMs;

/** The time of an attempt begins when a dispatcher takes it: how long it waits before that is no fault of its agent. */
const isOver = (timer: Expired, withdrawn: Withdrawn, nowMs: number): boolean => {
  if (timer.lost) return true;
  switch (withdrawn.kind) {
    case 'untaken':
      return true;
    case 'taken':
      return takenMs(timer, withdrawn.sinceMs, nowMs) + timer.limitMs <= nowMs;
    case 'missing':
      return timer.expiresMs + MISSING_MS <= nowMs;
    case 'waiting':
    case 'unreachable':
      return false;
  }
};

const giveUp = async ({ commands, caller, withdraw }: TimerDeps, timer: Expired): Promise<boolean> => {
  const withdrawn = await withdraw(timer.taskId);
  if (!isOver(timer, withdrawn, commands.clock.now())) return false;
  const result =
    withdrawn.kind === 'untaken'
      ? await failAttempt(commands, caller, timer, { error: NOT_SENT })
      : await giveUpAttempt(commands, caller, timer, timer.lost ? LOST[timer.lost] : TIMED_OUT);
  return result.ok;
};

const release = async (
  { commands, caller, withdraw }: TimerDeps,
  timer: Extract<DueTimer, { kind: 'release' }>,
): Promise<void> => {
  const withdrawn = timer.held ? await withdraw(timer.taskId) : undefined;
  // Recorded as never called, so that the step needs no compensation.
  if (withdrawn?.kind === 'untaken')
    await failAttempt(commands, caller, { ...timer, agentId: withdrawn.agentId }, { error: NOT_SENT });
  else await releaseTask(commands, caller, timer);
};

/**
 * Does what a pool's timer asks for. Returns whether an attempt was given up by it.
 *
 * Errors: whatever keeps the command from being recorded; the timer is then due again.
 */
export const carryOutTimer = async (deps: TimerDeps, timer: DueTimer): Promise<boolean> => {
  switch (timer.kind) {
    case 'deadlinePassed':
      await expireTask(deps.commands, deps.caller, timer.taskId, timer.heldBy);
      return false;
    case 'release':
      await release(deps, timer);
      return false;
    case 'agentsUnreachable':
      await failAttempt(deps.commands, deps.caller, timer, { error: unreachableFor(deps.unreachableLimitMs, timer) });
      return false;
    case 'dependencies':
      await settleDependencies(deps.commands, deps.caller, timer);
      return false;
    case 'attemptExpired':
      return giveUp(deps, timer);
  }
};

/**
 * Takes back an attempt that no dispatcher has taken, so that another agent can get the task. It uses up none of the task's attempts.
 *
 * Errors: whatever keeps the command from being recorded; the job is then gone, and the attempt is given up when its time is up.
 */
export const recall = async ({ commands, caller, withdraw }: TimerDeps, assignment: OpenAssignment): Promise<void> => {
  const withdrawn = await withdraw(assignment.taskId);
  if (withdrawn.kind === 'untaken') await failAttempt(commands, caller, assignment, { error: RECALLED });
};
