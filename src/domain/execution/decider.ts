import { pivotInDoubt } from '../compensation/plan.ts';
import type { DecidedState, Decider } from '../decider.ts';
import { instantOf, plusMs } from '../instant.ts';
import { assertNever, ok, type Result, rejected } from '../result.ts';
import { decideTask, type TaskRejection } from '../task/decider.ts';
import { endsTask, type TaskEvent } from '../task/events.ts';
import { type Step, workflowOf } from '../workflow/compile.ts';
import { abort, advance, canCompensate, judgeStep, park } from './advance.ts';
import type { ExecutionCommand, ReleaseTask, RunTask, StartExecution } from './commands.ts';
import { type ExecutionStreamEvent, errorOf, evolveExecution } from './evolve.ts';
import { migrationProblems } from './migration.ts';
import { completeStep, Room, startUndo, startWithInput } from './start-steps.ts';
import {
  type Abort,
  type CompensationStatus,
  type Execution,
  type ExecutionStatus,
  hasEnded,
  initialExecution,
  type Running,
  type StepPhase,
  statusOf,
  type UnitCompensation,
  type UnitState,
} from './state.ts';
import { Turn } from './turn.ts';
import { compensatedBy, isCompensation, parseUnit } from './unit.ts';

export type ExecutionRejection =
  | { readonly reason: 'ExecutionAlreadyExists' }
  | { readonly reason: 'ExecutionNotFound' }
  /** Nothing can change it any more, or only a retry can. */
  | { readonly reason: 'ExecutionEnded'; readonly status: ExecutionStatus }
  | { readonly reason: 'ExecutionNotPausable'; readonly status: ExecutionStatus }
  | { readonly reason: 'ExecutionNotPaused'; readonly status: ExecutionStatus }
  | { readonly reason: 'ExecutionNotCancellable'; readonly status: ExecutionStatus }
  | { readonly reason: 'ExecutionNotRetryable'; readonly status: ExecutionStatus }
  | {
      readonly reason: 'ExecutionNotMigratable';
      readonly status: ExecutionStatus;
      readonly problems: readonly string[];
    }
  | { readonly reason: 'PivotPassed' }
  | { readonly reason: 'StepNotFound'; readonly step: string }
  | { readonly reason: 'StepNotWaiting'; readonly step: string; readonly status: StepPhase }
  | { readonly reason: 'StepNotRetryable'; readonly step: string; readonly status: StepPhase }
  | { readonly reason: 'StepNotSkippable'; readonly step: string; readonly status: StepPhase }
  | { readonly reason: 'StepTakesNoInput'; readonly step: string }
  | { readonly reason: 'UnknownOption'; readonly step: string; readonly options: readonly string[] }
  | { readonly reason: 'TooManySignals'; readonly limit: number }
  | { readonly reason: 'CompensationNotFound'; readonly unit: string }
  | { readonly reason: 'CompensationNotParked'; readonly unit: string; readonly status: CompensationStatus }
  | TaskRejection;

type Decision = Result<DecidedState<Execution, ExecutionStreamEvent>, ExecutionRejection>;
type Of<Type extends ExecutionCommand['type']> = Extract<ExecutionCommand, { type: Type }>;

/** Events from outside that an execution keeps until a step waits for them. */
export const MAX_SIGNALS = 1_000;
const DEFAULT_OPTIONS = ['approved', 'rejected'] as const;

const start = (command: StartExecution): Decision => {
  const { executionId, workflow, definition, input, tags, now } = command;
  const { timeoutMs } = definition;
  const event: ExecutionStreamEvent = {
    type: 'ExecutionStarted',
    data: {
      executionId,
      workflow,
      definition,
      input,
      tags: [...tags],
      ...(timeoutMs === undefined ? {} : { deadlineAt: plusMs(now, timeoutMs) }),
      ...(command.parent === undefined ? {} : { parent: command.parent }),
      ...(command.forkedFrom === undefined
        ? {}
        : { forkedFrom: { ...command.forkedFrom, reused: [...command.forkedFrom.reused] } }),
      ...(command.inputs === undefined ? {} : { inputs: command.inputs }),
      startedAt: now,
    },
  };
  const state = evolveExecution(initialExecution(), event);
  if (state.status === 'none') throw new Error('bug: a started execution is none');
  const turn = new Turn(state, now);
  if (command.unwanted !== undefined)
    abort(turn, {
      reason: 'cancelled',
      comment: command.unwanted,
      compensate: false,
      strategy: definition.saga.strategy,
      interrupt: true,
    });
  advance(turn);
  return ok({ events: [event, ...turn.events], state: turn.state });
};

