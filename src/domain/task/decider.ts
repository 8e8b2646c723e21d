import type { Decider } from '../decider.ts';
import { plusMs } from '../instant.ts';
import { assertNever, ok, type Result, rejected } from '../result.ts';
import { retryDelayMs } from '../retry.ts';
import type {
  CompleteAttempt,
  ExpireTask,
  FailAttempt,
  RedriveTask,
  ReportProgress,
  SubmitTask,
  TaskCommand,
} from './commands.ts';
import type { AttemptError, TaskEvent } from './events.ts';

type SubmittedFacts = Extract<TaskEvent, { type: 'TaskSubmitted' }>['data'];

/**
 * The task lifecycle (design §2). `attempt` is the number of the attempt that may run now: attempts 1 … attempt-1 are closed. Whether it
 * is waiting or assigned is in the pool's ledger, not here.
 *
 *   none ──submit──▶ open(1) ──complete──▶ completed
 *                     │  ├─fail, budget left──▶ open(k+1)
 *                     │  ├─fail, no budget or not retryable, or deadline──▶ deadLettered ──redrive──▶ open(k+1), new budget
 *                     │  └─outcome unknown──▶ indeterminate ──late completion──▶ completed, ──redrive──▶ open(k+1)
 *                     └─cancel──▶ cancelled          (also from deadLettered and indeterminate)
 *
 * A task of an execution becomes `failed` where another would be deadLettered.
 */
export type Task =
  | { readonly status: 'none' }
  | (Facts & {
      readonly status: 'open' /** Started by an agent that must not be called twice. */;
      readonly started: boolean;
    })
  | (Facts & { readonly status: 'indeterminate' })
  | (Facts & { readonly status: 'deadLettered' })
  | (Facts & { readonly status: 'failed' })
  | (Facts & { readonly status: 'completed' })
  | (Facts & { readonly status: 'cancelled' });

type Facts = {
  readonly submitted: SubmittedFacts;
  readonly attempt: number;
  /** The current attempt may be in an agent's hands, or on the way there. */
  readonly offered: boolean;
  /** Attempts closed before the present retry budget began (raised by a redrive). */
  readonly budgetFrom: number;
  readonly deadlineAt: string | undefined;
  /** Last checkpoint an attempt reported, for the next attempt to go on from. */
  readonly checkpoint: unknown;
};

export type TaskRejection =
  | { readonly reason: 'TaskAlreadyExists' }
  | { readonly reason: 'TaskNotFound' }
  | { readonly reason: 'TaskNotCancellable'; readonly status: string }
  | { readonly reason: 'TaskNotRedrivable'; readonly status: string }
  | { readonly reason: 'TaskNotRunning'; readonly status: string }
  | { readonly reason: 'StaleAttempt'; readonly attempt: number; readonly current: number }
  | { readonly reason: 'AttemptAlreadyStarted'; readonly attempt: number }
  | { readonly reason: 'DeadlinePassed'; readonly deadlineAt: string };

type Decision = Result<TaskEvent[], TaskRejection>;
type Known = Exclude<Task, { status: 'none' }>;
type Open = Extract<Task, { status: 'open' }>;

/** Attempts that were begun, or may have been; a task that failed for good has the number of the next one already. */
export const attemptsMade = (task: Exclude<Task, { status: 'none' }>): number =>
  task.status === 'failed' || task.status === 'deadLettered' ? task.attempt - 1 : task.attempt;

export const initialTask = (): Task => ({ status: 'none' });

const submit = (command: SubmitTask): Decision => {
  const { type: _, now, versionRange, deadlineAt, ...rest } = command;
  if (deadlineAt !== undefined && Date.parse(deadlineAt) <= Date.parse(now))
    return rejected({ reason: 'DeadlinePassed', deadlineAt });
  return ok([
    {
      type: 'TaskSubmitted',
      data: {
        ...rest,
        ...(versionRange === undefined ? {} : { versionRange }),
        ...(deadlineAt === undefined ? {} : { deadlineAt: new Date(deadlineAt).toISOString() }),
        submittedAt: now,
      },
    },
  ]);
};

