import type { Money } from '../../domain/money.ts';
import type { Assignment } from '../../domain/pool/events.ts';
import type { TaskEvent } from '../../domain/task/events.ts';
import { deadLetterOf } from '../dead-letters/rows.ts';
import { deadLettersTable } from '../dead-letters/table.ts';
import { instant, instantOrNull } from '../instant.ts';
import type { Emit, Fold, Handled, Handler, Projector } from '../projector.ts';
import { endedAttempt, openAttempt } from '../task-attempts/rows.ts';
import { taskAttemptsTable } from '../task-attempts/table.ts';
import { completion, counted } from '../task-stats/sums.ts';
import { taskStatsTable } from '../task-stats/table.ts';
import { type TaskRow, taskPayloadsTable, tasksTable } from './table.ts';

type Of<Type extends TaskEvent['type']> = Extract<TaskEvent, { type: Type }>;
type TaskChange = (task: TaskRow, emit: Emit) => TaskRow | undefined;

const changeTask = (
  fold: Fold,
  { tenant, position }: { readonly tenant: string; readonly position: bigint },
  taskId: string,
  change: TaskChange,
): void =>
  fold.change(tasksTable, { tenant, taskId }, (task, emit) => {
    const next = task && change(task, emit);
    return next && { ...next, updatedPosition: position };
  });

/** Columns of one attempt: they are cleared with it. */
const NO_ATTEMPT = {
  agentId: null,
  assignedAt: null,
  assignedPosition: null,
  startedAt: null,
  expiresAt: null,
  percent: null,
  progressMessage: null,
} satisfies Partial<TaskRow>;

const NO_DEAD_LETTER = {
  deadLetterReason: null,
  deadLetterAttempts: null,
  deadLetteredAt: null,
  deadLetterPosition: null,
} satisfies Partial<TaskRow>;

const withCost = (cost: TaskRow['cost'], added: Money | undefined): TaskRow['cost'] =>
  added === undefined ? cost : { ...cost, [added.currency]: (cost[added.currency] ?? 0) + added.micros };

const openStatus = ({ waitsFor }: { readonly waitsFor?: readonly string[] | undefined }): TaskRow['status'] =>
  waitsFor === undefined ? 'ready' : 'blocked';

const submitted: Handler<Of<'TaskSubmitted'>> = ({ tenant, position, data, stored }, fold) => {
  const { taskId, capability, input } = data;
  const submittedAt = instant(data.submittedAt);
  fold.put(tasksTable, {
    tenant,
    taskId,
    pool: data.pool,
    capability,
    versionRange: data.versionRange ?? null,
    priority: data.priority,
    strategy: data.strategy,
    retry: data.retry,
    timeoutMs: data.timeoutMs,
    tags: data.tags,
    status: openStatus(data),
    attempt: 1,
    failures: 0,
    redrives: 0,
    ...NO_ATTEMPT,
    submittedAt,
    deadlineAt: instantOrNull(data.deadlineAt),
    retryAt: null,
    endedAt: null,
    durationMs: null,
    error: null,
    cost: {},
    cancelReason: null,
    ...NO_DEAD_LETTER,
    actor: stored.metadata.actor,
    correlationId: stored.metadata.$correlationId,
    executionId: data.executionId ?? null,
    unit: data.unit ?? null,
    complexity: data.complexity ?? null,
    dependsOn: data.dependsOn ?? [],
    ruleName: data.rule?.name ?? null,
    ruleVersion: data.rule?.version ?? null,
    ruleVariant: data.rule?.variant ?? null,
    position,
    updatedPosition: position,
  });
  fold.put(taskPayloadsTable, { tenant, taskId, kind: 'input', payload: input, position });
  fold.add(taskStatsTable, counted({ tenant, capability }, submittedAt, 'submitted'));
};

/** An assignment is void unless the task waits for this attempt: the task may have ended between decision and append. */
const assigned = (fold: Fold, event: Handled, assignedAt: string, assignment: Assignment): void =>
  changeTask(fold, event, assignment.taskId, (task, emit) => {
    if (task.status !== 'ready' || task.attempt !== assignment.attempt) return undefined;
    const next: TaskRow = {
      ...task,
      status: 'assigned',
      agentId: assignment.agentId,
      assignedAt,
      assignedPosition: event.position,
      expiresAt: instant(assignment.expiresAt),
      retryAt: null,
      updatedPosition: event.position,
    };
    emit.put(taskAttemptsTable, openAttempt(next));
    return next;
  });

