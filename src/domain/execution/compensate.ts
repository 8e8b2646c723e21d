import type { Json } from '../json.ts';
import { ok } from '../result.ts';
import type { AttemptError } from '../task/events.ts';
import type { Step } from '../workflow/compile.ts';
import type { Compensations } from './compensations.ts';
import { errorOf } from './errors.ts';
import { stepNamed } from './find.ts';
import { fits, render } from './inputs.ts';
import { taskRedriven, taskSubmitted, type Work } from './new-task.ts';
import { owesMore } from './record-plan.ts';
import type { Room } from './room.ts';
import { timeSpent } from './time-spent.ts';
import type { Turn } from './turn.ts';
import { compensationOf, parseUnit } from './unit.ts';

/** A completed sub-workflow without a compensation of its own is compensated by its own steps, which the follower of executions sees to. */
const waitForChild = (turn: Turn, room: Room, step: Step): boolean => {
  const { childId } = turn.state.steps.get(step.index);
  if (step.compensation !== undefined || childId === undefined) return false;
  room.takeEvent();
  const { executionId } = turn.state;
  turn.emit({ type: 'CompensationWaiting', data: { executionId, unit: step.id, childId, since: turn.now } });
  return true;
};

/**
 * Starts the compensation of a unit; returns the error when not even its input could be made.
 *
 * @param chosen an input of a person's choice
 */
export const startCompensation = (turn: Turn, room: Room, key: string, chosen?: Json): AttemptError | undefined => {
  const unit = parseUnit(key);
  const step = unit && stepNamed(turn.state, unit.stepId);
  const present = turn.state.compensation?.units.get(key);
  if (step && waitForChild(turn, room, step)) return undefined;
  if (unit === undefined || step?.compensation === undefined || present === undefined)
    return errorOf('NO_COMPENSATION', `${key} has no compensation`);
  const again = chosen === undefined ? taskRedriven(present.state, turn.now) : undefined;
  if (again) {
    room.take(null);
    turn.emit(again);
    return undefined;
  }
  const { compensation } = step;
  const state = turn.state.steps.get(step.index);
  const compensated = unit.item === undefined ? state.unit : state.items?.units.get(unit.item);
  const self = { input: compensated?.task?.submitted.input ?? null, output: compensated?.output ?? null };
  const input =
    chosen !== undefined
      ? ok(chosen)
      : compensation.input === undefined
        ? fits(self)
        : render(turn.state, compensation.input, room.evaluation(), {
            self,
            item: unit.item === undefined ? null : (state.items?.list[unit.item] ?? null),
            index: unit.item ?? null,
          });
  if (!input.ok) return input.rejection;
  room.take(input.value);
  const work: Work = {
    key: compensationOf(key),
    agent: compensation.agent,
    input: input.value,
    timeoutMs: compensation.timeoutMs,
    retry: compensation.retry,
    priority: step.definition.priority,
    tags: step.definition.tags,
  };
  turn.emit(taskSubmitted(turn, work, present.state.generation + 1));
  return undefined;
};

export const park = (turn: Turn, unit: string, error: AttemptError): void =>
  turn.emit({
    type: 'CompensationParked',
    data: { executionId: turn.state.executionId, unit, error, parkedAt: turn.now },
  });

/**
 * Starts the compensations that are due, as far as there is room. One that cannot even be started is parked, which may free others. Answers
 * whether some are left that no end of a task would bring about.
 */
export const compensateDue = (turn: Turn, room: Room): boolean => {
  const next = () => turn.state.compensation?.units.next();
  for (let unit = next(); unit !== undefined && room.has(turn.state); unit = next()) {
    const error = startCompensation(turn, room, unit);
    if (error === undefined) continue;
    room.takeBytes(error.message.length);
    room.takeEvent();
    park(turn, unit, error);
  }
  return next() !== undefined && turn.state.openTasks + turn.state.openChildren === 0;
};

const numbersOf = (units: Compensations): { readonly compensated: number; readonly skipped: number } => {
  let [compensated, skipped] = [0, 0];
  for (const { status } of units.values()) {
    compensated += Number(status === 'completed');
    skipped += Number(status === 'skipped');
  }
  return { compensated, skipped };
};

/** Of units named in the last event: 10,000 names would be too many for an append. Each was parked by an event of its own. */
const MAX_PARKED_NAMED = 1_000;

export const endCompensation = (turn: Turn) => {
  const { compensation, executionId, openTasks, openChildren, status } = turn.state;
  if (compensation === undefined || openTasks + openChildren > 0) return;
  const { units } = compensation;
  if (owesMore(turn.state)) return;
  if (units.areClosed)
    return turn.emit({
      type: 'ExecutionCompensated',
      data: {
        executionId,
        ...numbersOf(units),
        ...timeSpent(turn.state, Date.parse(turn.now)),
        compensatedAt: turn.now,
      },
    });
  if (status === 'compensation_failed' || units.next() !== undefined) return;
  turn.emit({
    type: 'ExecutionCompensationFailed',
    data: {
      executionId,
      parked: [...units.values()]
        .filter((unit) => unit.status === 'parked')
        .slice(0, MAX_PARKED_NAMED)
        .map(({ unit }) => unit),
      failedAt: turn.now,
    },
  });
};