const deadLettered = (
  task: Known,
  reason: 'attempts_exhausted' | 'not_retryable' | 'deadline_passed',
  attempts: number,
  error: AttemptError,
  now: string,
): TaskEvent => ({
  type: 'TaskDeadLettered',
  data: { taskId: task.submitted.taskId, reason, attempts, error, deadLetteredAt: now },
});

/** The end of a task whose last attempt has failed. */
const given = (command: FailAttempt, task: Open): TaskEvent => {
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

const fail = (command: FailAttempt, task: Open): Decision => {
  const { attempt, error, now, agentId, cost, durationMs, final } = command;
  const failures = attempt - task.budgetFrom;
  const exhausted = final || failures >= task.submitted.retry.maxAttempts;
  const retryAt =
    error.retryable && !exhausted
      ? plusMs(now, retryDelayMs(task.submitted.retry, failures, command.random))
      : undefined;
  const failed: TaskEvent = {
    type: 'TaskAttemptFailed',
    data: {
      taskId: task.submitted.taskId,
      attempt,
      error,
      failedAt: now,
      ...(agentId === undefined ? {} : { agentId }),
      ...(retryAt === undefined ? {} : { retryAt }),
      ...(durationMs === undefined ? {} : { durationMs }),
      ...(cost === undefined ? {} : { cost }),
    },
  };
  return ok(retryAt === undefined ? [failed, given(command, task)] : [failed]);
};

const complete = (command: CompleteAttempt, task: Known): Decision => {
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

const DEADLINE_ERROR: AttemptError = {
  code: 'DEADLINE_PASSED',
  message: 'the deadline of the task passed before it completed',
  source: 'timeout',
  retryable: false,
};

const expire = (command: ExpireTask, task: Open): Decision => {
  const { deadlineAt } = task;
  // The timer may be that of an earlier deadline, which a redrive has lifted: then there is nothing to do.
  if (deadlineAt === undefined || Date.parse(deadlineAt) > Date.parse(command.now)) return ok([]);
  if (!command.assigned)
    return ok([deadLettered(task, 'deadline_passed', task.attempt - 1, DEADLINE_ERROR, command.now)]);
  const closed: TaskEvent = {
    type: 'TaskAttemptFailed',
    data: { taskId: task.submitted.taskId, attempt: task.attempt, error: DEADLINE_ERROR, failedAt: command.now },
  };
  return ok([closed, deadLettered(task, 'deadline_passed', task.attempt, DEADLINE_ERROR, command.now)]);
};

const routingFacts = ({
  taskId,
  pool,
  capability,
  versionRange,
  priority,
  strategy,
  timeoutMs,
  executionId,
  unit,
}: SubmittedFacts) => ({
  taskId,
  pool,
  capability,
  priority,
  strategy,
  timeoutMs,
  ...(versionRange === undefined ? {} : { versionRange }),
  ...(executionId === undefined ? {} : { executionId }),
  ...(unit === undefined ? {} : { unit }),
});

const REDRIVABLE: ReadonlySet<Task['status']> = new Set(['deadLettered', 'failed', 'indeterminate']);

const redrive = (command: RedriveTask, task: Known): Decision => {
  if (!REDRIVABLE.has(task.status)) return rejected({ reason: 'TaskNotRedrivable', status: task.status });
  if (command.deadlineAt !== undefined && Date.parse(command.deadlineAt) <= Date.parse(command.now))
    return rejected({ reason: 'DeadlinePassed', deadlineAt: command.deadlineAt });
  return ok([
    {
      type: 'TaskRedriven',
      data: {
        ...routingFacts(task.submitted),
        nextAttempt: task.status === 'indeterminate' ? task.attempt + 1 : task.attempt,
        redrivenAt: command.now,
        ...(command.deadlineAt === undefined ? {} : { deadlineAt: new Date(command.deadlineAt).toISOString() }),
      },
    },
  ]);
};

const progress = ({ type: _, now, ...facts }: ReportProgress, task: Open): Decision =>
  ok([
    {
      type: 'TaskProgressReported',
      data: { taskId: task.submitted.taskId, reportedAt: now, ...facts },
    },
  ]);

const isStale = (attempt: number, task: Known): Decision | undefined =>
  attempt === task.attempt ? undefined : rejected({ reason: 'StaleAttempt', attempt, current: task.attempt });

/** Commands of the attempt that runs: refused unless the task is open and the attempt is the current one (the fence, S6). */
const decideAttempt = (command: Extract<TaskCommand, { attempt: number }>, task: Known): Decision => {
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
    case 'StartAttempt':
      return task.started
        ? rejected({ reason: 'AttemptAlreadyStarted', attempt: task.attempt })
        : ok([
            {
              type: 'TaskAttemptStarted',
              data: {
                taskId: task.submitted.taskId,
                attempt: command.attempt,
                agentId: command.agentId,
                startedAt: command.now,
              },
            },
          ]);
    case 'MarkOutcomeUnknown':
      return ok([
        {
          type: 'TaskOutcomeUnknown',
          data: {
            taskId: task.submitted.taskId,
            attempt: command.attempt,
            agentId: command.agentId,
            error: command.error,
            occurredAt: command.now,
          },
        },
      ]);
    case 'ReportProgress':
      return progress(command, task);
    default:
      return assertNever(command);
  }
};

export const decideTask = (command: TaskCommand, task: Task): Decision => {
  if (command.type === 'SubmitTask')
    return task.status === 'none' ? submit(command) : rejected({ reason: 'TaskAlreadyExists' });
  if (task.status === 'none') return rejected({ reason: 'TaskNotFound' });
  switch (command.type) {
    case 'CancelTask':
      return task.status === 'completed' || task.status === 'cancelled'
        ? rejected({ reason: 'TaskNotCancellable', status: task.status })
        : ok([
            {
              type: 'TaskCancelled',
              data: {
                taskId: task.submitted.taskId,
                cancelledAt: command.now,
                ...(command.reason === undefined ? {} : { reason: command.reason }),
                ...(command.interrupted === undefined ? {} : { interrupted: command.interrupted }),
              },
            },
          ]);
    case 'RedriveTask':
      return redrive(command, task);
    case 'ExpireTask':
      return task.status === 'open'
        ? expire(command, task)
        : rejected({ reason: 'TaskNotRunning', status: task.status });
    default:
      return decideAttempt(command, task);
  }
};

export const evolveTask = (task: Task, event: TaskEvent): Task => {
  if (event.type === 'TaskSubmitted')
    return {
      status: 'open',
      submitted: event.data,
      attempt: 1,
      offered: true,
      budgetFrom: 0,
      deadlineAt: event.data.deadlineAt,
      checkpoint: undefined,
      started: false,
    };
  if (task.status === 'none') return task;
  switch (event.type) {
    case 'TaskAttemptStarted':
      return { ...task, status: 'open', started: true };
    case 'TaskProgressReported':
      return event.data.checkpoint === undefined ? task : { ...task, checkpoint: event.data.checkpoint };
    case 'TaskAttemptFailed':
      return {
        ...task,
        status: 'open',
        attempt: event.data.attempt + 1,
        offered: event.data.retryAt !== undefined,
        started: false,
      };
    case 'TaskOutcomeUnknown':
      return { ...task, status: 'indeterminate' };
    case 'TaskCompleted':
      return { ...task, status: 'completed' };
    case 'TaskCancelled':
      return { ...task, status: 'cancelled' };
    case 'TaskFailed':
    case 'TaskDeadLettered':
      // The number of an attempt that was cut off without being closed is not used again: its answer must find itself stale.
      return {
        ...task,
        status: event.type === 'TaskFailed' ? 'failed' : 'deadLettered',
        attempt: task.offered ? task.attempt + 1 : task.attempt,
      };
    case 'TaskRedriven':
      return {
        ...task,
        status: 'open',
        started: false,
        attempt: event.data.nextAttempt,
        offered: true,
        budgetFrom: event.data.nextAttempt - 1,
        deadlineAt: event.data.deadlineAt,
      };
    default:
      return assertNever(event);
  }
};

export const taskDecider: Decider<Task, TaskCommand, TaskEvent, TaskRejection> = {
  initialState: initialTask,
  decide: decideTask,
  evolve: evolveTask,
};