const attemptStarted: Handler<Of<'TaskAttemptStarted'>> = (event, fold) =>
  changeTask(fold, event, event.data.taskId, (task, emit) => {
    if (task.attempt !== event.data.attempt) return undefined;
    const next: TaskRow = {
      ...task,
      agentId: event.data.agentId,
      startedAt: instant(event.data.startedAt),
      updatedPosition: event.position,
    };
    emit.put(taskAttemptsTable, openAttempt(next));
    return next;
  });

const progressReported: Handler<Of<'TaskProgressReported'>> = (event, fold) => {
  const { tenant, position, data } = event;
  const { taskId, attempt, percent, message, checkpoint } = data;
  changeTask(fold, event, taskId, (task) =>
    task.attempt === attempt
      ? { ...task, percent: percent ?? task.percent, progressMessage: message ?? task.progressMessage }
      : undefined,
  );
  if (checkpoint !== undefined)
    fold.put(taskPayloadsTable, { tenant, taskId, kind: 'checkpoint', payload: checkpoint, position });
};

const attemptFailed: Handler<Of<'TaskAttemptFailed'>> = ({ position, data, tenant }, fold) =>
  changeTask(fold, { tenant, position }, data.taskId, (task, emit) => {
    if (task.attempt !== data.attempt) return undefined;
    const { error, cost } = data;
    const failedAt = instant(data.failedAt);
    emit.put(
      taskAttemptsTable,
      endedAttempt(task, {
        outcome: 'failed',
        endedAt: failedAt,
        updatedPosition: position,
        agentId: data.agentId ?? null,
        error,
        cost: cost ?? null,
      }),
    );
    emit.add(taskStatsTable, counted(task, failedAt, 'failedAttempts'));
    const failed = { ...task, failures: task.failures + 1, error, cost: withCost(task.cost, cost) };
    // Without a next attempt the end of the task follows in the same append; the task keeps its last attempt and agent.
    if (data.retryAt !== undefined)
      return { ...failed, ...NO_ATTEMPT, status: 'ready', attempt: data.attempt + 1, retryAt: instant(data.retryAt) };
    const status = task.executionId === null ? 'dead_lettered' : 'failed';
    return { ...failed, status, agentId: data.agentId ?? task.agentId, endedAt: failedAt };
  });

const outcomeUnknown: Handler<Of<'TaskOutcomeUnknown'>> = ({ tenant, position, data }, fold) =>
  changeTask(fold, { tenant, position }, data.taskId, (task, emit) => {
    if (task.attempt !== data.attempt) return undefined;
    const { agentId, error } = data;
    emit.put(
      taskAttemptsTable,
      endedAttempt(task, {
        outcome: 'unknown',
        endedAt: instant(data.occurredAt),
        updatedPosition: position,
        agentId,
        error,
      }),
    );
    return { ...task, status: 'indeterminate', agentId, error };
  });

const completed: Handler<Of<'TaskCompleted'>> = ({ tenant, position, data }, fold) => {
  const { taskId, agentId, durationMs, cost, result } = data;
  const completedAt = instant(data.completedAt);
  changeTask(fold, { tenant, position }, taskId, (task, emit) => {
    emit.put(
      taskAttemptsTable,
      endedAttempt(task, {
        outcome: 'completed',
        endedAt: completedAt,
        updatedPosition: position,
        agentId,
        durationMs,
        cost: cost ?? null,
      }),
    );
    emit.add(taskStatsTable, completion(task, completedAt, durationMs));
    return {
      ...task,
      status: 'completed',
      agentId,
      retryAt: null,
      endedAt: completedAt,
      durationMs,
      cost: withCost(task.cost, cost),
    };
  });
  fold.put(taskPayloadsTable, { tenant, taskId, kind: 'result', payload: result, position });
};

const unblocked: Handler<Of<'TaskUnblocked'>> = (event, fold) =>
  changeTask(fold, event, event.data.taskId, (task) =>
    task.status === 'blocked' ? { ...task, status: 'ready' } : undefined,
  );

