import { byteLengthOf, type Json, MAX_PAYLOAD_BYTES } from '../json.ts';
import type { AttemptError } from '../task/events.ts';
import type { Step } from '../workflow/compile.ts';
import { abortForStep } from './abort.ts';
import { compensateDue, endCompensation } from './compensate.ts';
import { errorOf } from './errors.ts';
import { render } from './inputs.ts';
import { planCompensation } from './plan-compensation.ts';
import { startReady } from './start-steps.ts';
import { hasEnded, type Running } from './state.ts';
import { timeSpent } from './time-spent.ts';
import type { Turn } from './turn.ts';

const outputsOfSinks = ({ compiled, steps }: Running): Json => {
  const outputs: Record<string, Json> = {};
  for (const index of compiled.sinks) outputs[(compiled.steps[index] as Step).id] = steps.get(index).unit.output;
  // A default, so it may be left out: where it is too large for one answer, each step still has its own output.
  return byteLengthOf(outputs) <= MAX_PAYLOAD_BYTES ? outputs : null;
};

const fail = (turn: Turn, error: AttemptError, unit?: string): void =>
  turn.emit({
    type: 'ExecutionFailed',
    data: {
      executionId: turn.state.executionId,
      ...(unit === undefined ? {} : { unit }),
      error,
      ...timeSpent(turn.state, Date.parse(turn.now)),
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
      ...timeSpent(turn.state, Date.parse(turn.now)),
      completedAt: turn.now,
    },
  });
};

/** Nobody works for the execution any more: now it is known what must be compensated. */
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
        ...timeSpent(turn.state, Date.parse(turn.now)),
        cancelledAt: turn.now,
      },
    });
  fail(turn, cause.error ?? errorOf('DEADLINE_PASSED', 'the execution took too long'), cause.unit);
};

/** Does everything that follows by itself from what has happened: starts steps, compensates them, ends the execution. */
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
  compensateDue(turn);
  endCompensation(turn);
};