const stepNamed = ({ compiled }: Running, id: string): Step | undefined => {
  const index = compiled.indexOf.get(id);
  return index === undefined ? undefined : compiled.steps[index];
};

const unitStateOf = (execution: Running, key: string): UnitState | undefined => {
  if (isCompensation(key)) return execution.compensation?.units.get(compensatedBy(key))?.state;
  const unit = parseUnit(key);
  const step = unit && stepNamed(execution, unit.stepId);
  if (unit === undefined || step === undefined) return undefined;
  const state = execution.steps.get(step.index);
  if (unit.item === undefined) return state.unit;
  return state.items && unit.item < state.items.list.length ? state.items.units.get(unit.item) : undefined;
};

/** The unit's present task, when this is it. */
const currentTask = (execution: Running, taskId: string) => {
  const key = execution.unitOf.get(taskId);
  const unit = key === undefined ? undefined : unitStateOf(execution, key);
  if (key === undefined || unit?.task?.submitted.taskId !== taskId) return undefined;
  return { key, unit, task: unit.task };
};

/** The lifecycle of one task of an execution, for those that must know whether an attempt may run. */
export const taskOf = (execution: Execution, taskId: string) =>
  execution.status === 'none' ? undefined : currentTask(execution, taskId)?.task;

/** What the end of a task means for its step or undo, and for the execution. */
const afterTask = (turn: Turn, key: string, events: readonly TaskEvent[]): void => {
  if (!events.some(({ type }) => endsTask(type))) return;
  if (isCompensation(key)) {
    const { state, status } = turn.state.compensation?.units.get(compensatedBy(key)) ?? {};
    if (state && status === 'open' && state.phase !== 'open' && state.phase !== 'completed')
      park(turn, compensatedBy(key), state.error ?? errorOf('UNDO_FAILED', 'the compensation ended without a result'));
  } else {
    const step = stepNamed(turn.state, parseUnit(key)?.stepId ?? '');
    if (step) judgeStep(turn, step, key);
  }
  advance(turn);
};

const runTask = ({ taskId, command, now }: RunTask, execution: Running): Decision => {
  const current = currentTask(execution, taskId);
  if (current === undefined) return rejected({ reason: 'TaskNotFound' });
  const wanted = isCompensation(current.key) || execution.abort === undefined;
  const final = command.type === 'FailAttempt' && !wanted ? { final: true } : {};
  const decision = decideTask({ ...command, ...final }, current.task);
  if (!decision.ok) return decision;
  const turn = new Turn(execution, now);
  for (const event of decision.value) turn.emit(event);
  afterTask(turn, current.key, decision.value);
  return ok(turn);
};

const releaseTask = ({ taskId, attempt, held, now }: ReleaseTask, execution: Running): Decision => {
  const current = currentTask(execution, taskId);
  if (current === undefined || current.task.status !== 'open') return ok({ events: [], state: execution });
  if (execution.abort === undefined || isCompensation(current.key)) return ok({ events: [], state: execution });
  if (current.task.attempt !== attempt)
    return rejected({ reason: 'StaleAttempt', attempt, current: current.task.attempt });
  // An agent that works on it is waited for, unless it is to be called off.
  if (held && !execution.abort.interrupt) return ok({ events: [], state: execution });
  const decision = decideTask(
    { type: 'CancelTask', reason: 'the execution is aborting', ...(held ? { interrupted: true } : {}), now },
    current.task,
  );
  if (!decision.ok) return decision;
  const turn = new Turn(execution, now);
  for (const event of decision.value) turn.emit(event);
  afterTask(turn, current.key, decision.value);
  return ok(turn);
};

const pause = ({ reason, now }: Of<'PauseExecution'>, execution: Running): Decision => {
  const status = statusOf(execution);
  if (status !== 'executing' && status !== 'compensating') return rejected({ reason: 'ExecutionNotPausable', status });
  const { executionId } = execution;
  const turn = new Turn(execution, now);
  turn.emit({
    type: 'ExecutionPaused',
    data: { executionId, ...(reason === undefined ? {} : { reason }), pausedAt: now },
  });
  return ok(turn);
};

