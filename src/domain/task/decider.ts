import type { Decider } from '../decider.ts';
import { instantOf } from '../instant.ts';
import { ok, rejected } from '../result.ts';
import type { CancelTask, ExpireTask, RedriveTask, SettleDependencies, SubmitTask, TaskCommand } from './commands.ts';
import { deadLettered } from './dead-letter.ts';
import { decideAttempt, loseOutcome } from './decide-attempt.ts';
import type { Decision, TaskRejection } from './decision.ts';
import type { AttemptError, TaskEvent } from './events.ts';
import { evolveTask } from './evolve.ts';
import { hintsOf, specialisationOf } from './routing-hints.ts';
import { initialTask, type KnownTask, type OpenTask, type SubmittedFacts, type Task } from './state.ts';

const submit = (command: SubmitTask): Decision => {
  const { type: _, now, versionRange, deadlineAt, affinityKey, specialisation, targets, rule, ...given } = command;
  const { complexity, dependsOn, waitsFor = [], ...rest } = given;
  if (deadlineAt !== undefined && Date.parse(deadlineAt) <= Date.parse(now))
    return rejected({ reason: 'DeadlinePassed', deadlineAt });
  return ok([
    {
      type: 'TaskSubmitted',
      data: {
        ...rest,
        ...hintsOf({ affinityKey, targets }),
        ...specialisationOf(rest.strategy, rest.input, specialisation),
        ...(rule === undefined ? {} : { rule }),
        ...(versionRange === undefined ? {} : { versionRange }),
        ...(deadlineAt === undefined ? {} : { deadlineAt: instantOf(Date.parse(deadlineAt)) }),
        ...(complexity === undefined ? {} : { complexity }),
        ...(dependsOn === undefined ? {} : { dependsOn }),
        ...(waitsFor.length === 0 ? {} : { waitsFor: [...waitsFor] }),
        submittedAt: now,
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

/** The agent must not be called twice, and has not answered. */
const OUTCOME_AT_DEADLINE: AttemptError = {
  ...DEADLINE_ERROR,
  message: 'the deadline of the task passed while its agent worked on it',
  outcomeUnknown: true,
};

const expire = (command: ExpireTask, task: OpenTask): Decision => {
  const { deadlineAt } = task;
  // The timer may be that of an earlier deadline, which a redrive has lifted: then there is nothing to do.
  if (deadlineAt === undefined || Date.parse(deadlineAt) > Date.parse(command.now)) return ok([]);
  const { heldBy, now } = command;
  if (heldBy === undefined) return ok([deadLettered(task, 'deadline_passed', task.attempt - 1, DEADLINE_ERROR, now)]);
  const { attempt } = task;
  if (task.started) return loseOutcome({ attempt, agentId: heldBy, error: OUTCOME_AT_DEADLINE, now }, task);
  const closed: TaskEvent = {
    type: 'TaskAttemptFailed',
    data: { taskId: task.submitted.taskId, attempt, error: DEADLINE_ERROR, failedAt: now },
  };
  return ok([closed, deadLettered(task, 'deadline_passed', attempt, DEADLINE_ERROR, now)]);
};

const routingFacts = ({
  taskId,
  pool,
  capability,
  versionRange,
  priority,
  strategy,
  timeoutMs,
  complexity,
  executionId,
  unit,
  rule,
  ...others
}: SubmittedFacts) => ({
  taskId,
  pool,
  capability,
  priority,
  strategy,
  timeoutMs,
  ...hintsOf(others),
  ...(complexity === undefined ? {} : { complexity }),
  ...(versionRange === undefined ? {} : { versionRange }),
  ...(executionId === undefined ? {} : { executionId }),
  ...(unit === undefined ? {} : { unit }),
  ...(rule === undefined ? {} : { rule }),
});

const REDRIVABLE: ReadonlySet<Task['status']> = new Set(['deadLettered', 'failed', 'indeterminate']);

const redrive = (command: RedriveTask, task: KnownTask): Decision => {
  if (!REDRIVABLE.has(task.status)) return rejected({ reason: 'TaskNotRedrivable', status: task.status });
  if (command.deadlineAt !== undefined && Date.parse(command.deadlineAt) <= Date.parse(command.now))
    return rejected({ reason: 'DeadlinePassed', deadlineAt: command.deadlineAt });
  return ok([
    {
      type: 'TaskRedriven',
      data: {
        ...routingFacts(task.submitted),
        nextAttempt: task.status === 'indeterminate' ? task.attempt + 1 : task.attempt,
        ...(task.waitsFor === undefined ? {} : { waitsFor: [...task.waitsFor] }),
        redrivenAt: command.now,
        ...(command.deadlineAt === undefined ? {} : { deadlineAt: instantOf(Date.parse(command.deadlineAt)) }),
      },
    },
  ]);
};

const cancel = ({ reason, interrupted, now }: CancelTask, task: KnownTask): Decision => {
  if (task.status === 'completed' || task.status === 'cancelled')
    return rejected({ reason: 'TaskNotCancellable', status: task.status });
  return ok([
    {
      type: 'TaskCancelled',
      data: {
        taskId: task.submitted.taskId,
        cancelledAt: now,
        ...(reason === undefined ? {} : { reason }),
        ...(interrupted === undefined ? {} : { interrupted }),
      },
    },
  ]);
};

/** The end of what it waits for decides: all have completed, or one never will. Otherwise it goes on waiting. */
const settle = ({ ended, now }: SettleDependencies, task: KnownTask): Decision => {
  const { waitsFor } = task;
  if (task.status !== 'open' || waitsFor === undefined) return ok([]);
  const { taskId } = task.submitted;
  for (const dependency of waitsFor) {
    const end = ended[dependency];
    if (end === undefined || end === 'completed') continue;
    const reason = `task ${dependency}, which it depends on, was ${end}`;
    const data = { taskId, reason, dependency: { taskId: dependency, ended: end }, cancelledAt: now };
    return ok([{ type: 'TaskCancelled', data }]);
  }
  if (waitsFor.some((dependency) => ended[dependency] === undefined)) return ok([]);
  return ok([{ type: 'TaskUnblocked', data: { taskId, unblockedAt: now } }]);
};

export const decideTask = (command: TaskCommand, task: Task): Decision => {
  if (command.type === 'SubmitTask')
    return task.status === 'none' ? submit(command) : rejected({ reason: 'TaskAlreadyExists' });
  if (task.status === 'none') return rejected({ reason: 'TaskNotFound' });
  switch (command.type) {
    case 'CancelTask':
      return cancel(command, task);
    case 'RedriveTask':
      return redrive(command, task);
    case 'SettleDependencies':
      return settle(command, task);
    case 'ExpireTask':
      return task.status === 'open'
        ? expire(command, task)
        : rejected({ reason: 'TaskNotRunning', status: task.status });
    default:
      return decideAttempt(command, task);
  }
};

export const taskDecider: Decider<Task, TaskCommand, TaskEvent, TaskRejection> = {
  initialState: initialTask,
  decide: decideTask,
  evolve: evolveTask,
};
