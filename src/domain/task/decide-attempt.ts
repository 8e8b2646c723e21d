import { plusMs } from '../instant.ts';
import { assertNever, ok, rejected } from '../result.ts';
import { retryDelayMs } from '../retry.ts';
import type { CompleteAttempt, FailAttempt, ReportProgress, TaskCommand } from './commands.ts';
import { deadLettered } from './dead-letter.ts';
import type { Decision } from './decision.ts';
import { type AttemptError, agentsUnreachable, isUnreachable, type TaskEvent } from './events.ts';
import { type KnownTask, type OpenTask, usesUpAttempt } from './state.ts';

type AttemptCommand<Type extends TaskCommand['type']> = Extract<TaskCommand, { type: Type }>;

/** The end of a task whose last attempt has failed. */
const endOfTask = (command: FailAttempt, task: OpenTask): TaskEvent => {
  const { attempt, error, now, final } = command;
  const reason = error.retryable ? 'attempts_exhausted' : 'not_retryable';
  if (task.submitted.executionId === undefined) return deadLettered(task, reason, attempt, error, now);
  return {
    type: 'TaskFailed',
    data: {
      taskId: task.submitted.taskId,
      reason: final ? 'execution_aborting' : reason,
      attempts: attempt,
      error,
      failedAt: now,
    },
  };
};

/** An attempt that reached no agent is the last one when the task has reached none for too long; a deadline ends it by itself. */
const patienceIsOver = ({ error, now, unreachableLimitMs }: FailAttempt, task: OpenTask): boolean =>
  isUnreachable(error) &&
  unreachableLimitMs !== undefined &&
  task.deadlineAt === undefined &&
  Date.parse(now) - Date.parse(task.unreachableSince ?? now) >= unreachableLimitMs;

const unreachableFor = (limitMs: number | undefined, last: AttemptError): AttemptError => ({
  ...last,
  ...agentsUnreachable(limitMs, last.message),
});

const failed = (command: FailAttempt, task: OpenTask): Decision => {
  const { attempt, error, now, agentId, cost, durationMs, final, random, retryAfterMs } = command;
  const failures = attempt - task.budgetFrom;
  const counts = usesUpAttempt(task, error);
  const exhausted = final || (counts && failures >= task.submitted.retry.maxAttempts);
  const delayMs = counts ? retryDelayMs(task.submitted.retry, failures, random) : 0;
  const retryAt = error.retryable && !exhausted ? plusMs(now, delayMs) : undefined;
  const event: TaskEvent = {
    type: 'TaskAttemptFailed',
    data: {
      taskId: task.submitted.taskId,
      attempt,
      error,
      failedAt: now,
      ...(agentId === undefined ? {} : { agentId }),
      ...(retryAt === undefined ? {} : { retryAt }),
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
      ...(durationMs === undefined ? {} : { durationMs }),
      ...(cost === undefined ? {} : { cost }),
    },
  };
  return ok(retryAt === undefined ? [event, endOfTask(command, task)] : [event]);
};

const fail = (command: FailAttempt, task: OpenTask): Decision =>
  patienceIsOver(command, task)
    ? failed({ ...command, error: unreachableFor(command.unreachableLimitMs, command.error) }, task)
    : failed(command, task);

const complete = (command: CompleteAttempt, task: KnownTask): Decision => {
  const { attempt, agentId, result, durationMs, cost, now } = command;
  return ok([
    {
      type: 'TaskCompleted',
      data: {
        taskId: task.submitted.taskId,
        attempt,
        agentId,
        result,
        durationMs,
        completedAt: now,
        ...(cost === undefined ? {} : { cost }),
      },
    },
  ]);
};

const progress = ({ type: _, now, ...facts }: ReportProgress, task: OpenTask): Decision =>
  ok([
    {
      type: 'TaskProgressReported',
      data: { taskId: task.submitted.taskId, reportedAt: now, ...facts },
    },
  ]);

const isStale = (attempt: number, task: KnownTask): Decision | undefined =>
  attempt === task.attempt ? undefined : rejected({ reason: 'StaleAttempt', attempt, current: task.attempt });

const start = ({ attempt, agentId, now }: AttemptCommand<'StartAttempt'>, task: OpenTask): Decision =>
  task.started
    ? rejected({ reason: 'AttemptAlreadyStarted', attempt })
    : ok([{ type: 'TaskAttemptStarted', data: { taskId: task.submitted.taskId, attempt, agentId, startedAt: now } }]);

export const loseOutcome = (
  { attempt, agentId, error, now }: Omit<AttemptCommand<'MarkOutcomeUnknown'>, 'type'>,
  task: OpenTask,
): Decision => {
  const { taskId } = task.submitted;
  return ok([{ type: 'TaskOutcomeUnknown', data: { taskId, attempt, agentId, error, occurredAt: now } }]);
};

/** Commands of the attempt that runs: refused unless the task is open and the attempt is the current one (the fence, S6). */
export const decideAttempt = (command: Extract<TaskCommand, { attempt: number }>, task: KnownTask): Decision => {
  const stale = isStale(command.attempt, task);
  if (stale) return stale;
  // A late answer of an attempt whose outcome was unknown settles it.
  if (task.status === 'indeterminate' && command.type === 'CompleteAttempt') return complete(command, task);
  if (task.status !== 'open') return rejected({ reason: 'TaskNotRunning', status: task.status });
  switch (command.type) {
    case 'CompleteAttempt':
      return complete(command, task);
    case 'FailAttempt':
      return fail(command, task);
    case 'GiveUpAttempt':
      return task.started ? loseOutcome(command, task) : fail({ ...command, type: 'FailAttempt' }, task);
    case 'StartAttempt':
      return start(command, task);
    case 'MarkOutcomeUnknown':
      return loseOutcome(command, task);
    case 'ReportProgress':
      return progress(command, task);
    default:
      return assertNever(command);
  }
};