const resume = ({ now }: Of<'ResumeExecution'>, execution: Running): Decision => {
  const status = statusOf(execution);
  if (status !== 'paused') return rejected({ reason: 'ExecutionNotPaused', status });
  const turn = new Turn(execution, now);
  turn.emit({ type: 'ExecutionResumed', data: { executionId: execution.executionId, resumedAt: now } });
  advance(turn);
  return ok(turn);
};

/** An execution that is about to end anyway does not wait for agents any longer; the rest stays as it was decided. */
const callOff = (execution: Running, cause: Abort, now: string): Decision => {
  if (execution.compensation !== undefined || cause.interrupt)
    return rejected({ reason: 'ExecutionNotCancellable', status: statusOf(execution) });
  const turn = new Turn(execution, now);
  abort(turn, { ...cause, interrupt: true });
  advance(turn);
  return ok(turn);
};

const cancel = (command: Of<'CancelExecution'>, execution: Running): Decision => {
  const { reason, compensate, strategy, now } = command;
  const status = statusOf(execution);
  const failed = status === 'failed';
  if (!failed && execution.abort !== undefined) return callOff(execution, execution.abort, now);
  if (!failed && execution.status !== 'executing') return rejected({ reason: 'ExecutionNotCancellable', status });
  if (compensate && (execution.pivotPassed || pivotInDoubt(execution))) return rejected({ reason: 'PivotPassed' });
  const turn = new Turn(execution, now);
  abort(turn, {
    reason: 'cancelled',
    comment: reason,
    compensate,
    strategy: strategy ?? execution.compiled.definition.saga.strategy,
    interrupt: true,
  });
  advance(turn);
  return ok(turn);
};

const expire = ({ now }: Of<'ExpireExecution'>, execution: Running): Decision => {
  const { deadlineMs } = execution;
  if (deadlineMs === undefined || deadlineMs > Date.parse(now)) return ok({ events: [], state: execution });
  if (hasEnded(execution) || execution.abort !== undefined) return ok({ events: [], state: execution });
  const turn = new Turn(execution, now);
  abort(turn, {
    reason: 'deadline_passed',
    error: errorOf('DEADLINE_PASSED', `the execution did not end by ${instantOf(deadlineMs)}`),
    compensate: canCompensate(execution),
    strategy: execution.compiled.definition.saga.strategy,
    interrupt: true,
  });
  advance(turn);
  return ok(turn);
};

const signal = ({ name, payload, now }: Of<'SignalExecution'>, execution: Running): Decision => {
  const status = statusOf(execution);
  if (hasEnded(execution)) return rejected({ reason: 'ExecutionEnded', status });
  if (execution.signals.length >= MAX_SIGNALS) return rejected({ reason: 'TooManySignals', limit: MAX_SIGNALS });
  const turn = new Turn(execution, now);
  const { executionId } = execution;
  turn.emit({ type: 'ExecutionSignalled', data: { executionId, name, payload, signalledAt: now } });
  const waits = execution.compiled.steps.find((step) => {
    const { waiting, phase } = execution.steps.get(step.index);
    return phase === 'waiting' && waiting?.kind === 'event' && waiting.name === name;
  });
  if (waits) completeStep(turn, waits.id, payload);
  advance(turn);
  return ok(turn);
};

const decideStep = (command: Of<'DecideStep'>, execution: Running): Decision => {
  const { step: id, option, comment, by, now } = command;
  const step = stepNamed(execution, id);
  if (step === undefined) return rejected({ reason: 'StepNotFound', step: id });
  const { phase, waiting } = execution.steps.get(step.index);
  if (phase !== 'waiting' || waiting?.kind !== 'decision')
    return rejected({ reason: 'StepNotWaiting', step: id, status: phase });
  const options = waiting.options ?? DEFAULT_OPTIONS;
  if (!options.includes(option)) return rejected({ reason: 'UnknownOption', step: id, options });
  const turn = new Turn(execution, now);
  completeStep(turn, id, { option, by, ...(comment === undefined ? {} : { comment }) });
  advance(turn);
  return ok(turn);
};

const failWait = (turn: Turn, step: Step, error: ReturnType<typeof errorOf>): void => {
  turn.emit({
    type: 'StepFailed',
    data: { executionId: turn.state.executionId, stepId: step.id, error, failedAt: turn.now },
  });
  judgeStep(turn, step, step.id);
};