const cancelled: Handler<Of<'TaskCancelled'>> = ({ tenant, position, data }, fold) =>
  changeTask(fold, { tenant, position }, data.taskId, (task, emit) => {
    const cancelledAt = instant(data.cancelledAt);
    if (task.status === 'assigned')
      emit.put(
        taskAttemptsTable,
        endedAttempt(task, { outcome: 'cancelled', endedAt: cancelledAt, updatedPosition: position }),
      );
    const letter = deadLetterOf(task, { status: 'cancelled', closedAt: cancelledAt, updatedPosition: position });
    if (letter) emit.put(deadLettersTable, letter);
    emit.add(taskStatsTable, counted(task, cancelledAt, 'cancelled'));
    return {
      ...task,
      ...NO_DEAD_LETTER,
      status: 'cancelled',
      retryAt: null,
      endedAt: cancelledAt,
      cancelReason: data.reason ?? null,
    };
  });

const taskFailed: Handler<Of<'TaskFailed'>> = ({ tenant, position, data }, fold) =>
  changeTask(fold, { tenant, position }, data.taskId, (task, emit) => {
    const failedAt = instant(data.failedAt);
    if (task.status === 'assigned')
      emit.put(
        taskAttemptsTable,
        endedAttempt(task, { outcome: 'abandoned', endedAt: failedAt, updatedPosition: position }),
      );
    emit.add(taskStatsTable, counted(task, failedAt, 'failed'));
    return { ...task, status: 'failed', retryAt: null, endedAt: failedAt, error: data.error };
  });

const deadLettered: Handler<Of<'TaskDeadLettered'>> = ({ tenant, position, data }, fold) =>
  changeTask(fold, { tenant, position }, data.taskId, (task, emit) => {
    const deadLetteredAt = instant(data.deadLetteredAt);
    if (task.status === 'assigned')
      emit.put(
        taskAttemptsTable,
        endedAttempt(task, { outcome: 'abandoned', endedAt: deadLetteredAt, updatedPosition: position }),
      );
    const next: TaskRow = {
      ...task,
      status: 'dead_lettered',
      retryAt: null,
      endedAt: deadLetteredAt,
      error: data.error,
      deadLetterReason: data.reason,
      deadLetterAttempts: data.attempts,
      deadLetteredAt,
      deadLetterPosition: position,
    };
    const letter = deadLetterOf(next, { status: 'open', closedAt: null, updatedPosition: position });
    if (letter) emit.put(deadLettersTable, letter);
    emit.add(taskStatsTable, counted(task, deadLetteredAt, 'deadLettered'));
    return next;
  });

const redriven: Handler<Of<'TaskRedriven'>> = ({ tenant, position, data }, fold) =>
  changeTask(fold, { tenant, position }, data.taskId, (task, emit) => {
    const redrivenAt = instant(data.redrivenAt);
    const letter = deadLetterOf(task, { status: 'redriven', closedAt: redrivenAt, updatedPosition: position });
    if (letter) emit.put(deadLettersTable, letter);
    return {
      ...task,
      ...NO_ATTEMPT,
      ...NO_DEAD_LETTER,
      pool: data.pool,
      capability: data.capability,
      versionRange: data.versionRange ?? null,
      priority: data.priority,
      strategy: data.strategy,
      timeoutMs: data.timeoutMs,
      status: openStatus(data),
      attempt: data.nextAttempt,
      redrives: task.redrives + 1,
      deadlineAt: instantOrNull(data.deadlineAt),
      retryAt: null,
      endedAt: null,
    };
  });

/**
 * Everything that follows from the lifecycle of a task. The task's row is the state; attempts, dead letters and statistics are written
 * from that row as it changes, so that none of them needs to look up the assignment or the capability.
 */
export const tasksProjector = {
  name: 'tasks',
  version: 5,
  tables: [tasksTable, taskPayloadsTable, taskAttemptsTable, deadLettersTable, taskStatsTable],
  on: {
    TaskSubmitted: submitted,
    TasksAssigned: (event, fold) => {
      const assignedAt = instant(event.data.assignedAt);
      for (const assignment of event.data.assignments) assigned(fold, event, assignedAt, assignment);
    },
    TaskAttemptStarted: attemptStarted,
    TaskProgressReported: progressReported,
    TaskAttemptFailed: attemptFailed,
    TaskOutcomeUnknown: outcomeUnknown,
    TaskUnblocked: unblocked,
    TaskCompleted: completed,
    TaskCancelled: cancelled,
    TaskFailed: taskFailed,
    TaskDeadLettered: deadLettered,
    TaskRedriven: redriven,
  },
} as const satisfies Projector;
