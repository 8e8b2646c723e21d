import { type Json, MAX_PAYLOAD_BYTES } from '../json.ts';
import { type Result, rejected } from '../result.ts';
import type { AttemptError } from '../task/events.ts';
import type { Step } from '../workflow/compile.ts';
import { abortForStep } from './abort.ts';
import { compensateDue, endCompensation } from './compensate.ts';
import { errorOf } from './errors.ts';
import { fits, render } from './inputs.ts';
import { owesMore, recordPlan } from './record-plan.ts';
import { Room } from './room.ts';
import { startReady } from './start-steps.ts';
import { hasEnded, type Running } from './state.ts';
import { timeSpent } from './time-spent.ts';
import type { Turn } from './turn.ts';

/** What an execution answers with when its workflow names no output. */
const outputsOfSinks = ({ compiled, steps }: Running): Json => {
  const outputs: Record<string, Json> = {};
  for (const index of compiled.sinks) outputs[(compiled.steps[index] as Step).id] = steps.get(index).unit.output;
  return outputs;
};

const outputOf = (execution: Running): Result<Json, AttemptError> => {
  const { output } = execution.compiled;
  if (output !== undefined) {
    const rendered = render(execution, output);
    if (rendered.ok) return rendered;
    return rejected(errorOf('OUTPUT_FAILED', `the output could not be made: ${rendered.rejection.message}`));
  }
  const whole = fits(outputsOfSinks(execution));
  if (whole.ok) return whole;
  const limit = `more than ${MAX_PAYLOAD_BYTES} bytes of JSON`;
  return rejected(
    errorOf('OUTPUT_FAILED', `the outputs of the last tasks together are ${limit}: give the workflow an \`output\``),
  );
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
  const output = outputOf(turn.state);
  if (!output.ok) return fail(turn, output.rejection);
  turn.emit({
    type: 'ExecutionCompleted',
    data: {
      executionId: turn.state.executionId,
      output: output.value,
      ...timeSpent(turn.state, Date.parse(turn.now)),
      completedAt: turn.now,
    },
  });
};

/** Nobody works for the execution any more: now it is known what must be compensated. */
const settle = (turn: Turn, room: Room) => {
  const { abort: cause, executionId } = turn.state;
  if (cause === undefined || recordPlan(turn, room)) return;
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

/**
 * More follows from what has happened than one append takes, or than may hold up everything else: the rest is decided next, as soon as the
 * follower of executions sees this.
 */
const continueLater = (turn: Turn, rest: boolean): void => {
  if (!hasEnded(turn.state) && (rest || turn.state.continues))
    turn.emit({
      type: 'ExecutionContinued',
      data: { executionId: turn.state.executionId, rest, continuedAt: turn.now },
    });
};

/** Does everything that follows by itself from what has happened: starts steps, compensates them, ends the execution. */
export const advance = (turn: Turn) => {
  if (hasEnded(turn.state)) return;
  const room = new Room(turn.state);
  if (turn.state.abort === undefined) {
    if (turn.state.paused) return;
    const rest = startReady(turn, room, (step, error) => abortForStep(turn, step.id, error));
    if (turn.state.abort === undefined) {
      if (turn.state.unfinished === 0) complete(turn);
      continueLater(turn, rest);
      return;
    }
  }
  if (turn.state.compensation === undefined) {
    if (turn.state.openTasks > 0 || turn.state.openChildren > 0) return;
    settle(turn, room);
  } else if (owesMore(turn.state)) recordPlan(turn, room);
  if (hasEnded(turn.state) || turn.state.paused) return;
  const isLeft = compensateDue(turn, room);
  endCompensation(turn);
  continueLater(turn, isLeft || owesMore(turn.state));
};