const isDue = (execution: Running, { index }: Step, nowMs: number): boolean => {
  const { phase, waiting } = execution.steps.get(index);
  return phase === 'waiting' && waiting?.dueMs !== undefined && waiting.dueMs <= nowMs;
};

const wake = ({ step: id, now }: Of<'WakeStep'>, execution: Running): Decision => {
  const nowMs = Date.parse(now);
  const named = stepNamed(execution, id);
  // A timer may have the name from before a migration: whatever is due may be woken.
  const step =
    named && isDue(execution, named, nowMs)
      ? named
      : execution.compiled.steps.find((other) => isDue(execution, other, nowMs));
  if (step === undefined) return ok({ events: [], state: execution });
  const { waiting } = execution.steps.get(step.index);
  const turn = new Turn(execution, now);
  if (waiting?.kind === 'delay') completeStep(turn, step.id, null);
  else failWait(turn, step, errorOf('WAIT_TIMED_OUT', `${waiting?.name ?? step.id} did not come in time`));
  advance(turn);
  return ok(turn);
};

const closeChild = ({ childId, outcome, now }: Of<'CloseChild'>, execution: Running): Decision => {
  // By the child, not by the step's name, which a migration may have changed since the child was started.
  const step = execution.compiled.steps.find(({ index }) => execution.steps.get(index).waiting?.childId === childId);
  if (step === undefined) return ok({ events: [], state: execution });
  const turn = new Turn(execution, now);
  if (outcome.status === 'completed') completeStep(turn, step.id, outcome.output);
  else failWait(turn, step, outcome.error);
  advance(turn);
  return ok(turn);
};

const STANDS_IN_THE_WAY: ReadonlySet<StepPhase> = new Set(['failed', 'indeterminate', 'cancelled']);

/** Steps that a failed execution cannot go on without. */
const blockers = ({ compiled, steps }: Running): Step[] =>
  compiled.steps.filter((step) => {
    const { phase } = steps.get(step.index);
    return STANDS_IN_THE_WAY.has(phase) && (phase === 'cancelled' || step.definition.onFailure === 'fail');
  });

const reopen = (turn: Turn, steps: readonly Step[]): void =>
  turn.emit({
    type: 'ExecutionReopened',
    data: {
      executionId: turn.state.executionId,
      steps: steps.map(({ id }) => id),
      reopenedAt: turn.now,
    },
  });

const retry = ({ step: id, input, now }: Of<'RetryExecution'>, execution: Running): Decision => {
  const status = statusOf(execution);
  if (status !== 'failed') return rejected({ reason: 'ExecutionNotRetryable', status });
  const steps = blockers(execution);
  const named = id === undefined ? undefined : stepNamed(execution, id);
  if (id !== undefined && named === undefined) return rejected({ reason: 'StepNotFound', step: id });
  if (named && !steps.includes(named))
    return rejected({ reason: 'StepNotRetryable', step: named.id, status: execution.steps.get(named.index).phase });
  if (input !== undefined && (named === undefined || named.kind !== 'agent' || named.items !== undefined))
    return rejected({ reason: 'StepTakesNoInput', step: id ?? '' });
  const turn = new Turn(execution, now);
  reopen(turn, steps);
  if (input !== undefined && named) startWithInput(turn, named, input);
  advance(turn);
  return ok(turn);
};

const SKIPPABLE: ReadonlySet<StepPhase> = new Set(['pending', 'waiting', 'failed', 'indeterminate', 'cancelled']);

const skip = ({ step: id, reason, now }: Of<'SkipStep'>, execution: Running): Decision => {
  const status = statusOf(execution);
  const step = stepNamed(execution, id);
  if (step === undefined) return rejected({ reason: 'StepNotFound', step: id });
  const failed = status === 'failed';
  if (!failed && (hasEnded(execution) || execution.abort !== undefined || status === 'compensation_failed'))
    return rejected({ reason: 'ExecutionEnded', status });
  const { phase, waiting } = execution.steps.get(step.index);
  if (!SKIPPABLE.has(phase) || waiting?.kind === 'workflow')
    return rejected({ reason: 'StepNotSkippable', step: id, status: phase });
  const turn = new Turn(execution, now);
  if (failed)
    reopen(
      turn,
      blockers(execution).filter((blocker) => blocker !== step),
    );
  turn.emit({
    type: 'StepSkipped',
    data: { executionId: execution.executionId, stepId: id, reason: 'person', comment: reason, skippedAt: now },
  });
  advance(turn);
  return ok(turn);
};

