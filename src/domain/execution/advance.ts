import { planCompensation } from '../compensation/plan.ts';
import { byteLengthOf, type Json, MAX_PAYLOAD_BYTES } from '../json.ts';
import type { AttemptError } from '../task/events.ts';
import type { Step } from '../workflow/compile.ts';
import type { CompensationStrategy } from '../workflow/definition.ts';
import { errorOf } from './evolve.ts';
import { fatalStep, Room, render, startReady, startUndo } from './start-steps.ts';
import { hasEnded, type Running, type UnitCompensation } from './state.ts';
import { timeSpent } from './time-spent.ts';
import type { Turn } from './turn.ts';

type AbortFacts = {
  readonly reason: 'step_failed' | 'cancelled' | 'deadline_passed';
  readonly unit?: string | undefined;
  readonly error?: AttemptError | undefined;
  readonly comment?: string | undefined;
  readonly compensate: boolean;
  readonly strategy: CompensationStrategy;
  readonly interrupt: boolean;
};

export const abort = (turn: Turn, { unit, error, comment, ...facts }: AbortFacts): void =>
  turn.emit({
    type: 'ExecutionAborting',
    data: {
      executionId: turn.state.executionId,
      ...facts,
      ...(unit === undefined ? {} : { unit }),
      ...(error === undefined ? {} : { error }),
      ...(comment === undefined ? {} : { comment }),
      abortedAt: turn.now,
    },
  });

/** Whether anything could be undone at all. */
export const canCompensate = ({ pivotPassed, compiled }: Running): boolean =>
  !pivotPassed && compiled.steps.some(({ compensation }) => compensation !== undefined);

/** A step failed for good, and with it the execution. */
export const abortForStep = (turn: Turn, unit: string, error: AttemptError): void =>
  abort(turn, {
    reason: 'step_failed',
    unit,
    error,
    compensate: canCompensate(turn.state),
    strategy: turn.state.compiled.definition.saga.strategy,
    interrupt: false,
  });

const spent = (turn: Turn) => timeSpent(turn.state, Date.parse(turn.now));

const outputsOfSinks = ({ compiled, steps }: Running): Json => {
  const outputs: Record<string, Json> = {};
  for (const index of compiled.sinks) outputs[(compiled.steps[index] as Step).id] = steps.get(index).unit.output;
  // Not asked for: where it is too much for one answer, each step still has its own.
  return byteLengthOf(outputs) <= MAX_PAYLOAD_BYTES ? outputs : null;
};

const fail = (turn: Turn, error: AttemptError, unit?: string): void =>
  turn.emit({
    type: 'ExecutionFailed',
    data: {
      executionId: turn.state.executionId,
      ...(unit === undefined ? {} : { unit }),
      error,
      ...spent(turn),
      failedAt: turn.now,
    },
  });

const complete = (turn: Turn) => {
  const { compiled, executionId } = turn.state;
  const output = compiled.output === undefined ? undefined : render(turn.state, compiled.output);
  if (output && !output.ok)
    return fail(turn, errorOf('OUTPUT_FAILED', `the output could not be made: ${output.rejection.message}`));
  turn.emit({
    type: 'ExecutionCompleted',
    data: {
      executionId,
      output: output === undefined ? outputsOfSinks(turn.state) : output.value,
      ...spent(turn),
      completedAt: turn.now,
    },
  });
};

/** Nobody works for the execution any more: what is owed is known now. */
const settle = (turn: Turn) => {
  const { abort: cause, executionId } = turn.state;
  if (cause === undefined) return;
  const plan = cause.compensate ? planCompensation(turn.state, cause.strategy, cause.unit) : [];
  if (plan.length > 0)
    return turn.emit({
      type: 'CompensationStarted',
      data: {
        executionId,
        strategy: cause.strategy,
        plan: plan.map(({ unit, after }) => ({ unit, after: [...after] })),
        startedAt: turn.now,
      },
    });
  if (cause.reason === 'cancelled')
    return turn.emit({
      type: 'ExecutionCancelled',
      data: {
        executionId,
        ...(cause.comment === undefined ? {} : { reason: cause.comment }),
        ...spent(turn),
        cancelledAt: turn.now,
      },
    });
  fail(turn, cause.error ?? errorOf('DEADLINE_PASSED', 'the execution took too long'), cause.unit);
};

const isClosed = ({ status }: UnitCompensation): boolean => status === 'completed' || status === 'skipped';

/** Whether everything that must be undone before has been, or must not be waited for. */
const isDue = (execution: Running, { status, after }: UnitCompensation): boolean => {
  if (status !== 'pending') return false;
  const goesOn = execution.compiled.definition.saga.onCompensationFailure === 'continue';
  return after.every((key) => {
    const before = execution.compensation?.units.get(key);
    return before === undefined || isClosed(before) || (goesOn && before.status === 'parked');
  });
};

export const park = (turn: Turn, unit: string, error: AttemptError): void =>
  turn.emit({
    type: 'CompensationParked',
    data: { executionId: turn.state.executionId, unit, error, parkedAt: turn.now },
  });

/** Starts the undos that are due. One that cannot even be started is parked, which may free others: then all are looked at again. */
const undo = (turn: Turn) => {
  const room = new Room(turn.state);
  for (let again = true; again; ) {
    again = false;
    for (const { unit } of turn.state.compensation?.units.values() ?? []) {
      if (!room.has(turn.state)) return;
      const compensation = turn.state.compensation?.units.get(unit);
      if (compensation === undefined || !isDue(turn.state, compensation)) continue;
      const error = startUndo(turn, room, unit);
      if (error) park(turn, unit, error);
      again ||= error !== undefined;
    }
  }
};

const endCompensation = (turn: Turn) => {
  const { compensation, executionId, openTasks, status } = turn.state;
  if (compensation === undefined || openTasks > 0) return;
  const units = [...compensation.units.values()];
  if (units.every(isClosed))
    return turn.emit({
      type: 'ExecutionCompensated',
      data: {
        executionId,
        compensated: units.filter((unit) => unit.status === 'completed').length,
        skipped: units.filter((unit) => unit.status === 'skipped').length,
        ...spent(turn),
        compensatedAt: turn.now,
      },
    });
  if (status === 'compensation_failed' || units.some((unit) => isDue(turn.state, unit))) return;
  turn.emit({
    type: 'ExecutionCompensationFailed',
    data: {
      executionId,
      parked: units.filter((unit) => unit.status === 'parked').map(({ unit }) => unit),
      failedAt: turn.now,
    },
  });
};

/** Does everything that follows by itself from what has happened: starts steps, undoes them, ends the execution. */
export const advance = (turn: Turn) => {
  if (hasEnded(turn.state)) return;
  if (turn.state.abort === undefined) {
    if (turn.state.paused) return;
    startReady(turn, (step, error) => abortForStep(turn, step.id, error));
    if (turn.state.abort === undefined) {
      if (turn.state.unfinished === 0) complete(turn);
      return;
    }
  }
  if (turn.state.compensation === undefined) {
    if (turn.state.openTasks > 0 || turn.state.openChildren > 0) return;
    settle(turn);
  }
  if (hasEnded(turn.state) || turn.state.paused) return;
  undo(turn);
  endCompensation(turn);
};

/** After a task of a step has ended: its failure may be the execution's. */
export const judgeStep = (turn: Turn, step: Step, unit: string) => {
  const error = turn.state.abort === undefined ? fatalStep(turn.state, step) : undefined;
  if (error) abortForStep(turn, unit, error);
};
