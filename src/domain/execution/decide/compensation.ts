import { ok, type Result, rejected } from '../../result.ts';
import { advance } from '../advance.ts';
import type { CommandOf } from '../commands.ts';
import { park, startCompensation } from '../compensate.ts';
import type { Decision, ExecutionRejection } from '../decision.ts';
import { Room } from '../room.ts';
import type { Running } from '../state.ts';
import { Turn } from '../turn.ts';
import type { UnitCompensation } from '../unit-state.ts';

const parkedCompensation = (execution: Running, unit: string): Result<UnitCompensation, ExecutionRejection> => {
  const compensation = execution.compensation?.units.get(unit);
  if (compensation === undefined) return rejected({ reason: 'CompensationNotFound', unit });
  const { status } = compensation;
  return status === 'parked' ? ok(compensation) : rejected({ reason: 'CompensationNotParked', unit, status });
};

export const retryCompensation = (
  { unit, input, now, routing }: CommandOf<'RetryCompensation'>,
  execution: Running,
): Decision => {
  const parked = parkedCompensation(execution, unit);
  if (!parked.ok) return parked;
  const turn = new Turn(execution, now, routing);
  const error = startCompensation(turn, new Room(turn.state), unit, input);
  if (error) park(turn, unit, error);
  advance(turn);
  return ok(turn);
};

/** What became of the compensation of a sub-workflow. It may be told late, when a person has taken the matter on already. */
export const closeCompensation = (
  { unit, error, now, routing }: CommandOf<'CloseCompensation'>,
  execution: Running,
): Decision => {
  const compensation = execution.compensation?.units.get(unit);
  const awaited = compensation?.status === 'open' || (compensation?.status === 'parked' && error === undefined);
  if (!awaited || compensation.state.task !== undefined) return ok({ events: [], state: execution });
  const turn = new Turn(execution, now, routing);
  const { executionId } = execution;
  if (error) park(turn, unit, error);
  else turn.emit({ type: 'CompensationCompleted', data: { executionId, unit, completedAt: now } });
  advance(turn);
  return ok(turn);
};

export const skipCompensation = (
  { unit, reason, now, routing }: CommandOf<'SkipCompensation'>,
  execution: Running,
): Decision => {
  const parked = parkedCompensation(execution, unit);
  if (!parked.ok) return parked;
  const turn = new Turn(execution, now, routing);
  turn.emit({
    type: 'CompensationSkipped',
    data: { executionId: execution.executionId, unit, reason, skippedAt: now },
  });
  advance(turn);
  return ok(turn);
};

export const handOverCompensation = (
  { unit, to, note, now, routing }: CommandOf<'HandOverCompensation'>,
  execution: Running,
): Decision => {
  const parked = parkedCompensation(execution, unit);
  if (!parked.ok) return parked;
  const { executionId } = execution;
  const turn = new Turn(execution, now, routing);
  turn.emit({
    type: 'CompensationHandedOver',
    data: { executionId, unit, to, ...(note === undefined ? {} : { note }), handedOverAt: now },
  });
  return ok(turn);
};