const parkedDebt = (execution: Running, unit: string): Result<UnitCompensation, ExecutionRejection> => {
  const compensation = execution.compensation?.units.get(unit);
  if (compensation === undefined) return rejected({ reason: 'CompensationNotFound', unit });
  const { status } = compensation;
  return status === 'parked' ? ok(compensation) : rejected({ reason: 'CompensationNotParked', unit, status });
};

const retryUndo = ({ unit, input, now }: Of<'RetryCompensation'>, execution: Running): Decision => {
  const debt = parkedDebt(execution, unit);
  if (!debt.ok) return debt;
  const turn = new Turn(execution, now);
  const error = startUndo(turn, new Room(turn.state), unit, input);
  if (error) park(turn, unit, error);
  advance(turn);
  return ok(turn);
};

const skipUndo = ({ unit, reason, now }: Of<'SkipCompensation'>, execution: Running): Decision => {
  const debt = parkedDebt(execution, unit);
  if (!debt.ok) return debt;
  const turn = new Turn(execution, now);
  turn.emit({
    type: 'CompensationSkipped',
    data: { executionId: execution.executionId, unit, reason, skippedAt: now },
  });
  advance(turn);
  return ok(turn);
};

const handOver = ({ unit, to, note, now }: Of<'HandOverCompensation'>, execution: Running): Decision => {
  const debt = parkedDebt(execution, unit);
  if (!debt.ok) return debt;
  const { executionId } = execution;
  const turn = new Turn(execution, now);
  turn.emit({
    type: 'CompensationHandedOver',
    data: { executionId, unit, to, ...(note === undefined ? {} : { note }), handedOverAt: now },
  });
  return ok(turn);
};

const migrate = (command: Of<'MigrateExecution'>, execution: Running): Decision => {
  const { workflow, definition, mapping, now } = command;
  const status = statusOf(execution);
  const problems = migrationProblems(execution, workflowOf(workflow.digest, definition), mapping);
  if (problems.length > 0) return rejected({ reason: 'ExecutionNotMigratable', status, problems });
  const turn = new Turn(execution, now);
  turn.emit({
    type: 'ExecutionMigrated',
    data: {
      executionId: execution.executionId,
      from: execution.workflow,
      workflow,
      definition,
      mapping,
      migratedAt: now,
    },
  });
  advance(turn);
  return ok(turn);
};

/** Decides on an execution (design §2): a completion and all that it unblocks are one decision, and so one append. */
const decideAndEvolve = (command: ExecutionCommand, execution: Execution): Decision => {
  if (command.type === 'StartExecution')
    return execution.status === 'none' ? start(command) : rejected({ reason: 'ExecutionAlreadyExists' });
  if (execution.status === 'none') return rejected({ reason: 'ExecutionNotFound' });
  switch (command.type) {
    case 'RunTask':
      return runTask(command, execution);
    case 'ReleaseTask':
      return releaseTask(command, execution);
    case 'PauseExecution':
      return pause(command, execution);
    case 'ResumeExecution':
      return resume(command, execution);
    case 'CancelExecution':
      return cancel(command, execution);
    case 'ExpireExecution':
      return expire(command, execution);
    case 'SignalExecution':
      return signal(command, execution);
    case 'DecideStep':
      return decideStep(command, execution);
    case 'WakeStep':
      return wake(command, execution);
    case 'CloseChild':
      return closeChild(command, execution);
    case 'RetryExecution':
      return retry(command, execution);
    case 'SkipStep':
      return skip(command, execution);
    case 'RetryCompensation':
      return retryUndo(command, execution);
    case 'SkipCompensation':
      return skipUndo(command, execution);
    case 'HandOverCompensation':
      return handOver(command, execution);
    case 'MigrateExecution':
      return migrate(command, execution);
    default:
      return assertNever(command);
  }
};

export const decideExecution = (
  command: ExecutionCommand,
  execution: Execution,
): Result<ExecutionStreamEvent[], ExecutionRejection> => {
  const decision = decideAndEvolve(command, execution);
  return decision.ok ? ok(decision.value.events) : decision;
};

export const executionDecider: Decider<Execution, ExecutionCommand, ExecutionStreamEvent, ExecutionRejection> = {
  initialState: initialExecution,
  decide: decideExecution,
  evolve: evolveExecution,
  decideAndEvolve,
};
